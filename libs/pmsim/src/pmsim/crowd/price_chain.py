"""One asset's price over the windows of a synthetic series, without a jump between two of them.

Each window draws a path of its own that begins at the same price. A later path is scaled so that
it goes on where the one before ended: moves stay what they are, and no window's outcome changes.
"""

from __future__ import annotations

from collections import deque

from pmcore.model.market import Window
from pmsim.crowd.underlying import Underlying

KEPT_LINKS = 4


class PriceChain:
    """Windows are added in order, each before it opens or at its opening."""

    def __init__(self) -> None:
        self._links: deque[tuple[Window, Underlying, float]] = deque(maxlen=KEPT_LINKS)

    def add(self, window: Window, underlying: Underlying) -> None:
        """Go on with the next window."""
        scale = 1.0
        if self._links:
            last, path, last_scale = self._links[-1]
            ends_e8 = path.price_e8(last.close_ns) * last_scale
            scale = ends_e8 / underlying.price_e8(window.open_ns)
        self._links.append((window, underlying, scale))

    def price_e8(self, at_ns: int) -> int | None:
        """The price at a time, None while there is no window."""
        for window, underlying, scale in reversed(self._links):
            if window.open_ns <= at_ns:
                return round(underlying.price_e8(at_ns) * scale)
        if not self._links:
            return None
        _, underlying, scale = self._links[0]
        return round(underlying.price_e8(at_ns) * scale)
