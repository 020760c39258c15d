"""The venue's mode, learnt from refusals; each mode ends by itself.

See docs/venue.md 1.7.

`RESTARTING` is followed by two minutes of `POST_ONLY`, in which a maker can go on. When the time
of another mode is over, the next order shows whether it has ended.
"""

from __future__ import annotations

from pmcore.messages.execution import VenueMode
from pmcore.model.errors import Reason
from pmcore.model.units import NS_PER_MS, NS_PER_S

POST_ONLY_AFTER_RESTART_NS = 120 * NS_PER_S
_DEFAULT_NS = {
    VenueMode.POST_ONLY: 120 * NS_PER_S,
    VenueMode.CANCEL_ONLY: 5 * NS_PER_S,
    VenueMode.DISABLED: 10 * NS_PER_S,
    VenueMode.RESTARTING: 1 * NS_PER_S,
    VenueMode.CLOSED_ONLY: 300 * NS_PER_S,
}
MAX_NS = 120 * NS_PER_S
"""A longer Retry-After is cut to this; trying again costs one order."""

_REFUSES = {
    VenueMode.CANCEL_ONLY: Reason.CANCEL_ONLY,
    VenueMode.DISABLED: Reason.TRADING_DISABLED,
    VenueMode.RESTARTING: Reason.RESTARTING,
    VenueMode.CLOSED_ONLY: Reason.CLOSED_ONLY,
}


def is_over(at_ns: int, until_ns: int | None) -> bool:
    """Whether a mode that ends at `until_ns` has ended; None: it does not end by itself."""
    return until_ns is not None and at_ns >= until_ns


class VenueModes:
    """The mode now and when it ends."""

    def __init__(self) -> None:
        self.mode = VenueMode.NORMAL
        self.until_ns: int | None = None

    def learned(self, at_ns: int, mode: VenueMode, retry_after_ms: int | None) -> bool:
        """The venue named a mode; True when the strategy must be told."""
        if mode is VenueMode.NORMAL:
            return self._enter(mode, None)
        length_ns = _DEFAULT_NS[mode]
        if retry_after_ms is not None:
            length_ns = min(retry_after_ms * NS_PER_MS, MAX_NS)
        return self._enter(mode, at_ns + length_ns)

    def accepted(self) -> bool:
        """An order was accepted: a mode that refuses all orders has ended."""
        return self.refusal() is not None and self._enter(VenueMode.NORMAL, None)

    def advance(self, at_ns: int) -> bool:
        """Let time pass; True when the mode changed."""
        until_ns = self.until_ns
        if until_ns is None or not is_over(at_ns, until_ns):
            return False
        if self.mode is VenueMode.RESTARTING:
            return self._enter(VenueMode.POST_ONLY, until_ns + POST_ONLY_AFTER_RESTART_NS)
        return self._enter(VenueMode.NORMAL, None)

    def refusal(self) -> Reason | None:
        """Why an order would be refused now, or None."""
        return _REFUSES.get(self.mode)

    def _enter(self, mode: VenueMode, until_ns: int | None) -> bool:
        changed = mode is not self.mode
        self.mode = mode
        self.until_ns = until_ns
        return changed
