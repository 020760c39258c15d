"""Best prices of a book as the venue writes it: the last level of each side."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from pmcore.model.units import parse_price_e4


class _PriceLevel(msgspec.Struct):
    price: str


class _Levels(msgspec.Struct):
    bids: list[_PriceLevel]
    asks: list[_PriceLevel]


def touch_e4(book: Mapping[str, object] | None) -> tuple[int | None, int | None]:
    """Best bid and ask; None for an empty side, or when there is no book."""
    if book is None:
        return None, None
    levels = msgspec.convert(book, _Levels)
    return (
        parse_price_e4(levels.bids[-1].price) if levels.bids else None,
        parse_price_e4(levels.asks[-1].price) if levels.asks else None,
    )
