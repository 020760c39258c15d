"""The market and the user WebSocket (venue.md chapters 5 and 6)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from pmsimulator.answers import VenueError
from pmsimulator.credentials import KeyRing
from pmsimulator.subscriptions import (
    MarketSubscriber,
    Outbox,
    SlowSubscriberError,
    UserSubscriber,
)
from pmsimulator.world import World

_POLICY_VIOLATION = 1008
_MESSAGE_TOO_BIG = 1009
_TRY_AGAIN_LATER = 1013
_MOST_ASSETS = 2_000
_MOST_ASSETS_WITH_DUMP = 500


class _Auth(msgspec.Struct, rename={"api_key": "apiKey"}):
    api_key: str = ""
    secret: str = ""
    passphrase: str = ""


class _Request(msgspec.Struct):
    """The first message (`type`) and the later ones (`operation`) of both channels."""

    type: str = ""
    operation: str = ""
    assets_ids: list[str] = []
    markets: list[str] = []
    initial_dump: bool = True
    custom_feature_enabled: bool | None = None
    auth: _Auth | None = None


def channel_routes(world: World, keys: KeyRing) -> APIRouter:
    """`/ws/market` and `/ws/user`."""
    router = APIRouter()

    @router.websocket("/ws/market")
    async def market_channel(socket: WebSocket) -> None:
        subscriber = MarketSubscriber(world.subscriptions.new_outbox())
        try:
            await _converse(
                world, socket, subscriber.outbox, lambda r: _market(world, socket, subscriber, r)
            )
        finally:
            world.subscriptions.remove_assets(subscriber, subscriber.asset_ids)

    @router.websocket("/ws/user")
    async def user_channel(socket: WebSocket) -> None:
        outbox = world.subscriptions.new_outbox()
        joined: list[UserSubscriber] = []
        try:
            await _converse(
                world, socket, outbox, lambda r: _user(world, keys, socket, outbox, joined, r)
            )
        finally:
            for subscriber in joined:
                world.subscriptions.remove_user(subscriber)

    return router


async def _converse(
    world: World,
    socket: WebSocket,
    outbox: Outbox,
    handle: Callable[[_Request], Awaitable[None]],
) -> None:
    """Read until the client leaves; a second task writes, so that neither waits for the other."""
    await socket.accept()
    writer = asyncio.create_task(_write(world, socket, outbox))
    try:
        async for text in socket.iter_text():
            if text == "PING":
                outbox.put("PONG")
                continue
            try:
                request = msgspec.json.decode(text, type=_Request)
            except (msgspec.DecodeError, UnicodeDecodeError):
                world.subscriptions.unusable_requests += 1
                continue
            await handle(request)
    finally:
        writer.cancel()
        await asyncio.wait({writer})


async def _write(world: World, socket: WebSocket, outbox: Outbox) -> None:
    try:
        while True:
            for text in await outbox.take():
                await socket.send_text(text)
    except SlowSubscriberError:
        world.subscriptions.slow_disconnects += 1
        await socket.close(_TRY_AGAIN_LATER)
    except (WebSocketDisconnect, RuntimeError):
        return  # the reader sees the end too; starlette says RuntimeError once it is closed


async def _market(
    world: World, socket: WebSocket, subscriber: MarketSubscriber, request: _Request
) -> None:
    if request.operation == "unsubscribe":
        world.subscriptions.remove_assets(subscriber, request.assets_ids)
        return
    if request.type.lower() != "market" and request.operation != "subscribe":
        world.subscriptions.unusable_requests += 1
        return
    if len(request.assets_ids) > _MOST_ASSETS:
        await socket.close(_MESSAGE_TOO_BIG)
        return
    if request.custom_feature_enabled is not None:
        subscriber.custom_features = request.custom_feature_enabled
    asset_count = len(subscriber.asset_ids | set(request.assets_ids))
    dump = request.initial_dump and asset_count <= _MOST_ASSETS_WITH_DUMP
    world.subscribe(subscriber, request.assets_ids, dump=dump)


async def _user(
    world: World,
    keys: KeyRing,
    socket: WebSocket,
    outbox: Outbox,
    joined: list[UserSubscriber],
    request: _Request,
) -> None:
    if joined:
        subscriber = joined[0]
        if subscriber.markets is not None:
            if request.operation == "subscribe":
                subscriber.markets.update(request.markets)
            elif request.operation == "unsubscribe":
                subscriber.markets.difference_update(request.markets)
        return
    auth = request.auth or _Auth()
    try:
        credentials = keys.check_triple(
            auth.api_key, credential_secret=auth.secret, passphrase=auth.passphrase
        )
    except VenueError:
        await socket.close(_POLICY_VIOLATION)
        return
    world.admit(credentials)
    subscriber = UserSubscriber(outbox, credentials.api_key, request.markets)
    joined.append(subscriber)
    world.subscriptions.add_user(subscriber)
