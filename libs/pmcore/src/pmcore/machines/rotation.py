"""The states of a window in the strategy, by the clock and the venue's answers.

pre-open -> quoting -> winding down (no new risk) -> cancelling (until the venue says flat) ->
awaiting resolution (late fills) -> settled. Never backwards
(docs/strategy_guide.md#the-life-of-a-window). Nothing tells the end of a window: docs/venue.md
5.6.
"""

from __future__ import annotations

from enum import StrEnum

from pmcore.model.market import Window
from pmcore.model.params import StrategyParams
from pmcore.model.units import NS_PER_S

RESOLUTION_TIMEOUT_NS = 900 * NS_PER_S


class WindowState(StrEnum):
    """In the order of life."""

    PRE_OPEN = "pre_open"
    QUOTING = "quoting"
    WINDING_DOWN = "winding_down"
    CANCELLING = "cancelling"
    AWAITING_RESOLUTION = "awaiting_resolution"
    SETTLED = "settled"


class WindowClock:
    """Where a window stands.

    `advance` moves it as far as the time and the venue's answers allow.
    """

    def __init__(self, window: Window, params: StrategyParams) -> None:
        self._window = window
        self._grace_ns = params.settle_grace_ns
        self.stop_new_risk_ns = window.close_ns - max(
            params.stop_new_risk_for_ns(window.length_ns), params.cancel_before_close_ns
        )
        self.cancel_ns = window.close_ns - params.cancel_before_close_ns
        self.state = WindowState.PRE_OPEN
        self._flat = False
        self._resolved_ns: int | None = None

    @property
    def may_quote(self) -> bool:
        """Whether any order may rest."""
        return self.state in (WindowState.QUOTING, WindowState.WINDING_DOWN)

    @property
    def may_open(self) -> bool:
        """Whether new risk may be taken."""
        return self.state is WindowState.QUOTING

    def flat(self) -> None:
        """The venue says that no order of ours is open; counts only once cancelling."""
        self._flat = self.state is WindowState.CANCELLING

    def resolved(self, at_ns: int) -> None:
        """The winner is known, or the feed stopped asking."""
        if self._resolved_ns is None:
            self._resolved_ns = at_ns

    def wind_down(self) -> None:
        """Take no new risk from here on (loss limits)."""
        if self.state is WindowState.QUOTING:
            self.state = WindowState.WINDING_DOWN

    def advance(self, at_ns: int) -> bool:
        """Move with time; return whether the state changed."""
        before = self.state
        if self.state is WindowState.PRE_OPEN and at_ns >= self._window.open_ns:
            self.state = WindowState.QUOTING
        if self.state is WindowState.QUOTING and at_ns >= self.stop_new_risk_ns:
            self.state = WindowState.WINDING_DOWN
        if self.state is WindowState.WINDING_DOWN and at_ns >= self.cancel_ns:
            self.state = WindowState.CANCELLING
        if self.state is WindowState.CANCELLING and self._flat and at_ns >= self._window.close_ns:
            self.state = WindowState.AWAITING_RESOLUTION
        if self.state is WindowState.AWAITING_RESOLUTION and self._may_settle(at_ns):
            self.state = WindowState.SETTLED
        return self.state is not before

    def _may_settle(self, at_ns: int) -> bool:
        if self._resolved_ns is None:
            return at_ns >= self._window.close_ns + RESOLUTION_TIMEOUT_NS
        return at_ns >= max(self._resolved_ns, self._window.close_ns + self._grace_ns)
