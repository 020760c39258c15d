"""Prices of an underlying on an exchange's public stream, and how the simulator writes them.

Two forms of Binance's, as they are sent without a key (docs/venue.md 7.4): `bookTicker`, of which
the mid is taken, and `aggTrade`, of which the price is; also inside the `data` of a combined
stream. Another exchange's prices can be used where a relay writes one of the two.
"""

from __future__ import annotations

from typing import NamedTuple

from pmcore.model.errors import MalformedInputError
from pmcore.model.units import format_dollars_e8
from pmcore.venue.encode import ms_text
from pmcore.venue.fields import (
    JsonObject,
    as_object,
    decode_json,
    dollars_e8_of,
    is_absent,
    time_ns_of,
)

MAX_FRAME_CHARS = 64 * 1024


class ExchangePrice(NamedTuple):
    """A price above 0; `ts_event_ns` is 0 when the frame gives no time."""

    price_e8: int
    ts_event_ns: int = 0


def exchange_price_of(raw: str) -> ExchangePrice | None:
    """The price in a frame, None when it has none (an answer, another event).

    Raise `MalformedInputError` for what is no JSON object, or a price that cannot be read.
    """
    if len(raw) > MAX_FRAME_CHARS:
        raise MalformedInputError("too_large", raw[:40])
    item = as_object(decode_json(raw), "not_an_object")
    if isinstance(item.get("data"), dict):
        item = as_object(item["data"])
    if item.get("e") == "aggTrade":
        return ExchangePrice(dollars_e8_of(item.get("p")), _time(item.get("T")))
    if "b" in item and "a" in item and "s" in item and item.get("e", "bookTicker") == "bookTicker":
        bid_e8, ask_e8 = dollars_e8_of(item["b"]), dollars_e8_of(item["a"])
        if bid_e8 > ask_e8:
            raise MalformedInputError("crossed", raw[:40])
        return ExchangePrice((bid_e8 + ask_e8) // 2, _time(item.get("E")))
    return None


def _time(stamp: object) -> int:
    return 0 if is_absent(stamp) else time_ns_of(stamp)


def book_ticker_frame(symbol: str, price_e8: int, update_id: int) -> JsonObject:
    """A `bookTicker` whose mid is the price; as on spot, it carries no time."""
    price = format_dollars_e8(price_e8)
    return {"u": update_id, "s": symbol, "b": price, "B": "1", "a": price, "A": "1"}


def underlying_price_line(condition_id: str, price: ExchangePrice) -> JsonObject:
    """What our recorder writes between a window's frames; `MarketFrameParser` reads it."""
    line: JsonObject = {
        "event_type": "underlying_price",
        "market": condition_id,
        "price": format_dollars_e8(price.price_e8),
    }
    if price.ts_event_ns:
        line["timestamp"] = ms_text(price.ts_event_ns)
    return line
