"""The values inside market frames and REST books."""

from __future__ import annotations

from functools import lru_cache
from math import gcd
from typing import Any

import msgspec

from pmcore.machines.book_hash import last_trade_text
from pmcore.messages.market_data import BookSnapshot, Level, LevelChange, SnapshotOrigin
from pmcore.model.errors import MalformedInputError
from pmcore.model.market import BookSide, Outcome, TakerSide, Window
from pmcore.model.units import PRICE_ONE_E4, parse_price_e4, parse_qty_u6
from pmcore.venue.fields import (
    JsonObject,
    as_list,
    as_object,
    is_absent,
    optional_price_e4,
    optional_text,
    price_e4_of,
    qty_u6_of,
    tick_e4_of,
    time_ns_of,
)

SILENT_TICK_E4 = 10
"""The tick that a whole book may show without an announcement."""

_STATUS_PREFIXES = ("ORDER_STATUS_", "TRADE_STATUS_")
_TAKER_SIDE = {"BUY": TakerSide.BUY, "SELL": TakerSide.SELL}
_CHANGED_SIDE = {"BUY": BookSide.BID, "SELL": BookSide.ASK}
_CHANGE = "price_change"
PLAIN_CHANGE_MARK = f'"{_CHANGE}"'
"""Stands in every `price_change` frame, and in hardly any other."""


def taker_side_of(item: JsonObject) -> TakerSide:
    """BUY or SELL in any case; `bad_side`."""
    side = _TAKER_SIDE.get(optional_text(item, "side").upper())
    if side is None:
        raise MalformedInputError("bad_side", str(item.get("side"))[:40])
    return side


def plain_status(item: JsonObject) -> str:
    """A status without the prefix that REST puts before it; "" when there is none."""
    status = optional_text(item, "status")
    for prefix in _STATUS_PREFIXES:
        status = status.removeprefix(prefix)
    return status


def event_type_of(item: JsonObject) -> str:
    """The kind of an event; a book from REST has none of its own, so `book`; else ""."""
    kind = item.get("event_type")
    if kind is None and "bids" in item and "asks" in item:
        return "book"
    return str(kind)[:40] if kind is not None else ""


def origin_of(item: JsonObject) -> SnapshotOrigin:
    """REST books have no event type; books after a trade have no last trade (docs/venue.md 5.2)."""
    if "event_type" not in item:
        return SnapshotOrigin.REST
    return SnapshotOrigin.SUBSCRIBE if "last_trade_price" in item else SnapshotOrigin.TRADE


def last_trade_of(item: JsonObject) -> str | None:
    """The last trade price of a whole book: "" before the first trade, None when not told."""
    value = item.get("last_trade_price")
    if value is None or value == "":
        return value
    price_e4 = price_e4_of(value)
    return value if isinstance(value, str) else last_trade_text(price_e4)


def levels_of(item: JsonObject, key: str, grid_e4: int) -> tuple[Level, ...]:
    """Levels by rising price, whatever order the venue chose."""
    values: list[Any] = as_list(item.get(key))
    try:
        levels = [_known_level(value["price"], value["size"], grid_e4) for value in values]
    except (KeyError, TypeError):  # not an object of two texts: say what it is
        levels = [_level_of(as_object(value), grid_e4) for value in values]
    levels.sort()
    return tuple(levels)


def _level_of(level: JsonObject, grid_e4: int) -> Level:
    return _level(level.get("price"), level.get("size"), grid_e4)


def _level(price: object, size: object, grid_e4: int) -> Level:
    price_e4 = price_e4_of(price)
    if price_e4 % grid_e4 or not 0 < price_e4 < PRICE_ONE_E4:
        raise MalformedInputError("off_grid", str(price)[:40])
    return price_e4, qty_u6_of(size)


_known_level = lru_cache(maxsize=8_192, typed=True)(_level)
"""Most levels of a whole book stood in the one before it. `typed`: True is not the price 1."""


def change_of(outcome: Outcome, entry: JsonObject, grid_e4: int) -> LevelChange:
    """One entry of `price_changes`."""
    price_e4 = price_e4_of(entry.get("price"))
    if price_e4 % grid_e4 or not 0 < price_e4 < PRICE_ONE_E4:
        raise MalformedInputError("off_grid", str(entry.get("price"))[:40])
    side = BookSide.BID if taker_side_of(entry) is TakerSide.BUY else BookSide.ASK
    return LevelChange(
        outcome,
        side,
        price_e4,
        qty_u6_of(entry.get("size")),
        optional_text(entry, "hash"),
        optional_price_e4(entry.get("best_bid")),
        optional_price_e4(entry.get("best_ask")),
    )


class PlainEntry(msgspec.Struct, frozen=True, gc=False):
    """An entry of `price_changes` all of whose values are texts, as the venue sends them."""

    asset_id: str
    price: str
    size: str
    side: str
    hash: str = ""
    best_bid: str = ""
    best_ask: str = ""


class PlainChange(msgspec.Struct, frozen=True, gc=False):
    """A `price_change` frame of such entries: decoded at a third of the cost of any JSON."""

    event_type: str
    market: str
    price_changes: list[PlainEntry]
    timestamp: str


def plain_changes_of(window: Window, frame: PlainChange, grid_e4: int) -> tuple[LevelChange, ...]:
    """What `change_of` makes of the entries; () when one of them is anything but usual.

    Raise `MalformedInputError` for a text that is no price or no size.
    """
    if frame.event_type != _CHANGE:
        return ()
    changes = []
    for entry in frame.price_changes:
        outcome = window.outcome_of(entry.asset_id)
        side = _CHANGED_SIDE.get(entry.side)
        price_e4 = parse_price_e4(entry.price)
        on_grid = not price_e4 % grid_e4 and 0 < price_e4 < PRICE_ONE_E4
        if outcome is None or side is None or not on_grid:
            return ()
        bid, ask = entry.best_bid, entry.best_ask
        changes.append(
            LevelChange(
                outcome,
                side,
                price_e4,
                parse_qty_u6(entry.size),
                entry.hash,
                parse_price_e4(bid) if bid else None,
                parse_price_e4(ask) if ask else None,
            )
        )
    return tuple(changes)


def whole_book_of(
    window: Window, outcome: Outcome, item: JsonObject, tick_e4: int, ts_recv_ns: int
) -> BookSnapshot:
    """A whole book, from the socket or from REST; one bad level makes all of it unusable."""
    told = item.get("tick_size")
    told_e4 = None if is_absent(told) else tick_e4_of(told)
    grid_e4 = gcd(tick_e4, told_e4 or tick_e4, SILENT_TICK_E4)
    return BookSnapshot(
        slug=window.slug,
        outcome=outcome,
        bids=levels_of(item, "bids", grid_e4),
        asks=levels_of(item, "asks", grid_e4)[::-1],
        hash=optional_text(item, "hash"),
        origin=origin_of(item),
        tick_e4=told_e4,
        last_trade=last_trade_of(item),
        ts_event_ns=time_ns_of(item.get("timestamp")),
        ts_recv_ns=ts_recv_ns,
    )


def tick_shown_e4(book: BookSnapshot, tick_e4: int) -> int:
    """The finest tick known once a book was seen: as it says, or as its levels show.

    Recordings lack `tick_size_change`. A tick never becomes coarser.
    """
    tick_e4 = min(tick_e4, book.tick_e4 or tick_e4)
    if gcd(tick_e4, *[price_e4 for price_e4, _ in (*book.bids, *book.asks)]) < tick_e4:
        return gcd(tick_e4, SILENT_TICK_E4)
    return tick_e4
