"""What others told a window: each object owns its fields and has the only methods that write them.

Everybody reads the fields; nobody else writes them (tests/house/test_state_owners.py).
"""

from __future__ import annotations

from pmcore.engine.strategy.orders import OrderBookkeeper
from pmcore.machines.venue_mode import is_over
from pmcore.messages.control import Halt
from pmcore.messages.execution import VenueMode, VenueModeChanged
from pmcore.messages.gate import PlacingGateChanged
from pmcore.messages.market_data import FeedState, FeedStatusChanged
from pmcore.messages.user import UserChannelChanged, UserChannelState
from pmcore.model.errors import Reason
from pmcore.model.units import NS_PER_S

FATAL_REASONS = (
    Reason.AUTH,
    Reason.BANNED,
    Reason.CLOSED_ONLY,
    Reason.VERSION_MISMATCH,
    Reason.INVALID_ORDER,
    Reason.REGION_BLOCKED,
)
PASSING_REASONS = (Reason.EDGE_PAGE, Reason.REFUSED)
"""Not about us, as far as anybody says: wait longer each time, then try again."""
MAX_REFUSED_IN_A_ROW = 6
MAX_PASSING_WAIT_NS = 30 * NS_PER_S
_CLOSED_MODES = (VenueMode.CANCEL_ONLY, VenueMode.DISABLED, VenueMode.RESTARTING)


class FeedStatus:
    """The state of the market feed of this window."""

    def __init__(self) -> None:
        self.state = FeedState.LIVE
        self.reason = ""

    def hear(self, event: FeedStatusChanged) -> bool:
        """Note the feed's state; return whether whole books will follow, so that ours are old."""
        self.state, self.reason = event.state, event.reason
        return event.state in (FeedState.DOWN, FeedState.RESYNCING)


class UserChannelStatus:
    """The state of the account's user channel."""

    def __init__(self) -> None:
        self.state = UserChannelState.DOWN
        self.reason = ""

    def hear(self, event: UserChannelChanged) -> None:
        """Note the channel's state."""
        self.state, self.reason = event.state, event.reason


class ExecutorGate:
    """Whether the executor may place; shut until it says so, if there is one."""

    def __init__(self, *, gated: bool) -> None:
        self.open = not gated
        self.reason = "it has not said yet whether it may place"

    def hear(self, event: PlacingGateChanged) -> None:
        """Note what the executor says."""
        self.open, self.reason = event.open, event.reason


class OperatorHalt:
    """Whether the operator stopped all quoting: `reason` is "" when not."""

    def __init__(self) -> None:
        self.reason = ""

    def hear(self, event: Halt) -> None:
        """Stop quoting."""
        self.reason = event.reason or "by the operator"

    def resume(self) -> None:
        """Quote again."""
        self.reason = ""


class VenueModeState:
    """The venue's trading mode; one with an end is over by itself."""

    def __init__(self) -> None:
        self.mode = VenueMode.NORMAL
        self.until_ns: int | None = None

    def hear(self, event: VenueModeChanged) -> None:
        """Note the mode that the executor saw."""
        self.mode, self.until_ns = event.mode, event.until_ns

    def at(self, at_ns: int) -> VenueMode:
        """The venue's mode, back to normal once its time is over."""
        return VenueMode.NORMAL if is_over(at_ns, self.until_ns) else self.mode

    def takes_no_orders(self, at_ns: int) -> bool:
        """Whether an order would be refused now."""
        return self.at(at_ns) in _CLOSED_MODES


class VenueRefusals:
    """What the venue refuses: a few times in a row means wait, some reasons end the window."""

    def __init__(self, too_small: str, failure_backoff_ns: int) -> None:
        self.text = too_small
        """Why this window quotes no more, "" when it does."""
        self.in_a_row = 0
        self._too_small = too_small
        self._failure_backoff_ns = failure_backoff_ns

    @property
    def too_small(self) -> bool:
        """Whether our own size is what the market does not take."""
        return bool(self.text) and self.text == self._too_small

    @property
    def wait_ns(self) -> int:
        """How long to wait after a refusal that should pass: doubles each time, bounded."""
        wait_ns = self._failure_backoff_ns << min(max(self.in_a_row - 1, 0), 10)
        return min(wait_ns, MAX_PASSING_WAIT_NS)

    def refused(self, reason: Reason, text: str) -> int | None:
        """Note a refusal; return how long to wait, None when that is not ours to say."""
        wait_ns = None
        if reason in PASSING_REASONS:
            self.in_a_row += 1
            wait_ns = self.wait_ns
        repeated = reason is Reason.REFUSED and self.in_a_row >= MAX_REFUSED_IN_A_ROW
        if reason in FATAL_REASONS or repeated:
            self.text = f"the venue refuses orders: {reason.value} {text}".strip()
        return wait_ns

    def accepted(self) -> None:
        """The venue took an order: the next refusal is the first again."""
        self.in_a_row = 0


class AccountTrust:
    """Whether the account's events are believed: `doubt` names the orders, "" when they are."""

    def __init__(self) -> None:
        self.doubt = ""

    def judge(self, orders: OrderBookkeeper, at_ns: int) -> bool:
        """Trust the account's events, or not; return whether that changed."""
        before = self.doubt
        late = orders.unaccounted(at_ns)
        self.doubt = ""
        if late:
            names = ", ".join(o.client_order_id or o.order_hash for o in late[:3])
            self.doubt = f"fills of {len(late)} orders are not accounted for: {names}"
        return bool(before) is not bool(late)
