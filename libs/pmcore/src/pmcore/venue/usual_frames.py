"""Level changes and whole books that look as usual, decoded by a schema.

They are nearly all of the market data, and a schema reads them several times faster than JSON of
any shape. Nothing is decided here about bad input: whatever is not exactly as usual gives None, and
`market_frames` reads it by its own rules, which give the same message for a usual frame. Fields
that nobody uses are skipped here unread, so a number out of range in one of them spoils no frame.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from pmcore.messages.market_data import LevelChange
from pmcore.model.errors import MalformedInputError
from pmcore.model.market import BookSide, Window
from pmcore.model.units import PRICE_ONE_E4, parse_price_e4, parse_qty_u6
from pmcore.venue.fields import JsonObject, decode_json_as

_KEYS = ('"price_changes"', '"bids"')
_KEYS_IN_BYTES = (b'"price_changes"', b'"bids"')
_MAY_BE_UNSET = ("event_type", "tick_size", "last_trade_price")
_SIDE = {"BUY": BookSide.BID, "SELL": BookSide.ASK}


class UsualEntry(msgspec.Struct, frozen=True, gc=False):
    """One entry of `price_changes`."""

    asset_id: str
    price: str
    size: str
    side: str
    hash: str = ""
    best_bid: str = ""
    best_ask: str = ""


class UsualChanges(msgspec.Struct, frozen=True):
    """A `price_change` frame."""

    event_type: Literal["price_change"]
    market: str
    timestamp: str
    price_changes: list[UsualEntry]
    asset_id: str = ""


class UsualBook(msgspec.Struct, frozen=True):
    """A whole book, from the socket or from REST; its levels are not decoded yet."""

    market: str
    asset_id: str
    timestamp: str
    bids: msgspec.Raw
    asks: msgspec.Raw
    hash: str = ""
    event_type: Literal["book"] | msgspec.UnsetType = msgspec.UNSET
    tick_size: str | msgspec.UnsetType = msgspec.UNSET
    last_trade_price: str | msgspec.UnsetType = msgspec.UNSET

    def fields(self) -> JsonObject:
        """The fields that the frame has; its levels stay `msgspec.Raw`."""
        told = msgspec.structs.asdict(self)
        for name in _MAY_BE_UNSET:
            if told[name] is msgspec.UNSET:
                del told[name]
        return told


def usual_frame(raw: str | bytes) -> UsualChanges | UsualBook | None:
    """The frame as its schema says, None for anything else."""
    try:
        changes, bids = _KEYS if isinstance(raw, str) else _KEYS_IN_BYTES
        if changes in raw:  # type: ignore[operator]  # both are texts, or both bytes
            return decode_json_as(raw, UsualChanges)
        if bids in raw:  # type: ignore[operator]
            return decode_json_as(raw, UsualBook)
    except MalformedInputError:
        pass
    return None


def usual_changes(
    window: Window, entries: list[UsualEntry], grid_e4: int
) -> tuple[LevelChange, ...] | None:
    """The entries as messages say them; None when one of them is not as usual."""
    changes = []
    try:
        for entry in entries:
            outcome, side = window.outcome_of(entry.asset_id), _SIDE.get(entry.side)
            price_e4 = parse_price_e4(entry.price)
            on_grid = not price_e4 % grid_e4 and 0 < price_e4 < PRICE_ONE_E4
            if outcome is None or side is None or not on_grid:
                return None
            changes.append(
                LevelChange(
                    outcome,
                    side,
                    price_e4,
                    parse_qty_u6(entry.size),
                    entry.hash,
                    parse_price_e4(entry.best_bid) if entry.best_bid else None,
                    parse_price_e4(entry.best_ask) if entry.best_ask else None,
                )
            )
    except MalformedInputError:
        return None
    return tuple(changes)
