"""What is known of a market's last trade price, which is part of every book hash.

See docs/venue.md 5.4.

One value is shared by both outcomes. A book frame after a trade already has the new value inside
its hash but not in its text, and the trade print comes some 35 ms later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from pmcore.machines.book_hash import last_trade_text
from pmcore.model.market import Outcome
from pmcore.model.units import PRICE_ONE_E4, complement_e4, parse_price_e4

_STEP_E4 = 10
_PRINTS_KEPT = 4


def prices_from(near_e4: Sequence[int]) -> Iterator[int]:
    """Every three-decimal price from 0.001 to 0.999 once, those nearest to `near_e4` first."""
    starts = {price_e4 - price_e4 % _STEP_E4 for price_e4 in near_e4} or {PRICE_ONE_E4 // 2}
    seen: set[int] = set()
    for distance_e4 in range(0, PRICE_ONE_E4, _STEP_E4):
        for start_e4 in sorted(starts):
            for price_e4 in (start_e4 - distance_e4, start_e4 + distance_e4):
                if 0 < price_e4 < PRICE_ONE_E4 and price_e4 not in seen:
                    seen.add(price_e4)
                    yield price_e4


class LastTrade:
    """The market-wide last trade price, the prints seen, and the trades without a print."""

    def __init__(self) -> None:
        self.text: str | None = None
        self._candidates: tuple[str | None, tuple[str, ...]] | None = None
        self._prints: deque[int] = deque(maxlen=_PRINTS_KEPT)
        self._reported_ts_ns = -1
        self._reported: Outcome | None = None

    def printed(self, price_e4: int) -> None:
        """Note a public trade."""
        self._prints.append(price_e4)
        self._candidates = None

    def candidates(self) -> tuple[str, ...]:
        """Texts to try in a hash: the known one, then p and 1-p of the newest prints."""
        known = self._candidates
        if known is None or known[0] != self.text:
            known = self._candidates = (self.text, self._texts())
        return known[1]

    def _texts(self) -> tuple[str, ...]:
        texts = [] if self.text is None else [self.text]
        for price_e4 in reversed(self._prints):
            for candidate_e4 in (price_e4, complement_e4(price_e4)):
                text = last_trade_text(candidate_e4)
                if text not in texts:
                    texts.append(text)
        return tuple(texts)

    def traded(self, outcome: Outcome, ts_event_ns: int, text: str) -> int | None:
        """A verified book frame says that a trade happened; return its price when it is news.

        News means: this market never printed a trade (a recording without trade frames), and the
        frame is not the other outcome's frame of the trade reported last (same time stamp), nor
        one from before it.
        """
        twin = ts_event_ns == self._reported_ts_ns and outcome is not self._reported
        if self._prints or not text or twin or ts_event_ns < self._reported_ts_ns:
            return None
        self._reported_ts_ns = ts_event_ns
        self._reported = outcome
        return parse_price_e4(text)
