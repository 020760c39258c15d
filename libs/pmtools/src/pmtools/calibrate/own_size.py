"""Market data without our own shares in it, as a recording of somebody else would show it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from pmcore.messages.market_data import BookDelta, BookSnapshot, Level, MarketDataMessage
from pmcore.model.market import BookSide, Outcome
from pmcore.model.units import complement_e4

OwnSizes = Mapping[tuple[Outcome, int], int]
"""Shares of our resting bids, in millionths, by outcome and price."""


def without_own(message: MarketDataMessage, own_u6: OwnSizes) -> MarketDataMessage:
    """Take our bids out of a book; in the complement's book they stand as asks.

    A frame may be of just before a bid came, or of just after it went: then nothing below 0 is
    left. Hashes stay as they are, so the result is for a queue and not for a book that verifies.
    """
    if not own_u6:
        return message
    match message:
        case BookSnapshot(outcome=outcome):
            return msgspec.structs.replace(
                message,
                bids=_levels(outcome, BookSide.BID, message.bids, own_u6),
                asks=_levels(outcome, BookSide.ASK, message.asks, own_u6),
            )
        case BookDelta():
            changes = (
                msgspec.structs.replace(
                    one,
                    size_u6=_less_own(one.outcome, one.side, one.price_e4, one.size_u6, own_u6),
                )
                for one in message.changes
            )
            return msgspec.structs.replace(message, changes=tuple(changes))
        case _:
            return message


def _levels(
    outcome: Outcome, side: BookSide, levels: Iterable[Level], own_u6: OwnSizes
) -> tuple[Level, ...]:
    left = (
        (price_e4, _less_own(outcome, side, price_e4, size_u6, own_u6))
        for price_e4, size_u6 in levels
    )
    return tuple((price_e4, size_u6) for price_e4, size_u6 in left if size_u6)


def _less_own(
    outcome: Outcome, side: BookSide, price_e4: int, size_u6: int, own_u6: OwnSizes
) -> int:
    bid = (outcome, price_e4)
    if side is BookSide.ASK:
        bid = (outcome.complement, complement_e4(price_e4))
    return max(0, size_u6 - own_u6.get(bid, 0))
