"""No connection of ours waits for acknowledgements: TCP_NODELAY at both ends, under plain asyncio.

Nothing here measures time: the option is read from the sockets that really are connected.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from py_clob_client_v2 import ClobClient

from pmcore.shell.bus.redis_client import close_client, make_client
from pmcore.shell.control_client import open_http
from pmcore.shell.http import JsonReader
from pmcore.shell.service.web import QuietServer, listen
from pmcore.shell.websocket import WebSocketClient
from pmexecutor.clob_http import ClobHttp
from support.redis import SERVER_PARAMS
from support.running_venue import RunningVenue, synthetic_venue
from support.tcp import connections_at, delays

pytestmark = pytest.mark.connected


async def _empty(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


@asynccontextmanager
async def _served() -> AsyncIterator[int]:
    """A server on a socket of `listen`, as every service's control port is; its port."""
    listener = listen("127.0.0.1", 0, "PM_PORT")
    server = QuietServer(uvicorn.Config(_empty, lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110 - nobody tells it
        await asyncio.sleep(0)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await serving


def _both_ends(port: int) -> list[bool]:
    """Of each connection at a port that this process holds: whether it delays."""
    assert type(asyncio.get_running_loop()).__module__.startswith("asyncio"), "uvloop hides sockets"
    return [delays(connection) for connection in connections_at(port)]


async def _get_by_reader(url: str) -> Any:
    reader = JsonReader(url)
    assert (await reader.get("/")).ok
    return reader


async def _get_by_clob(url: str) -> Any:
    http = ClobHttp(url, lambda: 0)
    assert (await http.request("GET", "/", headers={}, timeout_s=5)).ok
    return http


async def _get_by_control(url: str) -> Any:
    http = open_http()
    assert (await http.get(url)).is_success
    return http


@pytest.mark.parametrize("get", [_get_by_reader, _get_by_clob, _get_by_control])
async def test_a_service_and_its_client_never_delay(get: Callable[[str], Any]) -> None:
    async with _served() as port:
        kept = await get(f"http://127.0.0.1:{port}")
        assert _both_ends(port) == [False, False]
        del kept


async def test_a_listening_socket_without_its_protocol_would_delay() -> None:
    """Why `listen` names TCP: the same server on a socket of protocol 0."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = QuietServer(uvicorn.Config(_empty, lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    port = listener.getsockname()[1]
    async with httpx.AsyncClient() as http:
        assert (await http.get(f"http://127.0.0.1:{port}")).is_success
        assert sorted(_both_ends(port)) == [False, True]
    server.should_exit = True
    await serving


async def test_the_simulators_rest_and_websockets_never_delay() -> None:
    with synthetic_venue() as venue:
        up, _ = await asyncio.to_thread(venue.tokens, venue.slug)
        client = await asyncio.to_thread(_official, venue)
        channel = WebSocketClient(
            f"ws://{venue.address}/ws/market",
            hello=lambda: f'{{"type":"market","assets_ids":["{up}"]}}',
            now_ns=lambda: 0,
        )
        running = asyncio.create_task(channel.run())
        while len(await channel.next_batch(5)) < 2:  # connected, and the first book
            pass
        ends = _both_ends(int(venue.address.rpartition(":")[2]))
        running.cancel()
        assert len(ends) >= 4, "two connections, both ends of each"
        assert not any(ends)
        del client


def _official(venue: RunningVenue) -> ClobClient:
    client = ClobClient(host=venue.url, chain_id=137)
    assert client.get_ok() == "OK"
    return client


@pytest.mark.parametrize("redis_url", SERVER_PARAMS, indirect=True)
async def test_redis_connections_never_delay(redis_url: str) -> None:
    client = make_client(redis_url, address=None, name="test", max_connections=None)
    await client.ping()
    ends = _both_ends(int(redis_url.rpartition(":")[2].partition("/")[0]))
    await close_client(client)
    assert ends
    assert not any(ends)
