"""What became of commands, on `{series}:exe`, from the executor. It never reports inventory."""

from __future__ import annotations

from enum import StrEnum

from pmcore.messages.base import Message
from pmcore.model.errors import Reason


class FailureStage(StrEnum):
    """DENIED: we refused before sending. REJECTED: the venue refused."""

    DENIED = "denied"
    REJECTED = "rejected"


class VenueMode(StrEnum):
    """States of the venue that change quoting (docs/venue.md 1.7)."""

    NORMAL = "normal"
    POST_ONLY = "post_only"
    CANCEL_ONLY = "cancel_only"
    DISABLED = "disabled"
    RESTARTING = "restarting"
    CLOSED_ONLY = "closed_only"


class OrderSubmitting(Message, frozen=True, kw_only=True):
    """The signed order's id, recorded before the POST, so that a fill may come first."""

    slug: str
    client_order_id: str
    order_hash: str
    ts_exec_ns: int


class OrderAccepted(Message, frozen=True, kw_only=True):
    """The venue says that the order rests."""

    slug: str
    client_order_id: str
    order_hash: str
    ts_exec_ns: int


class OrderFailed(Message, frozen=True, kw_only=True):
    """The order is not at the venue; its slot is free at once.

    See docs/strategy_guide.md#invariants-of-the-strategy.
    """

    slug: str
    client_order_id: str
    stage: FailureStage
    reason: Reason
    text: str = ""
    order_hash: str = ""
    ts_exec_ns: int


class OrderUnknown(Message, frozen=True, kw_only=True):
    """The POST may or may not have arrived; the executor asks the venue and then says which."""

    slug: str
    client_order_id: str
    order_hash: str
    reason: Reason
    ts_exec_ns: int


class OrderCancelled(Message, frozen=True, kw_only=True):
    """The venue confirmed a cancel, or says that the order is gone unfilled beyond `filled_u6`.

    `filled_u6` is what the venue says was matched, None when it did not say.
    """

    slug: str
    client_order_id: str
    order_hash: str
    filled_u6: int | None = None
    ts_exec_ns: int


class CancelFailed(Message, frozen=True, kw_only=True):
    """A cancel did not work. ALREADY_MATCHED and NOT_FOUND mean: nothing rests.

    `filled_u6` is what the venue says was matched in all, None when it was not asked or did not
    say; then the same order may be asked about again by another `CancelOrders`.
    """

    slug: str
    client_order_id: str
    reason: Reason
    text: str = ""
    ts_exec_ns: int
    filled_u6: int | None = None


class WindowFlat(Message, frozen=True, kw_only=True):
    """The venue was asked after a cancel and has no open order of ours in this window."""

    slug: str
    ts_exec_ns: int


class VenueModeChanged(Message, frozen=True, kw_only=True):
    """The venue's mode as the executor learnt it from answers; published to every live window."""

    slug: str
    mode: VenueMode
    until_ns: int | None = None
    ts_exec_ns: int


class MergeStatus(StrEnum):
    """MERGED: the chain says so. FAILED: certainly not merged. UNKNOWN: either may be true."""

    MERGED = "merged"
    FAILED = "failed"
    UNKNOWN = "unknown"


class MergeReported(Message, frozen=True, kw_only=True):
    """What became of a `MergePairs`. It changes no inventory.

    It may be said again; identity is `merge_id`. MERGED and FAILED are final, either may follow
    UNKNOWN. `up_cost_e4u6` and `down_cost_e4u6` are what the shares had cost (price_e4 x qty_u6),
    by the average of the confirmed shares that were not merged before.
    """

    slug: str
    merge_id: str
    size_u6: int
    status: MergeStatus
    text: str = ""
    up_cost_e4u6: int = 0
    down_cost_e4u6: int = 0
    ts_exec_ns: int


ExecutionMessage = (
    OrderSubmitting
    | OrderAccepted
    | OrderFailed
    | OrderUnknown
    | OrderCancelled
    | CancelFailed
    | WindowFlat
    | VenueModeChanged
    | MergeReported
)
