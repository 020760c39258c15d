"""Market frames as dictionaries, ready to be spoilt by a test."""

from __future__ import annotations

import json
from typing import Any

from support.builders import CONDITION, DOWN_TOKEN, T0_S, UP_TOKEN

STAMP = str(T0_S * 1000 + 123)
Frame = dict[str, Any]


def book_frame(**changes: Any) -> Frame:
    """A subscribe frame of Up."""
    return {
        "market": CONDITION,
        "asset_id": UP_TOKEN,
        "timestamp": STAMP,
        "hash": "ab" * 20,
        "bids": [{"price": "0.48", "size": "20.25"}, {"price": "0.49", "size": "10"}],
        "asks": [{"price": "0.52", "size": "7"}, {"price": "0.51", "size": "3"}],
        "tick_size": "0.01",
        "event_type": "book",
        "last_trade_price": "",
        **changes,
    }


def entry(**changes: Any) -> Frame:
    """One entry of `price_changes`."""
    return {
        "asset_id": UP_TOKEN,
        "price": "0.46",
        "size": "918.34",
        "side": "BUY",
        "hash": "cd" * 20,
        "best_bid": "0.49",
        "best_ask": "0.51",
        **changes,
    }


def change_frame(*entries: Any, **changes: Any) -> Frame:
    """A `price_change` frame."""
    return {
        "market": CONDITION,
        "price_changes": list(entries),
        "timestamp": STAMP,
        "event_type": "price_change",
        **changes,
    }


def trade_frame(**changes: Any) -> Frame:
    """A `last_trade_price` frame: a taker bought Down."""
    return {
        "market": CONDITION,
        "asset_id": DOWN_TOKEN,
        "price": "0.51",
        "size": "20",
        "fee_rate_bps": "0",
        "side": "BUY",
        "timestamp": STAMP,
        "event_type": "last_trade_price",
        "transaction_hash": "0xabc",
        **changes,
    }


def tick_frame(**changes: Any) -> Frame:
    """A `tick_size_change` frame."""
    return {
        "market": CONDITION,
        "asset_id": UP_TOKEN,
        "old_tick_size": "0.01",
        "new_tick_size": "0.001",
        "timestamp": STAMP,
        "event_type": "tick_size_change",
        **changes,
    }


def without(frame: Frame, *keys: str) -> Frame:
    """The frame without some fields."""
    return {key: value for key, value in frame.items() if key not in keys}


def text(value: Any) -> str:
    """The frame as sent."""
    return json.dumps(value)
