"""The venue as one web application: REST, Gamma and WebSockets on one port."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from pmcore.model.errors import InvariantError
from pmsimulator.account_routes import account_routes, key_routes
from pmsimulator.activity import activity_routes
from pmsimulator.answers import (
    VenueError,
    answer_error,
    answer_framework_error,
    answer_validation_error,
)
from pmsimulator.audit import audit_routes
from pmsimulator.auth import Door
from pmsimulator.builder_routes import builder_trade_routes, extra_key_routes
from pmsimulator.channels import channel_routes
from pmsimulator.clob_markets import clob_market_routes
from pmsimulator.credentials import KeyRing
from pmsimulator.data_routes import data_routes
from pmsimulator.fault_middleware import Road
from pmsimulator.faults import DoorFaults, DoorKeeper
from pmsimulator.gamma_routes import gamma_routes
from pmsimulator.gamma_search import gamma_search_routes
from pmsimulator.market_routes import market_routes
from pmsimulator.rate_limits import RateLimits, Tier
from pmsimulator.relayer_routes import relayer_routes
from pmsimulator.reward_routes import reward_routes
from pmsimulator.shared_paths import shared_paths
from pmsimulator.sim_routes import sim_routes
from pmsimulator.trading import Trading
from pmsimulator.trading_routes import trading_routes
from pmsimulator.underlying_channel import underlying_routes
from pmsimulator.world import World


def create_app(
    world: World,
    tier: Tier,
    *,
    seed: int = 0,
    door_faults: DoorFaults | None = None,
    underlying_latency_ms: int = 0,
) -> Road:
    """Mount everything on one application, with the faults of the connection around it."""
    app = FastAPI(title="pmsimulator", docs_url=None, redoc_url=None, openapi_url=None)
    keys = KeyRing(world.chain_id)
    door, keeper, limits = Door(world, keys), DoorKeeper(door_faults), RateLimits(tier)
    for router in (
        gamma_routes(world),
        gamma_search_routes(world),
        clob_market_routes(world),
        shared_paths(world),
        market_routes(world),
        data_routes(world),
        builder_trade_routes(world),
        key_routes(keys, door, keeper),
        extra_key_routes(world, door),
        account_routes(world, door, limits),
        reward_routes(world, door),
        relayer_routes(world, keeper),
        trading_routes(world, door, Trading(world, limits, keeper)),
        channel_routes(world, keys),
        underlying_routes(world, underlying_latency_ms),
        audit_routes(world),
        activity_routes(world),
        sim_routes(world, keeper),
    ):
        app.include_router(router)
    app.add_middleware(_EndOfTheWorld, world=world)
    app.add_exception_handler(VenueError, answer_error)
    app.add_exception_handler(HTTPException, answer_framework_error)
    app.add_exception_handler(RequestValidationError, answer_validation_error)
    return Road(app, world, seed)


class _EndOfTheWorld:
    """A broken invariant inside a request ends the process, not only the request."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self._app = app
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except InvariantError as error:
            self._world.die(error)
            raise
