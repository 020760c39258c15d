"""Real failures of a connection, each with its cause."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl

import pytest
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.http11 import Response

from pmcore.model.errors import Cause, TransportError
from pmcore.shell.causes import cause_of, cause_of_status
from pmcore.shell.http import JsonReader
from pmcore.shell.websocket import SocketDown, WebSocketClient
from pmtools.ports import free_port


async def cause_of_get(url: str) -> Cause:
    reader = JsonReader(url, deadline_s=0.5)
    try:
        await reader.get("/x")
    except TransportError as error:
        return error.cause
    finally:
        await reader.close()
    raise AssertionError("it answered")


async def test_a_port_where_nothing_listens() -> None:
    assert await cause_of_get(f"http://127.0.0.1:{free_port()}") is Cause.CONNECTION_REFUSED


async def test_a_name_that_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    assert await cause_of_get("http://no-such-host.invalid") is Cause.NAME_RESOLUTION


async def test_a_server_that_is_silent_and_one_that_speaks_no_tls() -> None:
    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(2)
        writer.close()

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 no\r\n\r\n")
        await writer.drain()
        writer.close()

    for handler, scheme, cause in ((silent, "http", Cause.TIMEOUT), (plain, "https", Cause.TLS)):
        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        assert await cause_of_get(f"{scheme}://127.0.0.1:{port}") is cause
        server.close()


async def test_a_socket_that_cannot_be_made_says_its_cause() -> None:
    url = f"ws://127.0.0.1:{free_port()}/ws"
    client = WebSocketClient(url, hello=lambda: "", now_ns=lambda: 1)
    task = asyncio.create_task(client.run())
    (event,) = await client.next_batch(5)
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
