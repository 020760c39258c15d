"""Orders in and out, and the heartbeat: the paths (docs/venue.md 1.2, 4 and 8)."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from pmsimulator.answers import VenueError, answer, read_body
from pmsimulator.auth import Door
from pmsimulator.order_entry import decode_batch, decode_order
from pmsimulator.trading import Trading
from pmsimulator.world import World


class _OrderId(msgspec.Struct, rename={"order_id": "orderID"}):
    order_id: str


class _MarketCancel(msgspec.Struct):
    market: str = ""
    asset_id: str = ""


class _Beat(msgspec.Struct):
    heartbeat_id: str = ""


def trading_routes(world: World, door: Door, trading: Trading) -> APIRouter:
    """Everything that changes an account's orders."""
    router = APIRouter()
    _add_order_routes(router, door, trading)
    _add_cancel_routes(router, world, door, trading)

    @router.post("/v1/heartbeats")
    async def heartbeat(request: Request) -> Response:
        credentials, body = await door.signed(request)
        beat = read_body(body, _Beat)
        reply = world.heartbeats.beat(credentials.api_key, beat.heartbeat_id, world.now_ns())
        if not reply.accepted:
            refusal = {"error_msg": "Invalid Heartbeat ID", "heartbeat_id": reply.heartbeat_id}
            raise VenueError(400, "Invalid Heartbeat ID", body=refusal)
        return answer({"heartbeat_id": reply.heartbeat_id})

    @router.post("/heartbeats")
    async def plain_heartbeat(request: Request) -> Response:
        """Its relation to the chain of `/v1/heartbeats` is not documented; it has none here."""
        await door.signed(request)
        return answer({"status": "ok"})

    return router


def _add_order_routes(router: APIRouter, door: Door, trading: Trading) -> None:
    @router.post("/order")
    async def post_order(request: Request) -> Response:
        credentials, body = await door.signed(request)
        return trading.post(credentials, decode_order(body))

    @router.post("/orders")
    async def post_orders(request: Request) -> Response:
        credentials, body = await door.signed(request)
        return trading.post_batch(credentials, decode_batch(body))


def _add_cancel_routes(router: APIRouter, world: World, door: Door, trading: Trading) -> None:
    @router.delete("/order")
    async def cancel_order(request: Request) -> Response:
        credentials, body = await door.signed(request)
        return trading.cancel(credentials, [read_body(body, _OrderId).order_id])

    @router.delete("/orders")
    async def cancel_orders(request: Request) -> Response:
        credentials, body = await door.signed(request)
        return trading.cancel(credentials, read_body(body, list[str]))

    @router.delete("/cancel-all")
    async def cancel_all(request: Request) -> Response:
        credentials, _ = await door.signed(request)
        return trading.cancel_found(credentials, world.venue.cancel_all)

    @router.delete("/cancel-market-orders")
    async def cancel_market_orders(request: Request) -> Response:
        credentials, body = await door.signed(request)
        wanted = read_body(body, _MarketCancel)
        return trading.cancel_found(
            credentials,
            lambda owner, at_ns: world.venue.cancel_market(
                owner, at_ns, condition_id=wanted.market, token_id=wanted.asset_id
            ),
        )
