"""What goes into and comes out of the execution engine besides messages.

A `token` is the shell's handle of a command (its entry id); `Finished` gives it back, exactly
once, when the command's answer is among the outputs of the same step: so the shell can
acknowledge and answer in one transaction.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from pmcore.messages.control import Halt, Resume
from pmcore.messages.execution import (
    ExecutionMessage,
    MergeReported,
    MergeStatus,
    VenueMode,
)
from pmcore.messages.notices import Notice
from pmcore.messages.orders import CommandMessage, MergePairs, SubmitOrder
from pmcore.messages.rotation import WindowAnnounced
from pmcore.messages.timers import Tick
from pmcore.messages.user import FillReported, OrderUpdated
from pmcore.model.errors import Reason


class Command(msgspec.Struct, frozen=True, tag=True):
    """A command as read, with the shell's handle."""

    token: str
    message: CommandMessage


class Adopted(msgspec.Struct, frozen=True, tag=True):
    """An order that an earlier run recorded and never ended: find out and say."""

    slug: str
    client_order_id: str
    order_hash: str
    was_accepted: bool
    token: str | None = None


class Abandoned(msgspec.Struct, frozen=True, tag=True):
    """A command left by an earlier run of which nothing is recorded: it will never be sent.

    Nor was it before, unless Redis lost what was recorded.
    """

    token: str
    message: SubmitOrder


class AccountHeard(msgspec.Struct, frozen=True, tag=True):
    """What `user` held when these commands had been read was fed: they may be judged.

    `asked`: the ids of orders and of merges.
    """

    slug: str
    asked: tuple[str, ...]


class Signed(msgspec.Struct, frozen=True, tag=True):
    """The order exists and its id is known."""

    client_order_id: str
    order_hash: str


class Recorded(msgspec.Struct, frozen=True, tag=True):
    """`OrderSubmitting` stands in `exe`; only now may the POST go out."""

    client_order_id: str


class RateHeaders(msgspec.Struct, frozen=True, tag=True):
    """`Poly-RateLimit-Remaining` and `-Reset` of an answer (docs/venue.md 2.2), where given."""

    remaining: int
    reset_ns: int | None = None


class Posted(msgspec.Struct, frozen=True, tag=True):
    """The venue took the order."""

    client_order_id: str
    rate: RateHeaders | None = None


class PostRejected(msgspec.Struct, frozen=True, tag=True):
    """The venue certainly did not take it, or it never left us."""

    client_order_id: str
    reason: Reason
    text: str = ""
    mode: VenueMode | None = None
    retry_after_ms: int | None = None
    rate: RateHeaders | None = None


class PostUnknown(msgspec.Struct, frozen=True, tag=True):
    """Timed out, broke off, or a 5xx that may come after acceptance (docs/venue.md 1.6)."""

    client_order_id: str
    reason: Reason
    text: str = ""


class MergeAnswered(msgspec.Struct, frozen=True, tag=True):
    """What became of a `SubmitMerge`. `text` is the venue's, or ours."""

    slug: str
    merge_id: str
    status: MergeStatus
    text: str = ""


class MergeAbandoned(msgspec.Struct, frozen=True, tag=True):
    """A command to merge that an earlier run left: perhaps it was sent."""

    token: str
    message: MergePairs


class MergeAdopted(msgspec.Struct, frozen=True, tag=True):
    """What an earlier run said of a merge."""

    report: MergeReported


class CancelAnswered(msgspec.Struct, frozen=True, tag=True):
    """`canceled` and `not_canceled` (with the venue's text) of a DELETE by ids."""

    order_hashes: tuple[str, ...]
    canceled: tuple[str, ...]
    not_canceled: dict[str, str]
    rate: RateHeaders | None = None


class CancelsFailed(msgspec.Struct, frozen=True, tag=True):
    """A DELETE by ids that was not answered; repeating it is harmless."""

    order_hashes: tuple[str, ...]
    reason: Reason
    text: str = ""
    mode: VenueMode | None = None
    retry_after_ms: int | None = None


class OpenOrdersAnswered(msgspec.Struct, frozen=True, tag=True):
    """All order ids that the venue calls open in a window, every page."""

    slug: str
    order_hashes: tuple[str, ...]


