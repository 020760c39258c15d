"""Real failures of a connection, each with its cause."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Iterator

import pytest
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.http11 import Response

from pmcore.model.errors import Cause, TransportError
from pmcore.shell.causes import cause_of, cause_of_status
from pmcore.shell.http import JsonReader
from pmcore.shell.websocket import SocketDown, WebSocketClient


async def cause_of_get(url: str, deadline_s: float = 30.0) -> Cause:
    reader = JsonReader(url, deadline_s=deadline_s)
    try:
        await reader.get("/x")
    except TransportError as error:
        return error.cause
    finally:
        await reader.close()
    raise AssertionError("it answered")


@pytest.fixture
def refusing() -> Iterator[str]:
    """An address that is taken, so that nobody else comes to listen there, and does not listen."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


async def test_a_port_where_nothing_listens(refusing: str) -> None:
    assert await cause_of_get(f"http://{refusing}") is Cause.CONNECTION_REFUSED


async def test_a_name_that_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    assert await cause_of_get("http://no-such-host.invalid") is Cause.NAME_RESOLUTION


async def test_a_server_that_is_silent() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until it is given up
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await cause_of_get(f"http://127.0.0.1:{port}", 0.1) is Cause.TIMEOUT


async def test_a_server_that_speaks_no_tls() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 no\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await cause_of_get(f"https://127.0.0.1:{port}") is Cause.TLS


async def test_a_socket_that_cannot_be_made_says_its_cause(refusing: str) -> None:
    client = WebSocketClient(f"ws://{refusing}/ws", hello=lambda: "", now_ns=lambda: 1)
    task = asyncio.create_task(client.run())
    (event,) = await client.next_batch(30)
    task.cancel()
    assert isinstance(event, SocketDown)
    assert event.cause is Cause.CONNECTION_REFUSED


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (OSError(errno.ENETUNREACH, "no route"), Cause.UNREACHABLE),
        (ssl.SSLCertVerificationError("self-signed"), Cause.TLS),
        (TimeoutError(), Cause.TIMEOUT),
        (InvalidStatus(Response(403, "Forbidden", Headers(), b"")), Cause.BLOCKED),
        (ExceptionGroup("all", [ConnectionRefusedError()]), Cause.CONNECTION_REFUSED),
        (ConnectionResetError(), Cause.CONNECTION_LOST),
    ],
)
def test_errors_by_their_kind(error: BaseException, cause: Cause) -> None:
    assert cause_of(error) is cause


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (403, Cause.BLOCKED),
        (451, Cause.BLOCKED),
        (401, Cause.AUTH),
        (429, Cause.RATE_LIMITED),
        (502, Cause.SERVER_ERROR),
    ],
)
def test_statuses(status: int, cause: Cause) -> None:
    assert cause_of_status(status) is cause
