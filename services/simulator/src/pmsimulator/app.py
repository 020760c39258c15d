"""The venue as one web application: REST, Gamma and WebSockets on one port."""

from __future__ import annotations

import socket

import uvicorn
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from pmcore.model.errors import InvariantError
from pmcore.shell.web import QuietServer
from pmsimulator.account_routes import account_routes, key_routes
from pmsimulator.answers import (
    VenueError,
    answer_error,
    answer_framework_error,
    answer_validation_error,
)
from pmsimulator.audit import audit_routes
from pmsimulator.channels import channel_routes
from pmsimulator.credentials import KeyRing
from pmsimulator.door import Door
from pmsimulator.gamma_routes import gamma_routes
from pmsimulator.market_routes import market_routes
from pmsimulator.rate_limits import RateLimits, Tier
from pmsimulator.trading import Trading
from pmsimulator.trading_routes import trading_routes
from pmsimulator.world import World


def create_app(world: World, tier: Tier) -> FastAPI:
    """Mount everything on one application."""
    app = FastAPI(title="pmsimulator", docs_url=None, redoc_url=None, openapi_url=None)
    keys = KeyRing(world.chain_id)
    door = Door(world, keys)
    app.include_router(gamma_routes(world))
    app.include_router(market_routes(world))
    app.include_router(key_routes(keys, door))
    app.include_router(account_routes(world, door))
    app.include_router(trading_routes(world, door, Trading(world, RateLimits(tier))))
    app.include_router(channel_routes(world, keys))
    app.include_router(audit_routes(world))
    app.add_middleware(_EndOfTheWorld, world=world)
    app.add_exception_handler(VenueError, answer_error)
    app.add_exception_handler(HTTPException, answer_framework_error)
    app.add_exception_handler(RequestValidationError, answer_validation_error)
    return app


class VenueServer:
    """Uvicorn on a listening socket, without signal handlers of its own."""

    def __init__(self, app: FastAPI, listener: socket.socket) -> None:
        self._listener = listener
        self._server = QuietServer(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                ws="websockets-sansio",
                ws_per_message_deflate=False,
                timeout_graceful_shutdown=2,
            )
        )

    async def run(self) -> None:
        """Serve until `close`."""
        await self._server.serve(sockets=[self._listener])

    def close(self) -> None:
        """End the connections and then `run`."""
        self._server.should_exit = True

    @property
    def started(self) -> bool:
        """Whether connections are taken."""
        return self._server.started


class _EndOfTheWorld:
    """A broken promise inside a request ends the process, not just the request."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self._app = app
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except InvariantError as error:
            self._world.die(error)
            raise
