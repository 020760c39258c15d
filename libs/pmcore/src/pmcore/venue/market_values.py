"""The values inside market frames and REST books."""

from __future__ import annotations

from functools import lru_cache
from math import gcd
from operator import itemgetter

import msgspec

from pmcore.machines.book_hash import last_trade_text
from pmcore.messages.market_data import BookSnapshot, Level, LevelChange, SnapshotOrigin
from pmcore.model.errors import MalformedInputError
from pmcore.model.kept_answers import KeptAnswers
from pmcore.model.market import BookSide, Outcome, TakerSide, Window
from pmcore.model.units import PRICE_ONE_E4
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

_PRICE = itemgetter(0)
_STATUS_PREFIXES = ("ORDER_STATUS_", "TRADE_STATUS_")
_TAKER_SIDE = {"BUY": TakerSide.BUY, "SELL": TakerSide.SELL}


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


class _LevelText(msgspec.Struct, gc=False):
    price: str
    size: str


_LEVEL = msgspec.json.Decoder(_LevelText)


def levels_of(item: JsonObject, key: str, grid_e4: int) -> tuple[Level, ...]:
    """Levels by rising price, whatever order the venue chose.

    `msgspec.Raw` (`usual_frames`) is read level by level as the venue writes them; `unusual` says
    that these are written otherwise, and nothing else about them.
    """
    value = item.get(key)
    if isinstance(value, msgspec.Raw):
        levels = list(map(_levels_on(grid_e4).__getitem__, _level_texts(bytes(value))))
    else:
        levels = [_level_of(as_object(each), grid_e4) for each in as_list(value)]
    levels.sort()
    return tuple(levels)


def _level_texts(levels: bytes) -> list[bytes]:
    """`[{...},{...}]` to what stands between the braces."""
    if levels == b"[]":
        return []
    if not (levels.startswith(b"[{") and levels.endswith(b"}]")):
        raise MalformedInputError("unusual")
    spaced = levels.startswith(b"}, {", levels.find(b"}"))
    return levels[2:-2].split(b"}, {" if spaced else b"},{")


@lru_cache(maxsize=8)
def _levels_on(grid_e4: int) -> KeptAnswers[bytes, Level]:
    """Levels by their text; most levels of a whole book stood in the one before it."""
    return KeptAnswers(lambda text: _level_in(text, grid_e4), most=8_192)


def _level_in(text: bytes, grid_e4: int) -> Level:
    """A level without its braces."""
    try:
        level = _LEVEL.decode(b"{%b}" % text)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise MalformedInputError("unusual") from error
    return _level(level.price, level.size, grid_e4)


def _level_of(level: JsonObject, grid_e4: int) -> Level:
    return _level(level.get("price"), level.get("size"), grid_e4)


def _level(price: object, size: object, grid_e4: int) -> Level:
    price_e4 = price_e4_of(price)
    if price_e4 % grid_e4 or not 0 < price_e4 < PRICE_ONE_E4:
        raise MalformedInputError("off_grid", str(price)[:40])
    return price_e4, qty_u6_of(size)


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
    if gcd(tick_e4, *map(_PRICE, book.bids), *map(_PRICE, book.asks)) < tick_e4:
        return gcd(tick_e4, SILENT_TICK_E4)
    return tick_e4
