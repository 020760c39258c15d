"""The Data API: `/v2/trades`, `/v2/activity`, `/v2/positions`, `/v2/value`, `/v2/prices-history`.

The real venue retired the paths without `/v2` on 2026-10-24 (docs/venue.md 1.1). They are kept
here, with their old field names, for clients that still parse them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.datastructures import QueryParams

from pmcore.model.units import NS_PER_S, SHARE_U6
from pmsim.venue.ports import ListedWindow
from pmsimulator.answers import VenueError, answer
from pmsimulator.clob_market import Row
from pmsimulator.data_rows import (
    activity_row,
    old_position_row,
    old_trade_row,
    position_row,
    trade_row,
)
from pmsimulator.gamma import event_id
from pmsimulator.gamma_filters import values, whole_number
from pmsimulator.history import SAMPLE_NS, interval_start_s
from pmsimulator.portfolio import Deal, HeldShares, deals_of, holdings_of, public_deals
from pmsimulator.seconds import is_between, parse_seconds, seconds
from pmsimulator.titles import title
from pmsimulator.world import World

_MAX_ROWS = 1_000
_ADDRESS_CHARS = len("0x") + 40
_STATUSES: dict[str, Callable[[HeldShares], bool]] = {
    "": lambda holding: holding.size_u6 > 0,
    "OPEN": lambda holding: holding.status == "OPEN",
    "REDEEMABLE": lambda holding: holding.status == "REDEEMABLE",
    "REDEEMABLE_LOST": lambda holding: holding.status == "REDEEMABLE" and not holding.price_e4,
    "MERGEABLE": lambda holding: holding.pair and holding.status == "OPEN",
    "CLOSED": lambda holding: holding.status == "CLOSED",
}


def data_routes(world: World) -> APIRouter:
    """Everything of the Data API that this world can answer."""
    router = APIRouter()
    _add_new_routes(router, world)
    _add_old_routes(router, world)

    @router.get("/v2/prices-history")
    async def prices_history(request: Request) -> Response:
        return answer(_page(_history(world, request.query_params), request.query_params))

    return router


def _add_new_routes(router: APIRouter, world: World) -> None:
    @router.get("/v2/trades")
    async def trades(request: Request) -> Response:
        query = request.query_params
        return answer(_page(_rows(world, _deals(world, query), trade_row), query))

    @router.get("/v2/activity")
    async def activity(request: Request) -> Response:
        query = request.query_params
        return answer(_page(_activity(world, query), query))

    @router.get("/v2/positions")
    async def positions(request: Request) -> Response:
        query = request.query_params
        return answer(_page([position_row(one) for one in _holdings(world, query)], query))

    @router.get("/v2/value")
    async def value(request: Request) -> Response:
        query = request.query_params
        return answer({"data": {"proxy_wallet": _user(query), "value": _value(world, query)}})


def _add_old_routes(router: APIRouter, world: World) -> None:
    @router.get("/trades")
    async def old_trades(request: Request) -> Response:
        query = request.query_params
        rows = _rows(world, _deals(world, query), trade_row)
        return answer([old_trade_row(row) for row in _slice(rows, query)])

    @router.get("/activity")
    async def old_activity(request: Request) -> Response:
        query = request.query_params
        return answer([old_trade_row(row) for row in _slice(_activity(world, query), query)])

    @router.get("/positions")
    async def old_positions(request: Request) -> Response:
        query = request.query_params
        rows = [position_row(one) for one in _holdings(world, query)]
        return answer([old_position_row(row) for row in _slice(rows, query)])

    @router.get("/value")
    async def old_value(request: Request) -> Response:
        query = request.query_params
        return answer([{"user": _user(query), "value": _value(world, query)}])


def _deals(world: World, query: QueryParams, *, needs_user: bool = False) -> list[Deal]:
    """Deals of a user, or public ones; filtered by market, event, side, taker, size and time."""
    world.drain()
    found = (
        deals_of(world, _user(query)) if needs_user or query.get("user") else public_deals(world)
    )
    side = query.get("side", "").upper()
    takers = query.get("taker_only", query.get("takerOnly", "false")) == "true"
    least, by_cash = _amount_u6(query), query.get("filter_type") == "CASH"
    return [
        deal
        for deal in found
        if side in ("", deal.side.value)
        and (deal.taker or not takers)
        and (deal.cash_u6 if by_cash else deal.size_u6) >= least
        and is_between(seconds(deal.at_ns), query, first="start", last="end")
        and _is_of_market(world, deal.condition_id, query)
    ]


def _activity(world: World, query: QueryParams) -> list[Row]:
    deals = _deals(world, query, needs_user=True)
    types = values(query, "type")
    if types and "TRADE" not in types:
        return []
    if query.get("sort_direction", query.get("sortDirection", "DESC")) == "ASC":
        deals = deals[::-1]
    return _rows(world, deals, activity_row)


def _holdings(world: World, query: QueryParams) -> list[HeldShares]:
    """Positions of a user, or of everybody in one market."""
    world.drain()
    status = query.get("status", "")
    if status not in _STATUSES:
        raise VenueError(400, "invalid status")
    wallets = [_user(query)] if query.get("user") else _wallets(world, query)
    words = query.get("title", "").lower()
    return [
        holding
        for wallet in wallets
        for holding in holdings_of(world, wallet)
        if _STATUSES[status](holding)
        and words in title(holding.listing.window).lower()
        and _is_of_market(world, holding.listing.window.condition_id, query)
    ]


def _wallets(world: World, query: QueryParams) -> list[str]:
    if not _markets(query):
        raise VenueError(400, "user or condition_id is needed")
    return list(dict.fromkeys(account.maker_address for account in world.accounts))


def _value(world: World, query: QueryParams) -> float:
    """What the positions of a user are worth; cash is not part of it."""
    world.drain()
    return (
        sum(
            holding.value_u6
            for holding in holdings_of(world, _user(query))
            if _is_of_market(world, holding.listing.window.condition_id, query)
        )
        / SHARE_U6
    )


def _history(world: World, query: QueryParams) -> list[Row]:
    """Samples of a token's midpoint; `resolution_seconds` is the distance of two samples."""
    world.drain()
    now_s = seconds(world.now_ns())
    start_s = interval_start_s(query.get("interval", "max"), now_s)
    if start_s is None:
        raise VenueError(400, "invalid interval")
    first_s = parse_seconds(query["start"]) if "start" in query else start_s
    last_s = parse_seconds(query.get("end", query.get("as_of", str(now_s))))
    rows = world.history.rows(query.get("token_id", ""), first_s, last_s, 0)
    shown = rows[-1:] if "as_of" in query else rows
    gap_s = SAMPLE_NS // NS_PER_S
    return [
        {"timestamp": row["t"], "price": row["p"], "resolution_seconds": gap_s} for row in shown
    ]


