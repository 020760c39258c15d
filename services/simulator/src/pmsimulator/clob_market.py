"""A market as the CLOB's older pages write it: whole, simplified, and in a notification."""

from __future__ import annotations

from pmcore.model.market import Outcome, Window
from pmcore.model.units import PRICE_ONE_E4, SHARE_U6
from pmsim.venue.ports import ListedWindow
from pmsimulator.gamma import LISTED_BEFORE_NS, question_id, stamp
from pmsimulator.gamma_series import TAGS
from pmsimulator.titles import description, title

Row = dict[str, object]
LEGACY_FEE_BPS = 1000
REWARDS: Row = {"rates": [], "min_size": 50, "max_spread": 4.5}
"""Nothing is paid here, so no asset has a rate."""


def clob_market(listing: ListedWindow) -> Row:
    """`/markets/{condition_id}`. `minimum_tick_size` is the listing's, stale after a change, as at
    the venue (docs/venue.md 1.3).
    """
    window = listing.window
    return {
        "enable_order_book": True,
        "active": True,
        "closed": listing.closed,
        "archived": False,
        "accepting_orders": listing.accepting_orders,
        "accepting_order_timestamp": stamp(window.open_ns - LISTED_BEFORE_NS),
        "minimum_order_size": window.min_size_u6 // SHARE_U6,
        "minimum_tick_size": window.tick_e4 / PRICE_ONE_E4,
        "condition_id": window.condition_id,
        "question_id": question_id(window.slug),
        "question": title(window),
        "description": description(window),
        "market_slug": window.slug,
        "end_date_iso": stamp(window.close_ns),
        "game_start_time": None,
        "seconds_delay": 0,
        "fpmm": "",
        "maker_base_fee": LEGACY_FEE_BPS,
        "taker_base_fee": LEGACY_FEE_BPS,
        "notifications_enabled": True,
        "neg_risk": window.neg_risk,
        "neg_risk_market_id": "",
        "neg_risk_request_id": "",
        "icon": "",
        "image": "",
        "rewards": REWARDS,
        "is_50_50_outcome": False,
        "tokens": token_rows(listing),
        "tags": [label for _, label, _ in TAGS],
    }


def simplified_market(listing: ListedWindow) -> Row:
    """An element of `/simplified-markets`."""
    return {
        "condition_id": listing.window.condition_id,
        "rewards": REWARDS,
        "tokens": token_rows(listing),
        "active": True,
        "closed": listing.closed,
        "archived": False,
        "accepting_orders": listing.accepting_orders,
    }


def token_rows(listing: ListedWindow) -> list[Row]:
    """Both tokens with their price and whether they won."""
    prices_e4 = {
        Outcome.UP: listing.up_price_e4,
        Outcome.DOWN: PRICE_ONE_E4 - listing.up_price_e4,
    }
    return [
        {
            "token_id": listing.window.token_id(outcome),
            "outcome": outcome.value.capitalize(),
            "price": prices_e4[outcome] / PRICE_ONE_E4,
            "winner": listing.winner is outcome,
        }
        for outcome in Outcome
    ]


def outcome_index(window: Window, token_id: str) -> int:
    """0 for Up, 1 for Down: the place of a token in the lists of Gamma and the CLOB."""
    return 0 if window.outcome_of(token_id) is Outcome.UP else 1
