"""A kept connection never takes one call's answer for another's, and repeats nothing."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis as redis_py
import uvloop
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from pmcore.messages.control import Resume
from pmcore.model.errors import TransportError
from pmcore.shell.bus.held_connection import HeldConnection
from pmcore.shell.bus.redis_bus import RedisBus
from pmcore.shell.bus.redis_client import close_client, make_client
from pmcore.wire import keys
from pmcore.wire.ports import Outgoing
from support.redis import SERVER_PARAMS

pytestmark = pytest.mark.parametrize("redis_url", SERVER_PARAMS, indirect=True)

NAME = "held"


@pytest.fixture
async def held(redis_url: str) -> AsyncIterator[HeldConnection]:
    client = make_client(redis_url, address=None, name=NAME, max_connections=1)
    yield HeldConnection(client)
    await close_client(client)


@pytest.fixture
def raw(redis_url: str) -> Iterator[Any]:
    with redis_py.Redis.from_url(redis_url) as client:
        yield client


def own_ids(raw: Any) -> list[str]:
    return [row["id"] for row in raw.client_list() if row["name"] == NAME]


async def test_one_connection_serves_all_calls(held: HeldConnection, raw: Any) -> None:
    assert await held.call("SET", "k", b"v") == b"OK"
    (first,) = own_ids(raw)
    assert await held.call("GET", "k") == b"v"
    assert await held.transaction([("INCR", "n"), ("GET", "k")]) == [1, b"v"]
    assert own_ids(raw) == [first]


async def test_an_error_inside_a_transaction_stands_in_its_place(held: HeldConnection) -> None:
    await held.call("SET", "text", "no number")
    before, error, after = await held.transaction(
        [("SET", "a", "1"), ("INCR", "text"), ("GET", "a")]
    )
    assert (before, after) == (b"OK", b"1")
    assert isinstance(error, ResponseError)


async def test_a_refused_transaction_does_nothing_and_leaves_no_answer_behind(
    held: HeldConnection,
) -> None:
    with pytest.raises(ResponseError, match="unknown command"):
        await held.transaction([("SET", "b", "1"), ("NOSUCH",), ("SET", "c", "1")])
    assert await held.call("GET", "b") is None
    assert await held.call("ECHO", "mine") == b"mine"


async def test_after_a_call_that_broke_off_the_next_answer_is_its_own(
    held: HeldConnection, raw: Any
) -> None:
    waiting = asyncio.create_task(held.call("BLPOP", "list", 5))
    while raw.info("clients")["blocked_clients"] != 1:  # noqa: ASYNC110 - the server knows
        await asyncio.sleep(0.001)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    raw.rpush("list", "for nobody")
    assert await held.call("ECHO", "mine") == b"mine"


async def test_an_end_of_the_connection_is_seen_before_the_next_call(
    held: HeldConnection, raw: Any
) -> None:
    await held.call("PING")
    (first,) = own_ids(raw)
    raw.client_kill_filter(_id=first)
    assert held._answers is not None
    while not held._answers.has_ended():  # noqa: ASYNC110 - the server closes in its own time
        await asyncio.sleep(0.001)
    assert await held.call("INCR", "once") == 1
    assert own_ids(raw) != [first]


async def test_a_connection_that_ends_inside_a_call_is_an_error_and_not_repeated(
    held: HeldConnection, raw: Any
) -> None:
    waiting = asyncio.create_task(held.call("BLPOP", "nothing", 5))
    while raw.info("clients")["blocked_clients"] != 1:  # noqa: ASYNC110 - the server knows
        await asyncio.sleep(0.001)
    raw.client_kill_filter(_id=own_ids(raw)[0])
    with pytest.raises(RedisConnectionError):
        await waiting
    assert await held.call("PING") == b"PONG"


async def test_a_released_connection_can_be_used_by_the_client(held: HeldConnection) -> None:
    await held.call("PING")
    with pytest.raises(RedisConnectionError):
        await held.client.ping()
    await held.release()
    assert await held.client.ping()
    assert await held.call("PING") == b"PONG"


@pytest.mark.parametrize("turns", range(1, 6))
async def test_a_release_that_broke_off_gives_the_place_back(
    held: HeldConnection, turns: int
) -> None:
    """The client has one place: without it a reader would never read again."""
    await held.call("PING")
    releasing = asyncio.create_task(held.release())
    for _ in range(turns):
        await asyncio.sleep(0)
    releasing.cancel()
    await asyncio.wait({releasing})
    assert await held.client.ping()
    await held.client.connection_pool.disconnect()
    assert await held.call("PING") == b"PONG"


async def test_an_error_that_its_class_cannot_read_is_an_error_all_the_same(
    redis_url: str,
) -> None:
    assert redis_url  # one server is enough; this one is ours

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(b"-MOVED\r\n" if b"BAD" in data else b"+OK\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        client = make_client(url, address=None, name=NAME, max_connections=1)
        held = HeldConnection(client)
        assert await held.call("GOOD") == b"OK"
        with pytest.raises(ResponseError, match="MOVED"):
            await held.call("BAD")
        assert await held.call("GOOD") == b"OK"
        await held.release()
        await close_client(client)


class _Proxy:
    """Passes one client on to Redis, and can reset its connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._clients: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def reset_all(self) -> None:
        """Every client gets a reset, as after a host was cut off for long."""
        for client in self._clients:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.shutdown(socket.SHUT_RD)
        self._clients.clear()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._port))
                self._clients.append(client)
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=_pump, args=ends, daemon=True).start()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    source.close()
    target.close()


def test_a_connection_that_was_reset_is_a_failure_of_the_road(redis_url: str) -> None:
    """uvloop raises `RuntimeError` for a write to it; redis-py hands that on."""
    port = urlsplit(redis_url).port
    assert port is not None
    proxy = _Proxy(port)
    url = urlsplit(redis_url)._replace(netloc=f"127.0.0.1:{proxy.port}").geturl()

    async def act() -> list[str]:
        bus = RedisBus.connect(url, source="s", run_id="r", clock_ns=time.time_ns)
        outgoing = Outgoing(keys.ctl("a"), Resume(by="b", ts_recv_ns=1))
        said = []
        for call in (lambda: bus.publish([outgoing]), lambda: bus.put(keys.halt("a"), b"x")):
            await call()
            proxy.reset_all()
            await asyncio.sleep(0.2)  # until the reset was heard
            try:
                await call()
            except TransportError as error:
                said.append(f"retryable {error.retryable}")
            await call()
        await bus.close()
        return said

    said = uvloop.run(act())
    proxy.close()
    assert set(said) <= {"retryable True"}
