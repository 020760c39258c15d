"""Frames that only connections with `custom_feature_enabled` get, besides two of `venue.encode`."""

from __future__ import annotations

from pmcore.model.market import Outcome, Window
from pmcore.model.units import NS_PER_S, SHARE_U6, format_price
from pmcore.venue.encode import ms_text, spaced_text
from pmcore.venue.fields import JsonObject
from pmsim.venue.identity import digest_hex
from pmsim.venue.ports import MarketFrame


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
        "sports_market_type": "",
        "line": "",
        "game_start_time": "",
        "order_price_min_tick_size": format_price(window.tick_e4),
        "group_item_title": "",
        "taker_base_fee": "1000",
        "fees_enabled": True,
        "fee_schedule": {
            "exponent": "1",
            "rate": "0.07",
            "taker_only": True,
            "rebate_rate": "0.2",
        },
    }


def stranger_frame(seed: int, number: int, at_ns: int) -> MarketFrame:
    """The broadcast of a market that nobody asked for; it is in no listing."""
    name = f"stranger-market-{number}"
    condition_id = digest_hex("stranger", seed, number)
    window = Window(
        series="stranger",
        slug=name,
        condition_id=condition_id,
        up_token_id=str(int(digest_hex("stranger up", seed, number), 16)),
        down_token_id=str(int(digest_hex("stranger down", seed, number), 16)),
        open_ns=at_ns,
        close_ns=at_ns + NS_PER_S,
        tick_e4=100,
        min_size_u6=5 * SHARE_U6,
    )
    text = spaced_text(new_market_frame(window, ts_event_ns=at_ns))
    return MarketFrame(at_ns=at_ns, condition_id=condition_id, token_ids=(), text=text, custom=True)
