"""Market data as the venue writes it (docs/venue.md 1.3, 5.2); the simulator's and the tests' side.

Every function returns a JSON-able object; `to_text` makes the frame. Levels may come in any
order and leave in the venue's: worst first, best last.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from pmcore.machines.book_hash import book_hash
from pmcore.messages.market_data import Level, LevelChange
from pmcore.model.market import BookSide, Outcome, Protocol, TakerSide, Window
from pmcore.model.units import NS_PER_MS, PRICE_ONE_E4, complement_e4, format_price, format_qty
from pmcore.venue.fields import JsonObject

_WIRE_SIDE = {BookSide.BID: "BUY", BookSide.ASK: "SELL"}


def to_text(value: object) -> str:
    """Compact JSON."""
    return msgspec.json.encode(value).decode()


def spaced_text(frame: JsonObject) -> str:
    """A frame as the venue spaces all but the first one: `", "` between members.

    No text of these frames holds a comma or a quote, so compact JSON needs only the spaces.
    """
    return to_text(frame).replace(",", ", ")


def ms_text(ts_ns: int) -> str:
    """The venue's time stamps: milliseconds as text."""
    return str(ts_ns // NS_PER_MS)


def _level_objects(levels: Iterable[Level]) -> list[JsonObject]:
    return [{"price": format_price(price), "size": format_qty(size)} for price, size in levels]


def _book(
    window: Window,
    outcome: Outcome,
    bids: Sequence[Level],
    asks: Sequence[Level],
    ts_event_ns: int,
    tick_e4: int,
    last_trade: str | None,
) -> JsonObject:
    """The fields that every form of a book has, sorted; without a last trade there is no hash."""
    bids, asks = sorted(bids), sorted(asks, reverse=True)
    hash_ = ""
    if last_trade is not None:
        hash_ = book_hash(
            window,
            outcome,
            ts_event_ns=ts_event_ns,
            bids=bids,
            asks=asks,
            tick_e4=tick_e4,
            last_trade=last_trade,
        )
    return {
        "market": window.condition_id,
        "asset_id": window.token_id(outcome),
        "timestamp": ms_text(ts_event_ns),
        "hash": hash_,
        "bids": _level_objects(bids),
        "asks": _level_objects(asks),
    }


def book_frame(
    window: Window,
    outcome: Outcome,
    *,
    bids: Sequence[Level],
    asks: Sequence[Level],
    ts_event_ns: int,
    tick_e4: int,
    last_trade: str,
) -> JsonObject:
    """A `book` frame as sent on subscribing."""
    frame = _book(window, outcome, bids, asks, ts_event_ns, tick_e4, last_trade)
    frame |= {
        "tick_size": format_price(tick_e4),
        "event_type": "book",
        "last_trade_price": last_trade,
    }
    return _with_version(window, frame)


def trade_book_frame(
    window: Window,
    outcome: Outcome,
    *,
    bids: Sequence[Level],
    asks: Sequence[Level],
    ts_event_ns: int,
    tick_e4: int,
    last_trade: str | None,
) -> JsonObject:
    """A `book` frame as sent after a trade: tick and last trade stand only inside the hash.

    With None as the last trade the hash is empty: such a book cannot be verified.
    """
    book = _book(window, outcome, bids, asks, ts_event_ns, tick_e4, last_trade)
    order = ("market", "asset_id", "bids", "asks", "hash", "timestamp")
    return {**{key: book[key] for key in order}, "event_type": "book"}


def rest_book(
    window: Window,
    outcome: Outcome,
    *,
    bids: Sequence[Level],
    asks: Sequence[Level],
    ts_event_ns: int,
    tick_e4: int,
    last_trade: str,
) -> JsonObject:
    """The answer of `GET /book`."""
    book = _book(window, outcome, bids, asks, ts_event_ns, tick_e4, last_trade)
    book |= {
        "min_order_size": format_qty(window.min_size_u6),
        "tick_size": format_price(tick_e4),
        "neg_risk": window.neg_risk,
        "last_trade_price": last_trade,
    }
    return _with_version(window, book)


def _with_version(window: Window, book: JsonObject) -> JsonObject:
    return {**book, "version": "v2"} if window.protocol is Protocol.V2 else book


def mirrored_change(
    change: LevelChange,
    *,
    hash_: str = "",
    best_bid_e4: int | None = None,
    best_ask_e4: int | None = None,
) -> LevelChange:
    """The same liquidity in the other outcome's book: other side, price 1-p, same size."""
    return LevelChange(
        change.outcome.complement,
        BookSide.ASK if change.side is BookSide.BID else BookSide.BID,
        complement_e4(change.price_e4),
        change.size_u6,
        hash_,
        best_bid_e4,
        best_ask_e4,
    )


def price_change_frame(
    window: Window, changes: Sequence[LevelChange], *, ts_event_ns: int
) -> JsonObject:
    """A `price_change` frame; the venue sends one level per frame, an entry for each outcome."""
    return {
        "market": window.condition_id,
        "price_changes": [_change_object(window, change) for change in changes],
        "timestamp": ms_text(ts_event_ns),
        "event_type": "price_change",
    }


def _change_object(window: Window, change: LevelChange) -> JsonObject:
    return {
        "asset_id": window.token_id(change.outcome),
        "price": format_price(change.price_e4),
        "size": format_qty(change.size_u6),
        "side": _WIRE_SIDE[change.side],
        "hash": change.hash,
        "best_bid": _optional_price(change.best_bid_e4),
        "best_ask": _optional_price(change.best_ask_e4),
    }


def _optional_price(price_e4: int | None) -> str:
    return "" if price_e4 is None else format_price(price_e4)


def trade_frame(
    window: Window,
    outcome: Outcome,
    *,
    taker_side: TakerSide,
    price_e4: int,
    size_u6: int,
    ts_event_ns: int,
    transaction_hash: str = "",
) -> JsonObject:
    """A `last_trade_price` frame: outcome and side are the taker's."""
    return {
        "market": window.condition_id,
        "asset_id": window.token_id(outcome),
        "price": format_price(price_e4),
        "size": format_qty(size_u6),
        "fee_rate_bps": "0",
        "side": taker_side.value.upper(),
        "timestamp": ms_text(ts_event_ns),
        "event_type": "last_trade_price",
        "transaction_hash": transaction_hash,
    }


def tick_size_frame(
    window: Window, outcome: Outcome, *, old_tick_e4: int, new_tick_e4: int, ts_event_ns: int
) -> JsonObject:
    """A `tick_size_change` frame of one token."""
    return {
        "asset_id": window.token_id(outcome),
        "market": window.condition_id,
        "old_tick_size": format_price(old_tick_e4),
        "new_tick_size": format_price(new_tick_e4),
        "timestamp": ms_text(ts_event_ns),
        "event_type": "tick_size_change",
    }


def best_bid_ask_frame(
    window: Window,
    outcome: Outcome,
    *,
    best_bid_e4: int | None,
    best_ask_e4: int | None,
    ts_event_ns: int,
) -> JsonObject:
    """A `best_bid_ask` frame; an empty side is 0 or 1."""
    bid_e4 = best_bid_e4 or 0
    ask_e4 = PRICE_ONE_E4 if best_ask_e4 is None else best_ask_e4
    return {
        "market": window.condition_id,
        "asset_id": window.token_id(outcome),
        "best_bid": format_price(bid_e4),
        "best_ask": format_price(ask_e4),
        "spread": format_price(max(0, ask_e4 - bid_e4)),
        "timestamp": ms_text(ts_event_ns),
        "event_type": "best_bid_ask",
    }


def market_resolved_frame(window: Window, winner: Outcome, *, ts_event_ns: int) -> JsonObject:
    """A `market_resolved` frame."""
    return {
        "id": window.slug,
        "market": window.condition_id,
        "assets_ids": [window.up_token_id, window.down_token_id],
        "winning_asset_id": window.token_id(winner),
        "winning_outcome": winner.value.capitalize(),
        "timestamp": ms_text(ts_event_ns),
        "tags": [],
        "event_type": "market_resolved",
    }
