"""Rows of the Data API: as `/v2/...` writes them, and as the retired paths did."""

from __future__ import annotations

from pmcore.model.market import Window
from pmcore.model.units import PRICE_ONE_E4, SHARE_U6
from pmsim.venue.ports import ListedWindow
from pmsimulator.clob_market import Row, outcome_index
from pmsimulator.gamma import event_id, stamp
from pmsimulator.portfolio import Deal, HeldShares
from pmsimulator.seconds import seconds
from pmsimulator.titles import title

_OLD_NAMES = {
    "token_id": "asset",
    "opposite_token_id": "oppositeAsset",
    "current_size": "size",
    "current_price": "curPrice",
    "entry_cost_usdc": "initialValue",
    "unrealized_pnl": "cashPnl",
    "total_size": "totalBought",
}
_PROFILE: Row = {
    "name": "",
    "pseudonym": "",
    "bio": "",
    "profile_image": "",
    "profile_image_optimized": "",
}
_NEW_ONLY = (
    "archived",
    "entry_fees_usdc",
    "first_entry_at",
    "is_combo",
    "last_event_at",
    "name",
    "profile_image",
    "status",
    "total_cost_usdc",
    "total_pnl",
    "verified",
)
"""Fields of a position that the retired path did not have."""


def trade_row(deal: Deal, listing: ListedWindow) -> Row:
    """A row of `/v2/trades`; sizes in shares, prices in dollars."""
    return {
        "proxy_wallet": deal.wallet,
        "side": deal.side.value,
        "token_id": deal.token_id,
        "condition_id": deal.condition_id,
        "size": deal.size_u6 / SHARE_U6,
        "price": deal.price_e4 / PRICE_ONE_E4,
        "timestamp": seconds(deal.at_ns),
        **_display(listing.window, deal.token_id),
        **_PROFILE,
        "transaction_hash": deal.transaction_hash,
    }


def activity_row(deal: Deal, listing: ListedWindow) -> Row:
    """A row of `/v2/activity`: trades only, since splits and merges leave no trade."""
    return {
        **trade_row(deal, listing),
        "type": "TRADE",
        "is_combo": False,
        "usdc_size": deal.cash_u6 / SHARE_U6,
    }


def position_row(holding: HeldShares) -> Row:
    """A row of `/v2/positions`; sizes in shares, all else in dollars or percent."""
    listing = holding.listing
    window = listing.window
    unrealized_u6 = holding.value_u6 - holding.cost_u6
    total_u6 = unrealized_u6 + holding.realized_u6
    index = outcome_index(window, holding.token_id)
    return {
        "proxy_wallet": holding.wallet,
        "token_id": holding.token_id,
        "condition_id": window.condition_id,
        "current_size": holding.size_u6 / SHARE_U6,
        "avg_price": holding.average_e6 / SHARE_U6,
        "entry_cost_usdc": holding.cost_u6 / SHARE_U6,
        "entry_fees_usdc": holding.fees_u6 / SHARE_U6,
        "total_cost_usdc": holding.bought_cash_u6 / SHARE_U6,
        "current_price": holding.price_e4 / PRICE_ONE_E4,
        "current_value": holding.value_u6 / SHARE_U6,
        "total_size": holding.bought_u6 / SHARE_U6,
        "realized_pnl": holding.realized_u6 / SHARE_U6,
        "unrealized_pnl": unrealized_u6 / SHARE_U6,
        "total_pnl": total_u6 / SHARE_U6,
        "percent_pnl": _percent(unrealized_u6, holding.cost_u6),
        "percent_realized_pnl": _percent(holding.realized_u6, holding.bought_cash_u6),
        "status": holding.status,
        "redeemable": listing.closed and holding.size_u6 > 0,
        "mergeable": holding.pair and not listing.closed,
        "negative_risk": window.neg_risk,
        "archived": False,
        "verified": False,
        **_display(window, holding.token_id),
        "opposite_outcome": ("Down", "Up")[index],
        "opposite_token_id": (window.down_token_id, window.up_token_id)[index],
        "event_id": event_id(window.slug),
        "end_date": stamp(window.close_ns)[:10],
        "name": "",
        "profile_image": "",
        "first_entry_at": seconds(holding.first_ns),
        "last_event_at": seconds(holding.last_ns),
    }


def old_trade_row(row: Row) -> Row:
    """A trade or an activity as the paths without `/v2` wrote it."""
    return {_old_name(name): value for name, value in row.items() if name != "is_combo"}


def old_position_row(row: Row) -> Row:
    """A position as the path without `/v2` wrote it."""
    return {_old_name(name): value for name, value in row.items() if name not in _NEW_ONLY}


def _display(window: Window, token_id: str) -> Row:
    index = outcome_index(window, token_id)
    return {
        "title": title(window),
        "slug": window.slug,
        "icon": "",
        "event_slug": window.slug,
        "outcome": ("Up", "Down")[index],
        "outcome_index": index,
    }


def _percent(gain_u6: int, cost_u6: int) -> float:
    return 100 * gain_u6 / cost_u6 if cost_u6 else 0.0


def _old_name(name: str) -> str:
    if name in _OLD_NAMES:
        return _OLD_NAMES[name]
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
