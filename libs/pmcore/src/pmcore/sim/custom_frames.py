"""Frames that only connections with `custom_feature_enabled` get, besides two of `venue.encode`."""

from __future__ import annotations

from pmcore.model.market import Outcome, Window
from pmcore.model.units import format_price
from pmcore.venue.encode import ms_text
from pmcore.venue.fields import JsonObject


def new_market_frame(window: Window, *, ts_event_ns: int) -> JsonObject:
    """A `new_market` frame (docs/venue.md 5.2); no text in it holds a comma."""
    tokens = [window.token_id(outcome) for outcome in Outcome]
    return {
        "id": window.slug,
        "question": window.slug,
        "market": window.condition_id,
        "slug": window.slug,
        "description": "",
        "assets_ids": tokens,
        "outcomes": [outcome.value.capitalize() for outcome in Outcome],
        "event_message": {"id": window.slug, "slug": window.slug, "title": window.slug},
        "timestamp": ms_text(ts_event_ns),
        "event_type": "new_market",
        "tags": [],
        "condition_id": window.condition_id,
        "active": True,
        "clob_token_ids": tokens,
        "order_price_min_tick_size": format_price(window.tick_e4),
        "taker_base_fee": "1000",
        "fees_enabled": True,
        "fee_schedule": {
            "exponent": "1",
            "rate": "0.07",
            "taker_only": True,
            "rebate_rate": "0.2",
        },
    }
