"""The two paths that Gamma and the CLOB both have: here they share one port.

`GET /markets` with `next_cursor` is the CLOB's: both official clients always send it there, and
Gamma has no such parameter. Without it the request is Gamma's. `GET /markets/{id}` is the CLOB's
for a condition id (0x...) and Gamma's for a number. Mount this after the routes below `/markets/`.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from pmsimulator.answers import NO_MARKET, answer, not_found
from pmsimulator.clob_market import clob_market
from pmsimulator.clob_markets import market_page
from pmsimulator.gamma_routes import GammaReads, gamma_list, gamma_one
from pmsimulator.world import World

_CURSOR = "next_cursor"


def shared_paths(world: World) -> APIRouter:
    """`/markets` and `/markets/{id}`."""
    router = APIRouter()
    gamma = GammaReads(world, "markets")

    @router.get("/markets")
    async def markets(request: Request) -> Response:
        if _CURSOR in request.query_params:
            return answer(market_page(world, clob_market, request.query_params[_CURSOR]))
        return gamma_list(gamma, request.query_params)

    @router.get("/markets/{market}")
    async def market(market: str) -> Response:
        if not market.startswith("0x"):
            return gamma_one(gamma, market)
        listing = world.tradable(market)
        if listing is None:
            raise not_found(NO_MARKET)
        return answer(clob_market(listing))

    return router
