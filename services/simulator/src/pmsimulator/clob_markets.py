"""The CLOB's lists of markets, and what was just traded in one (docs/venue.md 1.2, 1.3)."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter
from fastapi.responses import Response

from pmcore.model.units import NS_PER_S, format_price, format_qty
from pmsim.venue.ports import ListedWindow
from pmsimulator.answers import FIRST_CURSOR, NO_MARKET, answer, not_found, page
from pmsimulator.clob_market import Row, clob_market, outcome_index, simplified_market
from pmsimulator.portfolio import NOBODY
from pmsimulator.tape import PublicTrade
from pmsimulator.titles import title
from pmsimulator.world import World

SHOWN_TRADES = 50


def market_page(
    world: World, write: Callable[[ListedWindow], Row], cursor: str, *, sampling: bool = False
) -> Row:
    """A page of all markets that the CLOB knows; `sampling`: of those that may earn rewards."""
    world.drain()
    shown = [
        write(listing)
        for listing in world.listings()
        if world.tradable(listing.window.condition_id) is not None
        and (not sampling or (listing.accepting_orders and not listing.closed))
    ]
    return page(shown, cursor)


def clob_market_routes(world: World) -> APIRouter:
    """Every list but `/markets`, and `/markets/live-activity/{condition_id}`."""
    router = APIRouter()

    @router.get("/simplified-markets")
    async def simplified(next_cursor: str = FIRST_CURSOR) -> Response:
        return answer(market_page(world, simplified_market, next_cursor))

    @router.get("/sampling-markets")
    async def sampling(next_cursor: str = FIRST_CURSOR) -> Response:
        return answer(market_page(world, clob_market, next_cursor, sampling=True))

    @router.get("/sampling-simplified-markets")
    async def sampling_simplified(next_cursor: str = FIRST_CURSOR) -> Response:
        return answer(market_page(world, simplified_market, next_cursor, sampling=True))

    @router.get("/markets/live-activity/{condition_id}")
    async def live_activity(condition_id: str) -> Response:
        world.drain()
        listing = world.tradable(condition_id)
        if listing is None:
            raise not_found(NO_MARKET)
        prints = world.tape.prints(listing.window.condition_id)[:SHOWN_TRADES]
        return answer([_event(listing, one) for one in prints])

    return router


def _event(listing: ListedWindow, one: PublicTrade) -> Row:
    """A public trade; whose it was is not public here, so the user is nobody."""
    window = listing.window
    index = outcome_index(window, one.token_id)
    return {
        "event_type": "trade",
        "market": {
            "condition_id": window.condition_id,
            "asset_id": one.token_id,
            "question": title(window),
            "icon": "",
            "slug": window.slug,
        },
        "user": {
            "address": NOBODY,
            "username": "",
            "profile_picture": "",
            "optimized_profile_picture": "",
            "pseudonym": "",
        },
        "side": one.side.value,
        "size": format_qty(one.size_u6),
        "fee_rate_bps": "0",
        "price": format_price(one.price_e4),
        "outcome": ("Up", "Down")[index],
        "outcome_index": index,
        "transaction_hash": one.transaction_hash,
        "timestamp": str(one.at_ns // NS_PER_S),
    }