class OpenOrdersFailed(msgspec.Struct, frozen=True, tag=True):
    """The list could not be had."""

    slug: str
    reason: Reason
    text: str = ""


class LookUpResult(StrEnum):
    """What the venue says of one order id. ABSENT is not "cancelled" (docs/venue.md 1.4)."""

    LIVE = "live"
    MATCHED = "matched"
    CANCELED = "canceled"
    INVALID = "invalid"
    ABSENT = "absent"
    UNANSWERED = "unanswered"


class OrderLookedUp(msgspec.Struct, frozen=True, tag=True):
    """The answer to `LookUpOrder`; `filled_u6` is None when the venue did not say."""

    order_hash: str
    finding: LookUpResult
    filled_u6: int | None = None


class AllCancelled(msgspec.Struct, frozen=True, tag=True):
    """A cancel-all was answered, and after it the venue listed these orders as open."""

    number: int
    open_hashes: tuple[str, ...]


class CancelAllFailed(msgspec.Struct, frozen=True, tag=True):
    """The cancel-all, or the list after it, was not answered."""

    number: int
    reason: Reason
    text: str = ""


class PlacingGate(msgspec.Struct, frozen=True, tag=True):
    """Whether the heartbeat allows orders to be placed; "no" cancels what rests."""

    open: bool
    text: str = ""


class SeriesLease(msgspec.Struct, frozen=True, tag=True):
    """Who alone may command about a series: the holder's fencing token; 0: nobody, or not known.

    With 0 what rests of the series is cancelled.
    """

    series: str
    token: int


class Stop(msgspec.Struct, frozen=True, tag=True):
    """The process ends: place nothing more, cancel all, verify."""


class WindowEnded(msgspec.Struct, frozen=True, tag=True):
    """Forget a window. Its orders were verified as gone, or the caller stopped waiting."""

    slug: str


ExecutionEvent = (
    Command
    | Adopted
    | Abandoned
    | AccountHeard
    | Signed
    | Recorded
    | Posted
    | PostRejected
    | PostUnknown
    | MergeAnswered
    | MergeAbandoned
    | MergeAdopted
    | CancelAnswered
    | CancelsFailed
    | OpenOrdersAnswered
    | OpenOrdersFailed
    | OrderLookedUp
    | AllCancelled
    | CancelAllFailed
    | PlacingGate
    | SeriesLease
    | WindowAnnounced
    | WindowEnded
    | FillReported
    | OrderUpdated
    | Halt
    | Resume
    | Stop
    | Tick
)


class SignOrder(msgspec.Struct, frozen=True, tag=True):
    """Build and sign; answered by `Signed` in the same turn."""

    command: SubmitOrder


class PostOrder(msgspec.Struct, frozen=True, tag=True):
    """Send the signed bytes, once. Answered by Posted, PostRejected or PostUnknown."""

    slug: str
    client_order_id: str
    order_hash: str


class DeleteOrders(msgspec.Struct, frozen=True, tag=True):
    """DELETE by ids, one batch. Answered by CancelAnswered or CancelsFailed."""

    order_hashes: tuple[str, ...]


class CancelAll(msgspec.Struct, frozen=True, tag=True):
    """Cancel all orders of the account, then list all that are open.

    Answered by AllCancelled or CancelAllFailed, with the same number.
    """

    number: int


class LookUpOrder(msgspec.Struct, frozen=True, tag=True):
    """Ask what became of an order. Answered by OrderLookedUp."""

    slug: str
    order_hash: str


class ListOpenOrders(msgspec.Struct, frozen=True, tag=True):
    """Ask for the open orders of a window. Answered by OpenOrdersAnswered or OpenOrdersFailed."""

    slug: str


class SubmitMerge(msgspec.Struct, frozen=True, tag=True):
    """Merge pairs, once, and wait for what becomes of it. Answered by MergeAnswered."""

    slug: str
    merge_id: str
    size_u6: int


class Finished(msgspec.Struct, frozen=True, tag=True):
    """The command has its answer; acknowledge it with this step's messages."""

    token: str


VenueRequest = (
    SignOrder | PostOrder | DeleteOrders | CancelAll | LookUpOrder | ListOpenOrders | SubmitMerge
)
ExecutionOutput = VenueRequest | Finished | Notice | ExecutionMessage
