"""The time stamps of a market's events: near the time of arrival, and not in its order.

In recordings a frame is often some milliseconds older than the one before it, although books
follow the order of arrival (docs/venue.md 5.3; docs/modelling.md has the figures).
"""

from __future__ import annotations

from random import Random

from pmcore.model.units import NS_PER_MS

LATE_PERCENT = 30
MOST_LATE_MS = 12


class EventStamps:
    """Gives each engine event its stamp. Without `rng` that is the event's own time."""

    def __init__(self, rng: Random | None = None) -> None:
        self._rng = rng

    def of(self, at_ns: int) -> int:
        """The stamp of an event at a time."""
        rng = self._rng
        if rng is None or rng.randrange(100) >= LATE_PERCENT:
            return at_ns
        return at_ns - rng.randint(1, MOST_LATE_MS) * NS_PER_MS
