"""Orders in and out: POST and DELETE, and the heartbeat (venue.md 1.5, 4 and 8)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from pmcore.model.units import NS_PER_S
from pmcore.sim.ports import CancelResult, PlaceResult
from pmsimulator.answers import VenueError, answer, not_found
from pmsimulator.credentials import Credentials
from pmsimulator.door import Door
from pmsimulator.market_routes import NO_BOOK
from pmsimulator.order_entry import (
    BAD_PAYLOAD,
    PostOrder,
    check_batch_size,
    check_order,
    decode_batch,
    decode_order,
)
from pmsimulator.world import World

MAX_CANCELS = 1_000
T = TypeVar("T")


class _OrderId(msgspec.Struct, rename={"order_id": "orderID"}):
    order_id: str


class _MarketCancel(msgspec.Struct):
    market: str = ""
    asset_id: str = ""


class _Beat(msgspec.Struct):
    heartbeat_id: str = ""


def trading_routes(world: World, door: Door) -> APIRouter:
    """Everything that changes an account's orders."""
    router = APIRouter()
    _add_order_routes(router, world, door)
    _add_cancel_routes(router, world, door)

    @router.post("/v1/heartbeats")
    async def heartbeat(request: Request) -> Response:
        credentials, body = await door.signed(request)
        beat = _decode(body, _Beat)
        reply = world.heartbeats.beat(credentials.api_key, beat.heartbeat_id, world.now_ns())
        if not reply.accepted:
            refusal = {"error_msg": "Invalid Heartbeat ID", "heartbeat_id": reply.heartbeat_id}
            raise VenueError(400, "Invalid Heartbeat ID", body=refusal)
        return answer({"heartbeat_id": reply.heartbeat_id})

    return router


def _add_order_routes(router: APIRouter, world: World, door: Door) -> None:
    @router.post("/order")
    async def post_order(request: Request) -> Response:
        credentials, body = await door.signed(request)
        result = _place(world, credentials, decode_order(body))
        if result.error:
            raise VenueError(result.http_status, result.error)
        return answer(_order_row(result))

    @router.post("/orders")
    async def post_orders(request: Request) -> Response:
        credentials, body = await door.signed(request)
        rows = []
        for post in decode_batch(body):
            try:
                rows.append(_order_row(_place(world, credentials, post)))
            except VenueError as refusal:
                rows.append(_refused_row(str(refusal)))
        return answer(rows)


def _add_cancel_routes(router: APIRouter, world: World, door: Door) -> None:
    @router.delete("/order")
    async def cancel_order(request: Request) -> Response:
        credentials, body = await door.signed(request)
        return _cancel_ids(world, credentials, [_decode(body, _OrderId).order_id])

    @router.delete("/orders")
    async def cancel_orders(request: Request) -> Response:
        credentials, body = await door.signed(request)
        order_ids = _decode(body, list[str])
        check_batch_size(len(order_ids), MAX_CANCELS)
        return _cancel_ids(world, credentials, order_ids)

    @router.delete("/cancel-all")
    async def cancel_all(request: Request) -> Response:
        credentials, _ = await door.signed(request)
        owner = credentials.api_key
        return _cancel_answer(world.act(lambda at_ns: world.venue.cancel_all(owner, at_ns)))

    @router.delete("/cancel-market-orders")
    async def cancel_market_orders(request: Request) -> Response:
        credentials, body = await door.signed(request)
        wanted = _decode(body, _MarketCancel)
        result = world.act(
            lambda at_ns: world.venue.cancel_market(
                credentials.api_key,
                at_ns,
                condition_id=wanted.market,
                token_id=wanted.asset_id,
            )
        )
        return _cancel_answer(result)


def _place(world: World, credentials: Credentials, post: PostOrder) -> PlaceResult:
    listing = world.listing_of(post.order.token_id)
    if listing is None:
        raise not_found(NO_BOOK)
    at_ns = world.now_ns()
    order = check_order(
        post,
        credentials,
        listing.window,
        chain_id=world.chain_id,
        now_s=at_ns // NS_PER_S,
    )
    world.admit(credentials, post.order.maker)
    result = world.venue.place(credentials.api_key, order, at_ns)
    world.wake()
    return result


def _order_row(result: PlaceResult) -> dict[str, object]:
    if result.error:
        return _refused_row(result.error)
    matched = result.status == "matched"
    row: dict[str, object] = {
        "success": True,
        "errorMsg": "",
        "orderID": result.order_hash,
        "status": result.status,
        "makingAmount": str(result.making_u6) if matched else "",
        "takingAmount": str(result.taking_u6) if matched else "",
    }
    if result.trade_ids:
        row["tradeIDs"] = list(result.trade_ids)
    return row


def _refused_row(text: str) -> dict[str, object]:
    return {
        "success": True,
        "errorMsg": text,
        "orderID": "",
        "status": "",
        "makingAmount": "",
        "takingAmount": "",
    }


def _cancel_ids(world: World, credentials: Credentials, order_ids: Iterable[str]) -> Response:
    ids = tuple(dict.fromkeys(order_ids))
    owner = credentials.api_key
    return _cancel_answer(world.act(lambda at_ns: world.venue.cancel(owner, ids, at_ns)))


def _cancel_answer(result: CancelResult) -> Response:
    return answer({"canceled": result.canceled, "not_canceled": dict(result.not_canceled)})


def _decode(body: bytes, wanted: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=wanted)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise VenueError(400, BAD_PAYLOAD) from error
