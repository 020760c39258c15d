"""`/prices-history`: the midpoint of every running window, sampled (docs/venue.md 1.2)."""

from __future__ import annotations

from collections import deque

from pmcore.model.units import NS_PER_S

SAMPLE_NS = 10 * NS_PER_S
KEPT = 8_640
_MINUTE_S = 60
_INTERVALS_S = {
    "1m": 30 * 86_400,
    "1w": 7 * 86_400,
    "1d": 86_400,
    "6h": 21_600,
    "1h": 3_600,
    "max": None,
    "all": None,
}


class PriceHistory:
    """Samples per token, oldest first, as (second, price in tenths of a tick of 0.0001)."""

    def __init__(self) -> None:
        self._of: dict[str, deque[tuple[int, int]]] = {}

    def add(self, token_id: str, at_ns: int, price_e5: int) -> None:
        """One sample."""
        self._of.setdefault(token_id, deque(maxlen=KEPT)).append((at_ns // NS_PER_S, price_e5))

    def keep_only(self, token_ids: set[str]) -> None:
        """Forget all other tokens."""
        for token_id in self._of.keys() - token_ids:
            del self._of[token_id]

    def rows(
        self, token_id: str, start_s: int, end_s: int, fidelity_min: int
    ) -> list[dict[str, object]]:
        """Samples of a time, at least `fidelity_min` minutes apart."""
        rows: list[dict[str, object]] = []
        next_s = start_s
        for at_s, price_e5 in self._of.get(token_id, ()):
            if next_s <= at_s <= end_s:
                rows.append({"t": at_s, "p": price_e5 / 100_000})
                next_s = at_s + fidelity_min * _MINUTE_S
        return rows


def interval_start_s(interval: str, now_s: int) -> int | None:
    """Where an interval such as `1h` begins; None for an unknown one."""
    if interval not in _INTERVALS_S:
        return None
    length_s = _INTERVALS_S[interval]
    return 0 if length_s is None else now_s - length_s
