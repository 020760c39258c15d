"""What only a simulation offers: faults, disconnections, positions and ticks on request.

No path here asks for credentials: every client that reaches the simulator may use them.
`owner` in a body is an API key or a wallet's address.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from pmcore.model.errors import MalformedInputError
from pmcore.model.units import format_price, format_qty, parse_price_e4, parse_qty_u6
from pmcore.venue.fields import decode_json_as
from pmsim.faults.plan import FaultPlan
from pmsim.venue.controls import PositionResult
from pmsimulator.answers import NO_MARKET, VenueError, answer
from pmsimulator.faults import DoorFaults, DoorKeeper, FaultRequest, read_faults
from pmsimulator.world import World

T = TypeVar("T")


class _Position(msgspec.Struct, forbid_unknown_fields=True):
    owner: str
    market: str
    size: str = "0"


class _Tick(msgspec.Struct, forbid_unknown_fields=True):
    market: str
    tick_size: str


class _Disconnect(msgspec.Struct, forbid_unknown_fields=True):
    channel: str = "all"


def sim_routes(world: World, keeper: DoorKeeper) -> APIRouter:
    """`/sim/...`."""
    router = APIRouter(prefix="/sim")
    _add_fault_routes(router, world, keeper)
    _add_position_routes(router, world)

    @router.post("/disconnect")
    async def disconnect(request: Request) -> Response:
        channel = _decode(await request.body() or b"{}", _Disconnect).channel
        if channel not in ("market", "user", "all"):
            raise VenueError(400, "channel: market, user or all")
        return answer({"connections": world.subscriptions.drop(channel)})

    @router.post("/tick")
    async def tick(request: Request) -> Response:
        wanted = _decode(await request.body(), _Tick)
        market = _market(world, wanted.market)
        tick_e4 = _parsed(parse_price_e4, wanted.tick_size)
        refused = world.venue.change_tick(market, tick_e4, world.now_ns())
        world.wake()
        if refused:
            raise VenueError(400, refused)
        return answer({"market": market, "tick_size": format_price(tick_e4)})

    return router


def _add_fault_routes(router: APIRouter, world: World, keeper: DoorKeeper) -> None:
    def in_force() -> Response:
        return answer(FaultRequest(world.venue.faults, keeper.faults).row())

    @router.get("/faults")
    async def show() -> Response:
        return in_force()

    @router.post("/faults")
    async def replace(request: Request) -> Response:
        try:
            wanted = read_faults(await request.body())
        except MalformedInputError as error:
            raise VenueError(400, str(error)) from error
        world.venue.set_faults(wanted.plan, world.now_ns())
        keeper.faults = wanted.door
        world.wake()
        return in_force()

    @router.delete("/faults")
    async def clear() -> Response:
        world.venue.set_faults(FaultPlan(), world.now_ns())
        keeper.faults = DoorFaults()
        world.wake()
        return in_force()


def _add_position_routes(router: APIRouter, world: World) -> None:
    def position(path: str, act: Callable[[str, str, int, int], PositionResult]) -> None:
        async def route(request: Request) -> Response:
            wanted = _decode(await request.body(), _Position)
            size_u6 = _parsed(parse_qty_u6, wanted.size)
            owner, market = _owner(world, wanted.owner), _market(world, wanted.market)
            result = act(owner, market, size_u6, world.now_ns())
            world.wake()
            if result.error:
                raise VenueError(400, result.error)
            return answer({"size": format_qty(result.size_u6), "cash": _signed(result.cash_u6)})

        router.add_api_route(path, route, methods=["POST"])

    position("/split", world.venue.split)
    position("/merge", world.venue.merge)
    position("/redeem", lambda owner, market, _, at_ns: world.venue.redeem(owner, market, at_ns))


def _signed(cash_u6: int) -> str:
    return format_qty(cash_u6) if cash_u6 >= 0 else f"-{format_qty(-cash_u6)}"


def _owner(world: World, key_or_address: str) -> str:
    wanted = key_or_address.lower()
    for account in world.accounts:
        if wanted in (account.owner.lower(), account.maker_address.lower()):
            return account.owner
    raise VenueError(404, "no such account")


def _market(world: World, market_or_slug: str) -> str:
    listing = world.listing_of(market_or_slug) or world.venue.listing(market_or_slug)
    if listing is None:
        raise VenueError(404, NO_MARKET)
    return listing.window.condition_id


def _parsed(parse: Callable[[str], int], text: str) -> int:
    try:
        return parse(text)
    except MalformedInputError as error:
        raise VenueError(400, str(error)) from error


def _decode(body: bytes, wanted: type[T]) -> T:
    try:
        return decode_json_as(body, wanted)
    except MalformedInputError as error:
        raise VenueError(400, str(error)) from error
