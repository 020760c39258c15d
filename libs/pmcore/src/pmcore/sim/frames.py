"""Market-channel frames as the venue writes them (venue.md 5.2), text for text.

The first dump is compact with a trailing newline; later frames have `", "` between members.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from pmcore.model.market import BookSide, Outcome, TakerSide, Window
from pmcore.model.units import NS_PER_MS, format_price, format_qty

Level = tuple[int, int]


class WholeBook(msgspec.Struct, frozen=True, kw_only=True):
    """One outcome's book at a moment; levels in wire order, best last."""

    outcome: Outcome
    bids: Sequence[Level]
    asks: Sequence[Level]
    hash: str
    at_ns: int


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of `price_changes`. The touch is None for an empty side."""

    outcome: Outcome
    side: BookSide
    price_e4: int
    size_u6: int
    hash: str
    bid_e4: int | None
    ask_e4: int | None


def dump_text(window: Window, books: Sequence[WholeBook], tick_e4: int, last_trade: str) -> str:
    """The frame after a subscription."""
    rows = [
        {
            "market": window.condition_id,
            "asset_id": window.token_id(book.outcome),
            "timestamp": _ms(book.at_ns),
            "hash": book.hash,
            "bids": _levels(book.bids),
            "asks": _levels(book.asks),
            "tick_size": format_price(tick_e4),
            "event_type": "book",
            "last_trade_price": last_trade,
        }
        for book in books
    ]
    return msgspec.json.encode(rows).decode() + "\n"


def rest_book(window: Window, book: WholeBook, tick_e4: int, last_trade: str) -> dict[str, object]:
    """`GET /book`."""
    return {
        "market": window.condition_id,
        "asset_id": window.token_id(book.outcome),
        "timestamp": _ms(book.at_ns),
        "hash": book.hash,
        "bids": _levels(book.bids),
        "asks": _levels(book.asks),
        "min_order_size": format_qty(window.min_size_u6),
        "tick_size": format_price(tick_e4),
        "neg_risk": window.neg_risk,
        "last_trade_price": last_trade,
    }


def book_text(window: Window, book: WholeBook) -> str:
    """A whole book after a trade: the short form."""
    return _spaced(
        {
            "market": window.condition_id,
            "asset_id": window.token_id(book.outcome),
            "bids": _levels(book.bids),
            "asks": _levels(book.asks),
            "hash": book.hash,
            "timestamp": _ms(book.at_ns),
            "event_type": "book",
        }
    )


def change_text(window: Window, changes: Sequence[Change], at_ns: int) -> str:
    """One `price_change` frame."""
    entries = [
        {
            "asset_id": window.token_id(change.outcome),
            "price": format_price(change.price_e4),
            "size": format_qty(change.size_u6),
            "side": "BUY" if change.side is BookSide.BID else "SELL",
            "hash": change.hash,
            "best_bid": "0" if change.bid_e4 is None else format_price(change.bid_e4),
            "best_ask": "1" if change.ask_e4 is None else format_price(change.ask_e4),
        }
        for change in changes
    ]
    return _spaced(
        {
            "market": window.condition_id,
            "price_changes": entries,
            "timestamp": _ms(at_ns),
            "event_type": "price_change",
        }
    )


def trade_text(
    window: Window,
    *,
    outcome: Outcome,
    side: TakerSide,
    price_e4: int,
    size_u6: int,
    at_ns: int,
    transaction_hash: str,
) -> str:
    """A public trade; token and side are the taker's."""
    return _spaced(
        {
            "market": window.condition_id,
            "asset_id": window.token_id(outcome),
            "price": format_price(price_e4),
            "size": format_qty(size_u6),
            "fee_rate_bps": "0",
            "side": side.value.upper(),
            "timestamp": _ms(at_ns),
            "event_type": "last_trade_price",
            "transaction_hash": transaction_hash,
        }
    )


def _spaced(frame: Mapping[str, object]) -> str:
    return _join(frame)


def _join(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f'"{key}":{_join(member)}' for key, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_join(member) for member in value) + "]"
    return f'"{value}"'


def _levels(levels: Sequence[Level]) -> list[dict[str, str]]:
    return [
        {"price": format_price(price_e4), "size": format_qty(size_u6)}
        for price_e4, size_u6 in levels
    ]


def _ms(at_ns: int) -> str:
    return str(at_ns // NS_PER_MS)
