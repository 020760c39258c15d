"""The market and the user WebSocket (docs/venue.md 5 and 6)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import msgspec
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from pmcore.model.errors import MalformedInputError
from pmcore.venue.fields import decode_json_as
from pmsimulator.answers import VenueError
from pmsimulator.credentials import KeyRing
from pmsimulator.server import abort, send_frames
from pmsimulator.subscriptions import (
    MarketSubscriber,
    Outbox,
    UserSubscriber,
)
from pmsimulator.world import World

_POLICY_VIOLATION = 1008
_MESSAGE_TOO_BIG = 1009
_TRY_AGAIN_LATER = 1013
_CLOSE_S = 1.0
_MOST_ASSETS = 2_000
_MOST_ASSETS_WITH_DUMP = 500
_LEVELS = (1, 2, 3)


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
    level: int = 2
    custom_feature_enabled: bool | None = None
    auth: _Auth | None = None


class _SendAwayError(Exception):
    """The connection is to be closed by us."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def channel_routes(world: World, keys: KeyRing) -> APIRouter:
    """`/ws/market` and `/ws/user`."""
    router = APIRouter()

    @router.websocket("/ws/market")
    async def market_channel(socket: WebSocket) -> None:
        subscriber = MarketSubscriber(world.subscriptions.new_outbox(world.now_ns()))
        world.subscriptions.add_market(subscriber)
        try:
            await _converse(
                world, socket, subscriber.outbox, lambda r: _market(world, subscriber, r)
            )
        finally:
            world.subscriptions.remove_market(subscriber)

    @router.websocket("/ws/user")
    async def user_channel(socket: WebSocket) -> None:
        outbox = world.subscriptions.new_outbox(world.now_ns())
        joined: list[UserSubscriber] = []
        try:
            await _converse(world, socket, outbox, lambda r: _user(world, keys, outbox, joined, r))
        finally:
            for subscriber in joined:
                world.subscriptions.remove_user(subscriber)

    return router


async def _converse(
    world: World,
    socket: WebSocket,
    outbox: Outbox,
    handle: Callable[[_Request], None],
) -> None:
    """Serve until the client leaves, is refused, is disconnected, or reads too slowly.

    Reading and writing are tasks of their own, so that neither waits for the other.
    """
    await socket.accept()
    reader = asyncio.create_task(_read(world, socket, outbox, handle))
    writer = asyncio.create_task(_write(socket, outbox))
    overflow = asyncio.create_task(outbox.overflow.wait())
    dropped = asyncio.create_task(outbox.dropped.wait())
    tasks: set[asyncio.Task[Any]] = {reader, writer, overflow, dropped}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if dropped in done:
            abort(socket.scope)
        elif overflow in done:
            world.subscriptions.slow_disconnects += 1
            await _close(socket, _TRY_AGAIN_LATER)
        elif reader in done:
            reader.result()
    except _SendAwayError as refusal:
        await _close(socket, refusal.code)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _read(
    world: World, socket: WebSocket, outbox: Outbox, handle: Callable[[_Request], None]
) -> None:
    while (text := await _next_text(world, socket)) is not None:
        if text == "PING":
            outbox.put_text("PONG")
            continue
        try:
            request = decode_json_as(text, _Request)
        except MalformedInputError:
            world.subscriptions.unusable_requests += 1
            continue
        handle(request)


async def _next_text(world: World, socket: WebSocket) -> str | None:
    """The next text message, None at the end. Binary messages are counted and ignored."""
    while (message := await socket.receive())["type"] == "websocket.receive":
        text: str | None = message.get("text")
        if text is not None:
            return text
        world.subscriptions.unusable_requests += 1
    return None


async def _write(socket: WebSocket, outbox: Outbox) -> None:
    with contextlib.suppress(WebSocketDisconnect):  # the reader sees the end too
        while True:
            await send_frames(socket, await outbox.take())


async def _close(socket: WebSocket, code: int) -> None:
    """Send the reason if it can still be written; returning then ends the connection."""
    with contextlib.suppress(TimeoutError, WebSocketDisconnect):
        async with asyncio.timeout(_CLOSE_S):
            await socket.close(code)


def _market(world: World, subscriber: MarketSubscriber, request: _Request) -> None:
    if request.operation == "unsubscribe":
        world.subscriptions.remove_assets(subscriber, request.assets_ids)
        return
    wants_market = request.type.lower() == "market" or request.operation == "subscribe"
    if not wants_market or request.level not in _LEVELS:
        world.subscriptions.unusable_requests += 1
        return
    asset_count = len(subscriber.asset_ids | set(request.assets_ids))
    if asset_count > _MOST_ASSETS:
        raise _SendAwayError(_MESSAGE_TOO_BIG)
    if request.custom_feature_enabled is not None:
        subscriber.custom_features = request.custom_feature_enabled
    dump = request.initial_dump and asset_count <= _MOST_ASSETS_WITH_DUMP
    world.subscribe(subscriber, request.assets_ids, dump=dump)


def _user(
    world: World,
    keys: KeyRing,
    outbox: Outbox,
    joined: list[UserSubscriber],
    request: _Request,
) -> None:
    if joined:
        subscriber = joined[0]
        if subscriber.markets is not None:
            if request.operation == "subscribe":
                if len(subscriber.markets | set(request.markets)) > _MOST_ASSETS:
                    raise _SendAwayError(_MESSAGE_TOO_BIG)
                subscriber.markets.update(request.markets)
            elif request.operation == "unsubscribe":
                subscriber.markets.difference_update(request.markets)
        return
    auth = request.auth or _Auth()
    try:
        credentials = keys.check_triple(
            auth.api_key, credential_secret=auth.secret, passphrase=auth.passphrase
        )
    except VenueError as refusal:
        raise _SendAwayError(_POLICY_VIOLATION) from refusal
    world.admit(credentials)
    subscriber = UserSubscriber(outbox, credentials.api_key, request.markets)
    joined.append(subscriber)
    world.subscriptions.add_user(subscriber)