def _rows(
    world: World, deals: Sequence[Deal], write: Callable[[Deal, ListedWindow], Row]
) -> list[Row]:
    found = ((deal, world.listing_of(deal.condition_id)) for deal in deals)
    return [write(deal, listing) for deal, listing in found if listing is not None]


def _user(query: QueryParams) -> str:
    user = query.get("user", "")
    if len(user) != _ADDRESS_CHARS or not user.startswith("0x"):
        raise VenueError(400, "invalid user")
    return user


def _markets(query: QueryParams) -> list[str]:
    return values(query, "condition_id") + values(query, "market")


def _is_of_market(world: World, condition_id: str, query: QueryParams) -> bool:
    """A condition id may be given with 31 bytes; an event is a market here."""
    markets = _markets(query)
    if markets and not any(condition_id.startswith(market.lower()) for market in markets):
        return False
    events = values(query, "event_id") + values(query, "eventId")
    listing = world.listing_of(condition_id) if events else None
    return not events or (listing is not None and event_id(listing.window.slug) in events)


def _amount_u6(query: QueryParams) -> int:
    text = query.get("filter_amount", query.get("filterAmount", "0"))
    try:
        return round(float(text) * SHARE_U6)
    except (ValueError, OverflowError) as error:
        raise VenueError(400, "invalid filter_amount") from error


def _slice(rows: Sequence[Row], query: QueryParams) -> Sequence[Row]:
    """A page by `limit` and `offset`, as the retired paths had."""
    start = whole_number(query, "offset", 0)
    return rows[start : start + min(whole_number(query, "limit", 100), _MAX_ROWS)]


def _page(rows: Sequence[Row], query: QueryParams) -> Row:
    """A page by cursor; it is the base64 of an offset."""
    limit = max(1, min(whole_number(query, "limit", 100), _MAX_ROWS))
    try:
        text = base64.b64decode(query.get("cursor", "") or "MA==", validate=True)
        start = max(int(text), 0)
    except (binascii.Error, ValueError) as error:
        raise VenueError(400, "invalid cursor") from error
    end = start + limit
    more = end < len(rows)
    cursor = base64.b64encode(str(end).encode()).decode() if more else None
    return {
        "data": rows[start:end],
        "pagination": {"has_more": more, "next_cursor": cursor},
    }
