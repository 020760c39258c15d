"""The venue's book hash (docs/venue.md 5.4): SHA-1 of a compact JSON text with a fixed key order.

Everything before `tick_size` is hashed once and copied, so that trying another tick or another
last trade price costs about a microsecond.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from pmcore.messages.market_data import Level
from pmcore.model.kept_answers import KeptAnswers
from pmcore.model.market import Outcome, Protocol, Window
from pmcore.model.units import NS_PER_MS, format_price, format_qty

if TYPE_CHECKING:
    from hashlib import _Hash


MAX_TAILS = 4_096


def _text_of(level: Level) -> bytes:
    price_e4, size_u6 = level
    return f'{{"price":"{format_price(price_e4)}","size":"{format_qty(size_u6)}"}}'.encode()


level_text = KeptAnswers(_text_of, most=16_384).__getitem__
"""One level (price_e4, size_u6) as the venue writes it inside the hashed text."""


@lru_cache(maxsize=8_192)
def last_trade_text(price_e4: int) -> str:
    """4900 -> `"0.490"`: a last trade price has three decimals, four where three are not enough."""
    whole, fraction = divmod(price_e4, 10_000)
    text = f"{whole}.{fraction:04d}"
    return text.removesuffix("0")


class BookHasher:
    """Hashes the books of one outcome of one window."""

    def __init__(self, window: Window, outcome: Outcome) -> None:
        token_id = window.token_id(outcome)
        head = f'{{"market":"{window.condition_id}","asset_id":"{token_id}","timestamp":"'
        self._head = head.encode()
        self._minimum = f'],"min_order_size":"{format_qty(window.min_size_u6)}",'.encode()
        self._neg_risk = "true" if window.neg_risk else "false"
        self._version = ',"version":"v2"}' if window.protocol is Protocol.V2 else "}"
        self._tails: dict[tuple[int, str], bytes] = {}

    def start(self, ts_event_ns: int, bids: bytes, asks: bytes) -> _Hash:
        """Hash all that precedes the tick; sides are `level_text`s in wire order, best last."""
        return hashlib.sha1(
            b"".join(
                (
                    self._head,
                    b'%d","hash":"","bids":[' % (ts_event_ns // NS_PER_MS),
                    bids,
                    b'],"asks":[',
                    asks,
                    self._minimum,
                )
            ),
            usedforsecurity=False,
        )

    def finish(self, started: _Hash, tick_e4: int, last_trade: str) -> str:
        """Complete a started hash; `started` itself is left as it was."""
        tail = self._tails.get((tick_e4, last_trade))
        if tail is None:
            tail = (
                f'"tick_size":"{format_price(tick_e4)}","neg_risk":{self._neg_risk},'
                f'"last_trade_price":"{last_trade}"{self._version}'
            ).encode()
            if len(self._tails) < MAX_TAILS:
                self._tails[tick_e4, last_trade] = tail
        copy = started.copy()
        copy.update(tail)
        return copy.hexdigest()


def book_hash(
    window: Window,
    outcome: Outcome,
    *,
    ts_event_ns: int,
    bids: Sequence[tuple[int, int]],
    asks: Sequence[tuple[int, int]],
    tick_e4: int,
    last_trade: str,
) -> str:
    """The hash of a whole book; levels (price_e4, size_u6) in wire order, best last."""
    hasher = BookHasher(window, outcome)
    sides = (b",".join(map(level_text, side)) for side in (bids, asks))
    started = hasher.start(ts_event_ns, *sides)
    return hasher.finish(started, tick_e4, last_trade)
