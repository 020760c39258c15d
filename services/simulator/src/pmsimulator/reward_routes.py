"""Order scoring, liquidity rewards and maker rebates (docs/venue.md 1.2, 4.8).

An order scores when it rests with at least 50 shares within 4.5 cents of the midpoint. Nothing is
paid for that here, so earnings are empty; rebates are those that the venue has accrued.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.datastructures import QueryParams

from pmcore.model.units import NS_PER_S, PRICE_ONE_E4, SHARE_U6, format_qty
from pmsim.venue.ports import ListedWindow, OrderStatus
from pmsimulator.answers import (
    FIRST_CURSOR,
    NO_MARKET,
    VenueError,
    answer,
    not_found,
    page,
    read_body,
)
from pmsimulator.auth import Door
from pmsimulator.clob_market import Row, token_rows
from pmsimulator.gamma import LISTED_BEFORE_NS, event_id, market_id, stamp
from pmsimulator.gamma_filters import values
from pmsimulator.gamma_series import tag_row
from pmsimulator.market_facts import MarketFacts
from pmsimulator.titles import title
from pmsimulator.touch import touch_e4
from pmsimulator.world import World

_MIN_SHARES_U6 = 50 * SHARE_U6
_MAX_SPREAD_E4 = 450
_COLLATERAL = "0xC011a7E12a19f7B1f670d46F03B03f3342E82DFB"


def reward_routes(world: World, door: Door) -> APIRouter:
    """`/order-scoring`, `/orders-scoring`, `/rewards/...`, `/rebates/current`."""
    router = APIRouter()
    _add_scoring_routes(router, world, door)
    _add_user_routes(router, door)
    _add_market_routes(router, world)

    @router.get("/rebates/current")
    async def rebates(date: str, maker_address: str) -> Response:
        world.drain()
        return answer(_rebates(world, date, maker_address))

    return router


def _add_scoring_routes(router: APIRouter, world: World, door: Door) -> None:
    @router.get("/order-scoring")
    async def order_scoring(request: Request, order_id: str = "") -> Response:
        credentials, _ = await door.signed(request)
        world.drain()
        return answer({"scoring": _scores(world, credentials.api_key, order_id)})

    @router.post("/orders-scoring")
    async def orders_scoring(request: Request) -> Response:
        credentials, body = await door.signed(request)
        ids = read_body(body, list[str])
        world.drain()
        return answer({each: _scores(world, credentials.api_key, each) for each in ids})


def _add_user_routes(router: APIRouter, door: Door) -> None:
    def signed(path: str, content: Callable[[str], object]) -> None:
        async def route(request: Request, next_cursor: str = FIRST_CURSOR) -> Response:
            await door.signed(request)
            return answer(content(next_cursor))

        router.add_api_route(path, route, methods=["GET"])

    signed("/rewards/user", lambda cursor: page([], cursor))
    signed("/rewards/user/markets", lambda cursor: page([], cursor))
    signed("/rewards/user/total", lambda _: [])
    signed("/rewards/user/percentages", lambda _: {})


def _add_market_routes(router: APIRouter, world: World) -> None:
    @router.get("/rewards/markets/current")
    async def current(next_cursor: str = FIRST_CURSOR) -> Response:
        world.drain()
        rows = [_reward_row(listing) for listing in world.listings() if not listing.closed]
        return answer(page(rows, next_cursor))

    @router.get("/rewards/markets/multi")
    async def many(request: Request, next_cursor: str = FIRST_CURSOR) -> Response:
        world.drain()
        found = ((one, world.facts(one)) for one in world.listings() if not one.closed)
        rows = [
            _discovery_row(listing, facts)
            for listing, facts in found
            if _is_discovered(listing, facts, request.query_params)
        ]
        return answer(page(rows, next_cursor))

    @router.get("/rewards/markets/{condition_id}")
    async def of_market(condition_id: str, next_cursor: str = FIRST_CURSOR) -> Response:
        world.drain()
        listing = world.listing_of(condition_id)
        if listing is None:
            raise not_found(NO_MARKET)
        return answer(page([_market_row(listing)], next_cursor))


def _is_discovered(listing: ListedWindow, facts: MarketFacts, query: QueryParams) -> bool:
    """Every filter of `/rewards/markets/multi`; a bound of 0 is none."""
    window = listing.window
    text = f"{title(window)} {window.slug}".lower()
    words = f"{query.get('q', '')} {query.get('event_title', '')}".lower().split()
    bounds = (
        ("volume_24hr", facts.volume_u6 / SHARE_U6),
        ("spread", facts.spread_e4 / PRICE_ONE_E4),
        ("price", listing.up_price_e4 / PRICE_ONE_E4),
    )
    return (
        all(word in text for word in words)
        and query.get("market_id", market_id(window.slug)) == market_id(window.slug)
        and event_id(window.slug) in (values(query, "event_id") or [event_id(window.slug)])
        and all(tag_row(tag) is not None for tag in values(query, "tag_slug"))
        and all(_is_within(value, query, name) for name, value in bounds)
    )


def _is_within(value: float, query: QueryParams, name: str) -> bool:
    """Above `min_...` and up to `max_...`, as the venue reads them."""
    least, most = (_bound(query.get(f"{end}_{name}", "0")) for end in ("min", "max"))
    return (not least or value > least) and (not most or value <= most)


def _bound(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise VenueError(400, f"invalid number: {text[:20]}") from error


def _reward_row(listing: ListedWindow) -> Row:
    return {
        "condition_id": listing.window.condition_id,
        "market_slug": listing.window.slug,
        "rewards_config": [],
        "rewards_min_size": 50,
        "rewards_max_spread": 4.5,
    }


def _market_row(listing: ListedWindow) -> Row:
    """The same with what people read: the question, and both tokens with their price."""
    return {
        **_reward_row(listing),
        "question": title(listing.window),
        "event_slug": listing.window.slug,
        "image": "",
        "market_competitiveness": 0,
        "tokens": token_rows(listing),
    }


def _discovery_row(listing: ListedWindow, facts: MarketFacts) -> Row:
    """A row of `/rewards/markets/multi`."""
    window = listing.window
    return {
        **_market_row(listing),
        "market_id": market_id(window.slug),
        "event_id": event_id(window.slug),
        "group_item_title": "",
        "spread": facts.spread_e4 / PRICE_ONE_E4,
        "volume_24hr": facts.volume_u6 / SHARE_U6,
        "one_day_price_change": 0,
        "created_at": stamp(window.open_ns - LISTED_BEFORE_NS),
        "end_date": stamp(window.close_ns),
    }


def _scores(world: World, owner: str, order_id: str) -> bool:
    record = world.venue.order(order_id)
    if record is None or record.account.owner != owner or record.status is not OrderStatus.LIVE:
        return False
    bid_e4, ask_e4 = touch_e4(world.venue.book(record.token_id))
    if bid_e4 is None or ask_e4 is None or record.leaves_u6 < _MIN_SHARES_U6:
        return False
    return abs(2 * record.price_e4 - bid_e4 - ask_e4) <= 2 * _MAX_SPREAD_E4


def _rebates(world: World, date: str, maker_address: str) -> list[dict[str, object]]:
    """One row per market in which the wallet's orders were taken on that (UTC) day."""
    rebates_u6: dict[str, int] = {}
    seen: set[str] = set()
    for account in world.accounts:
        for trade in world.venue.trades(account.owner):
            day = f"{datetime.fromtimestamp(trade.matched_ns // NS_PER_S, UTC):%Y-%m-%d}"
            if day != date or trade.trade_id in seen:
                continue
            seen.add(trade.trade_id)
            for maker in trade.makers:
                if maker.account.maker_address.lower() == maker_address.lower():
                    market = trade.condition_id
                    rebates_u6[market] = rebates_u6.get(market, 0) + maker.rebate_u6
    return [
        {
            "date": date,
            "condition_id": condition_id,
            "asset_address": _COLLATERAL,
            "maker_address": maker_address,
            "rebated_fees_usdc": format_qty(rebate_u6),
        }
        for condition_id, rebate_u6 in rebates_u6.items()
    ]
