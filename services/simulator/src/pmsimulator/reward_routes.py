"""Order scoring, liquidity rewards and maker rebates (docs/venue.md 1.2, 4.8).

An order scores when it rests with at least 50 shares within 4.5 cents of the midpoint. Nothing is
paid for that here, so earnings are empty; rebates are those that the venue has accrued.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from fastapi.responses import Response

from pmcore.model.units import NS_PER_S, SHARE_U6, format_qty
from pmcore.sim.ports import Listing, OrderStatus
from pmsimulator.answers import (
    FIRST_CURSOR,
    NO_MARKET,
    answer,
    not_found,
    page,
    read_body,
)
from pmsimulator.door import Door
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

    @router.get("/rewards/markets/{condition_id}")
    async def of_market(condition_id: str, next_cursor: str = FIRST_CURSOR) -> Response:
        world.drain()
        listing = world.listing_of(condition_id)
        if listing is None:
            raise not_found(NO_MARKET)
        return answer(page([_reward_row(listing)], next_cursor))


def _reward_row(listing: Listing) -> dict[str, object]:
    return {
        "condition_id": listing.window.condition_id,
        "market_slug": listing.window.slug,
        "rewards_config": [],
        "rewards_min_size": 50,
        "rewards_max_spread": 4.5,
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
