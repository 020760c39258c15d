"""The levels of one outcome's book, kept sorted together with their hashed text."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from operator import itemgetter, lt, neg

from pmcore.machines.book_hash import level_text
from pmcore.model.market import BookSide
from pmcore.model.units import complement_e4

_SIGN = {BookSide.BID: 1, BookSide.ASK: -1}


class Ladder:
    """One side of a book. Invariant: keys strictly rise, worst price first, no size is 0.

    A key is the price for bids and minus the price for asks, so the best level is the last.
    """

    __slots__ = ("_joined", "_keys", "_sign", "_sizes", "best_e4", "texts")

    def __init__(self, side: BookSide, levels: Sequence[tuple[int, int]] = ()) -> None:
        self._sign = sign = _SIGN[side]
        prices, sizes = zip(*levels, strict=True) if levels else ((), ())
        keys = prices if side is BookSide.BID else tuple(map(neg, prices))
        if 0 in sizes or not all(map(lt, keys, keys[1:])):  # out of order, or empty ones: seldom
            by_key = {sign * price_e4: size_u6 for price_e4, size_u6 in levels if size_u6}
            keys = tuple(sorted(by_key))
            levels = [(abs(key), by_key[key]) for key in keys]
            sizes = tuple(map(itemgetter(1), levels))
        self._keys = list(keys)
        self._sizes = list(sizes)
        self.texts = list(map(level_text, levels))
        self._joined: bytes | None = None
        self.best_e4: int | None = abs(keys[-1]) if keys else None
        """The best price, or None for an empty side."""

    def put(self, price_e4: int, size_u6: int) -> None:
        """Set the absolute size of a level; 0 removes it."""
        key, keys = self._sign * price_e4, self._keys
        at = bisect_left(keys, key)
        known = at < len(keys) and keys[at] == key
        self._joined = None
        if known and size_u6:
            self._sizes[at] = size_u6
            self.texts[at] = level_text((price_e4, size_u6))
            return
        if size_u6:
            keys.insert(at, key)
            self._sizes.insert(at, size_u6)
            self.texts.insert(at, level_text((price_e4, size_u6)))
        elif known:
            del keys[at], self._sizes[at], self.texts[at]
        self.best_e4 = abs(keys[-1]) if keys else None

    def joined(self) -> bytes:
        """All levels as they stand in the hashed text, with commas between them."""
        if self._joined is None:
            self._joined = b",".join(self.texts)
        return self._joined

    @property
    def best_u6(self) -> int:
        """The shares at the best price, 0 for an empty side."""
        return self._sizes[-1] if self._sizes else 0

    def levels(self) -> list[tuple[int, int]]:
        """(price_e4, size_u6) in wire order: best last."""
        return [(self._sign * key, size) for key, size in zip(self._keys, self._sizes, strict=True)]

    def off_grid(self, tick_e4: int) -> bool:
        """Whether any level is not a multiple of a tick."""
        return any(key % tick_e4 for key in self._keys)


class TokenBook:
    """Both sides of one outcome's book, with the times of the newest event in it."""

    __slots__ = ("asks", "bids", "ts_event_ns", "ts_recv_ns")

    def __init__(
        self,
        bids: Sequence[tuple[int, int]],
        asks: Sequence[tuple[int, int]],
        *,
        ts_event_ns: int,
        ts_recv_ns: int,
    ) -> None:
        self.bids = Ladder(BookSide.BID, bids)
        self.asks = Ladder(BookSide.ASK, asks)
        self.ts_event_ns = ts_event_ns
        self.ts_recv_ns = ts_recv_ns

    def side(self, side: BookSide) -> Ladder:
        """One side."""
        return self.bids if side is BookSide.BID else self.asks

    def off_grid(self, tick_e4: int) -> bool:
        """Whether any level is not a multiple of a tick."""
        return self.bids.off_grid(tick_e4) or self.asks.off_grid(tick_e4)

    def likely_trades_e4(self) -> list[int]:
        """The known touch prices and their complements: where the last trade probably was."""
        own = [price for price in (self.bids.best_e4, self.asks.best_e4) if price is not None]
        return own + [complement_e4(price) for price in own]
