"""The control port of a service against strangers, with real sockets."""

# ruff: noqa: ASYNC110 - what is waited for is a state of uvicorn's, not an event

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Request

from pmcore.shell.service import web
from pmcore.shell.service.guard import MAX_BODY_BYTES, Guard
from pmcore.shell.service.web import MAX_CONNECTIONS, QuietServer, bounded_config, listen

_KILL = b"POST /kill HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer right\r\n"
_STRANGER = b"POST /kill HTTP/1.1\r\nHost: x\r\n"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Port:
    def __init__(self, port: int, bodies: list[int], config: uvicorn.Config) -> None:
        self.port, self.bodies, self.config = port, bodies, config

    async def open(self) -> Streams:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(self, request: bytes) -> bytes:
        """The status line."""
        reader, writer = await self.open()
        writer.write(request)
        line = await reader.readline()
        writer.close()
        return line.strip()

    @property
    def room(self) -> Any:
        protocol: Any = self.config.http_protocol_class
        return protocol.room


@asynccontextmanager
async def _served(*, request_s: float = web.REQUEST_S) -> AsyncIterator[_Port]:
    app = FastAPI()
    app.add_middleware(Guard, token="right")
    bodies: list[int] = []

    @app.post("/kill")
    async def kill(request: Request) -> dict[str, str]:
        bodies.append(len(await request.body()))
        return {}

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {}

    with listen("127.0.0.1", 0, "PM_HTTP_PORT") as listener:
        config = bounded_config(app, request_s=request_s)
        server = QuietServer(config)
        task = asyncio.ensure_future(server.serve(sockets=[listener]))
        async with asyncio.timeout(30):
            while not server.started:
                await asyncio.sleep(0.001)
        try:
            yield _Port(listener.getsockname()[1], bodies, config)
        finally:
            server.should_exit = server.force_exit = True
            await task


@pytest.mark.parametrize("begun", [b"", _STRANGER, _STRANGER + b"Content-Length: 9\r\n\r\n{"])
@pytest.mark.parametrize("count", [70, MAX_CONNECTIONS + 20])
async def test_connections_that_send_nothing_leave_room_for_a_kill(
    begun: bytes, count: int
) -> None:
    async with _served() as port:
        strangers = [await port.open() for _ in range(count)]
        for _, writer in strangers:
            writer.write(begun)
        assert await port.ask(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") == b"HTTP/1.1 200 OK"
        assert await port.ask(_KILL + b"\r\n") == b"HTTP/1.1 200 OK"
        assert len(port.room) <= MAX_CONNECTIONS
        for _, writer in strangers:
            writer.transport.abort()


async def test_without_a_token_nothing_of_a_body_is_read() -> None:
    async with _served() as port:
        line = await port.ask(_STRANGER + b"Content-Length: 400000000\r\n\r\n")
        assert line == b"HTTP/1.1 401 Unauthorized"
        reader, writer = await port.open()
        writer.write(_STRANGER + b"Content-Length: 400000000\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 401")  # to the end: it closes
        writer.close()
        assert port.bodies == []


@pytest.mark.parametrize("path", [b"POST /kill", b"GET /healthz"])
async def test_a_large_body_is_refused_before_it_is_read(path: bytes) -> None:
    async with _served() as port:
        head = path + b" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer right\r\n"
        line = await port.ask(head + b"Content-Length: 400000000\r\n\r\n")
        assert line.startswith(b"HTTP/1.1 413")
        assert port.bodies == []


@pytest.mark.parametrize("head", [_STRANGER, _KILL, b"GET /healthz HTTP/1.1\r\nHost: x\r\n"])
async def test_a_body_in_chunks_is_refused_before_one_is_parsed(head: bytes) -> None:
    """300 connections with 90 KB of chunks of one byte kept the loop busy for 77 s."""
    async with _served() as port:
        reader, writer = await port.open()
        writer.write(head + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n{\r\n" * 2_000)
        assert (await reader.readline()).startswith(b"HTTP/1.1 400")
        writer.close()
        assert port.bodies == []


async def test_a_body_of_the_allowed_size_arrives() -> None:
    async with _served() as port:
        body = b" " * MAX_BODY_BYTES
        head = _KILL + b"Content-Length: %d\r\n\r\n" % len(body)
        assert await port.ask(head + body) == b"HTTP/1.1 200 OK"
        assert port.bodies == [MAX_BODY_BYTES]


@pytest.mark.parametrize(
    "flood",
    [b"X: " + b"y" * web.MAX_HEADER_BYTES, b"a: b\r\n" * 4_000, b"X: " + b"y" * 60_000],
)
@pytest.mark.parametrize("begun", [_STRANGER, _KILL, b"GET /healthz HTTP/1.1\r\nHost: x\r\n"])
async def test_headers_that_come_in_one_piece_are_bounded_too(begun: bytes, flood: bytes) -> None:
    async with _served() as port:
        line = await port.ask(begun + flood.removesuffix(b"\r\n") + b"\r\n\r\n")
        assert line.startswith(b"HTTP/1.1 400")
        query = b"GET /healthz?" + b"q" * web.MAX_HEADER_BYTES
        line = await port.ask(query + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert line.startswith(b"HTTP/1.1 400")
        assert port.bodies == []


async def test_headers_are_bounded() -> None:
    async with _served() as port:
        line = await port.ask(_STRANGER + b"X: " + b"y" * 2 * web.MAX_HEADER_BYTES)
        assert line.startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        _STRANGER,
        _KILL + b"Content-Length: 9\r\n\r\n{",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nG",
    ],
)
async def test_a_request_that_never_ends_is_cut_off(sent: bytes) -> None:
    async with _served(request_s=0.05) as port:
        reader, writer = await port.open()
        writer.write(sent)
        async with asyncio.timeout(30):
            try:
                while await reader.read(1_000):
                    pass
            except ConnectionResetError:
                pass
        writer.close()
        assert port.bodies == []


async def test_a_reader_that_takes_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web.BoundedProtocol, "answer_s", 0.1)
    async with _served(request_s=0.05) as port:
        protocol: Any = port.config.http_protocol_class
        monkeypatch.setattr(protocol, "is_waiting", property(lambda _self: False))
        with socket.create_connection(("127.0.0.1", port.port)):
            async with asyncio.timeout(30):
                while not port.room:
                    await asyncio.sleep(0.01)
                while port.room:
                    await asyncio.sleep(0.01)


async def test_when_all_are_busy_the_oldest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "MAX_CONNECTIONS", 2)
    async with _served() as port:
        protocol: Any = port.config.http_protocol_class
        monkeypatch.setattr(protocol, "is_waiting", property(lambda _self: False))
        streams = [await port.open() for _ in range(3)]
        async with asyncio.timeout(30):
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await streams[0][0].readexactly(1)
        for _, writer in streams:
            writer.close()
