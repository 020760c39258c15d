"""What the execution engine remembers: orders, windows, and commands that have no answer yet."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from pmcore.machines.inventory import Inventory
from pmcore.machines.outbox import BEFORE_POST, OutboxState, OutboxTrigger, advance
from pmcore.messages.orders import MergePairs, SubmitOrder
from pmcore.model.errors import Reason
from pmcore.model.market import Outcome, Window
from pmcore.model.units import NS_PER_MS, NS_PER_S

MAX_LIVE_PER_WINDOW = 64
MAX_WAITING = 32
"""Orders that may wait for the rate budget; one more is denied BUDGET."""
MAX_REMEMBERED_PER_WINDOW = 5_000
MAX_POSTS_PER_WINDOW = 25_000
"""More than a strategy asks for: 20,000, and hedges."""
MAX_SWEEP_TOKENS = 16
MAX_SWEEP_ATTEMPTS = 12
MAX_RESOLVE_ATTEMPTS = 5
RECONCILE_NS = 15 * NS_PER_S
LIST_LAG_NS = 5 * NS_PER_S
"""A list of open orders may be this old: it is not compared with newer facts of ours."""
_RETRY_FIRST_NS = 100 * NS_PER_MS
_RETRY_MOST_NS = 2 * NS_PER_S
DEFAULT_RETRY_AFTER_MS = 1_000
MAX_RETRY_AFTER_MS = 30_000
"""For orders. A longer Retry-After is cut to this: trying again costs one order."""
MAX_CANCEL_WAIT_MS = 1_000
"""For cancels, whatever the venue said: an order that rests costs more than a refused request."""
ACCOUNT_WAIT_NS = 3 * NS_PER_S
"""An ended order of which nobody said how much was matched is asked about; then again."""
_ACCOUNT_MOST_NS = 30 * NS_PER_S
ABSENT_MEANS_UNFILLED_NS = 30 * NS_PER_S
"""So long after its end an order that is neither open nor in any trade was not filled."""


NOT_SENT = "cancelled before it was sent"


def backoff_ns(attempt: int) -> int:
    """100 ms, doubling to 2 s."""
    return min(_RETRY_FIRST_NS << min(attempt, 10), _RETRY_MOST_NS)


def account_wait_ns(asks: int) -> int:
    """3 s, doubling to 30 s."""
    return min(ACCOUNT_WAIT_NS << min(asks, 10), _ACCOUNT_MOST_NS)


def refused_cancel(text: str) -> Reason:
    """A reason of `not_canceled`. Only a clear text is used (docs/venue.md 1.5)."""
    lower = text.lower()
    if "already matched" in lower and "cancel" not in lower:
        return Reason.ALREADY_MATCHED
    return Reason.UNKNOWN


class Ask(StrEnum):
    """The next question about an order of unknown outcome."""

    DELETE = "delete"
    LOOK_UP = "look_up"


class PendingCancel:
    """A CancelOrders command: finished when each of its orders has an answer."""

    __slots__ = ("left", "token")

    def __init__(self, token: str) -> None:
        self.token = token
        self.left = 1  # itself, until all its orders were told


class OrderRecord:
    """One order. `asked`: a DELETE or a look-up about it is under way."""

    __slots__ = (
        "account_asks",
        "account_ns",
        "ask",
        "asked",
        "attempts",
        "cancel_confirmed",
        "cancel_wanted",
        "cancels",
        "changed_ns",
        "claimed_u6",
        "client_order_id",
        "command",
        "deny",
        "doubted",
        "ended_ns",
        "failures",
        "filled_u6",
        "final_u6",
        "order_hash",
        "outcome",
        "price_e4",
        "retry_ns",
        "size_u6",
        "slug",
        "state",
        "token",
        "told_gone",
        "unclear",
        "unheard",
        "was_accepted",
    )

    def __init__(self, client_order_id: str, slug: str, state: OutboxState) -> None:
        self.client_order_id = client_order_id
        self.slug = slug
        self.state = state
        self.order_hash = ""
        self.command: SubmitOrder | None = None
        self.token: str | None = None
        self.deny: tuple[Reason, str] | None = None
        self.cancel_wanted = False
        self.cancels: list[PendingCancel] = []
        self.ask = Ask.DELETE
        self.asked = False
        self.attempts = 0  # answered, but not what ends it
        self.failures = 0  # not answered
        self.retry_ns = 0
        self.cancel_confirmed = False
        self.was_accepted = False
        self.doubted = False  # it rested, as far as we know, but the list did not show it
        self.ended_ns: int | None = None  # it was at the venue, and its end was said
        self.size_u6 = 0
        self.price_e4 = 0
        self.outcome: Outcome | None = None  # None: of an earlier run
        self.filled_u6 = 0  # its trades
        self.claimed_u6 = 0  # the most that anybody said was matched
        self.final_u6: int | None = None  # all that was matched, said of an order that had ended
        self.told_gone = False  # by the user channel
        self.account_ns = 0  # when to ask how much was matched
        self.account_asks = 0
        self.unclear: tuple[Reason, str] | None = None  # what left open whether it got in
        self.unheard = False  # not judged by the limits, nor counted by them
        self.changed_ns = 0

    @property
    def exposure_u6(self) -> int:
        """What may still become inventory, beyond its trades."""
        over = self.told_gone or self.ended_ns is not None
        most_u6 = self.size_u6
        if self.state is OutboxState.DONE and self.ended_ns is None:  # it never got in
            most_u6 = self.claimed_u6
        elif over and self.final_u6 is not None:
            most_u6 = max(self.claimed_u6, self.final_u6)
        return max(min(most_u6, self.size_u6) - self.filled_u6, 0)

    def claim(self, matched_u6: int | None, *, final: bool) -> None:
        """Somebody says how much was matched; `final`: of an order that takes no more."""
        if matched_u6 is not None:
            self.claimed_u6 = max(self.claimed_u6, matched_u6)
            if final:
                self.final_u6 = max(self.final_u6 or 0, matched_u6)

    def move(self, at_ns: int, trigger: OutboxTrigger) -> None:
        """Advance by the table; retries begin anew."""
        self.state = advance(self.state, trigger)
        self.changed_ns = at_ns
        self.asked = False
        self.attempts = 0
        self.failures = 0
        self.retry_ns = 0


class MergeRecord(msgspec.Struct, frozen=True):
    """A `MergePairs` command, its handle, and what its shares had cost (price_e4 x qty_u6).

    `unheard`: not judged by what is held, and not submitted.
    """

    token: str
    command: MergePairs
    up_cost_e4u6: int = 0
    down_cost_e4u6: int = 0
    unheard: bool = False


class Sweep:
    """Cancelling a window until the venue says that nothing is open."""

    __slots__ = ("attempts", "next_ns", "tokens")

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.attempts = 0
        self.next_ns = 0


class CancelAllRecord:
    """A cancel-all that the venue has not confirmed with an empty list yet."""

    __slots__ = ("asked", "failures", "number", "retry_ns")

    def __init__(self, number: int, at_ns: int) -> None:
        self.number = number
        self.asked = False
        self.failures = 0
        self.retry_ns = at_ns


class ListingReason(StrEnum):
    """Why the open orders of a window are being listed."""

    SWEEP = "sweep"
    RECONCILE = "reconcile"


class WindowRecord:
    """A window and its orders.

    `live`: those that may still be at the venue or on their way. `counted`: those of which shares
    may still become inventory.
    """

    __slots__ = (
        "counted",
        "ending",
        "inventory",
        "listed_ns",
        "listing",
        "live",
        "lost_since_ns",
        "merge",
        "orders",
        "reconcile_ns",
        "submits",
        "sweep",
        "window",
    )

    def __init__(self, window: Window, at_ns: int) -> None:
        self.window = window
        self.orders: dict[str, OrderRecord] = {}
        self.live: dict[str, OrderRecord] = {}
        self.counted: dict[str, OrderRecord] = {}
        self.inventory = Inventory()
        self.submits = 0
        self.lost_since_ns: int | None = None  # the loss limit is reached since then
        self.sweep: Sweep | None = None
        self.merge: MergeRecord | None = None  # the one that is under way
        self.listing: ListingReason | None = None
        self.listed_ns = 0
        self.reconcile_ns = at_ns + RECONCILE_NS
        self.ending = False

    @property
    def flat(self) -> bool:
        """By what the venue has said, no order of ours can be there."""
        return not self.live and self.sweep is None

    @property
    def at_venue(self) -> int:
        """Orders that may be at the venue, by what the venue has said."""
        return sum(record.state not in BEFORE_POST for record in self.live.values())

    @property
    def unheard(self) -> tuple[str, ...]:
        """Orders, and a merge, that wait to be judged by what the account did, oldest first."""
        orders = tuple(key for key, record in self.live.items() if record.unheard)
        merge = self.merge
        return (*orders, merge.command.merge_id) if merge and merge.unheard else orders

    def revive(self, record: OrderRecord) -> None:
        """It counts as alive again."""
        self.live[record.client_order_id] = record

    def recount(self, record: OrderRecord) -> None:
        """What may still come of it has changed."""
        if record.exposure_u6:
            self.counted[record.client_order_id] = record
        else:
            self.counted.pop(record.client_order_id, None)

    def remember(self, record: OrderRecord) -> OrderRecord | None:
        """Add an order; return the oldest ended one when there are too many."""
        self.orders[record.client_order_id] = record
        self.live[record.client_order_id] = record
        self.recount(record)
        if len(self.orders) <= MAX_REMEMBERED_PER_WINDOW:
            return None  # MAX_LIVE_PER_WINDOW is far below it, so that there is one to forget
        ended = (r for key, r in self.orders.items() if key not in self.live)
        oldest = next(ended)
        del self.orders[oldest.client_order_id]
        self.counted.pop(oldest.client_order_id, None)
        return oldest
