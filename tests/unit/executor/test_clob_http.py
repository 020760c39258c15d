"""Requests to the CLOB: what comes back, and whether a lost one may have arrived."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from email.utils import formatdate

import pytest

from pmcore.engine.execution.io import RateHeaders
from pmcore.model.errors import Cause, Sent, TransportError
from pmcore.model.units import NS_PER_S
from pmexecutor.clob_http import ClobAnswer, ClobHttp
from support.builders import T0_NS
from support.scripted_http import ScriptedHttp, scripted_http


@pytest.fixture
async def wire() -> AsyncIterator[ScriptedHttp]:
    async with scripted_http() as scripted:
        yield scripted


async def ask(url: str) -> ClobAnswer:
    http = ClobHttp(url, lambda: T0_NS)
    try:
        return await http.request("GET", "/time", headers={"X-One": "1"}, timeout_s=30.0)
    finally:
        await http.close()


async def lost(url: str) -> TransportError:
    with pytest.raises(TransportError) as raised:
        await ask(url)
    assert raised.value.retryable
    return raised.value


@pytest.mark.parametrize(
    ("status", "ok"), [(200, True), (201, True), (299, True), (300, False), (404, False)]
)
async def test_an_answer_is_ok_below_300(wire: ScriptedHttp, status: int, ok: bool) -> None:
    wire.answers.append((status, {"a": 1}))
    answer = await ask(wire.url)
    assert answer == ClobAnswer(status, {"a": 1}, None, None)
    assert answer.ok is ok
    assert wire.requests[0].headers["x-one"] == "1"


@pytest.mark.parametrize(
    ("date", "skew_s"),
    [
        ("", None),
        ("tomorrow", None),
        (formatdate(T0_NS // NS_PER_S, usegmt=True), -0.5),
        (formatdate(T0_NS // NS_PER_S - 60, usegmt=True), 59.5),
        (formatdate(T0_NS // NS_PER_S + 60, usegmt=True), -60.5),
    ],
)
async def test_our_clock_is_compared_with_the_date_of_the_answer(
    wire: ScriptedHttp, date: str, skew_s: float | None
) -> None:
    wire.headers = {"Date": date} if date else {}
    wire.answers.append((200, {}))
    assert (await ask(wire.url)).skew_s == skew_s


async def test_what_is_not_json_comes_as_the_beginning_of_its_text(wire: ScriptedHttp) -> None:
    wire.answers.append((502, b"<html>" + b"x" * 300 + b"\xff"))
    assert (await ask(wire.url)).body == "<html>" + "x" * 194


@pytest.mark.parametrize(
    ("remaining", "reset", "rate"),
    [
        ("7", "5", RateHeaders(7, 5 * NS_PER_S)),
        ("0", "soon", RateHeaders(0, None)),
        ("many", "5", None),
    ],
)
async def test_the_headers_of_the_rate_budget_are_read(
    wire: ScriptedHttp, remaining: str, reset: str, rate: RateHeaders | None
) -> None:
    wire.headers = {
        "Retry-After": "3",
        "Poly-RateLimit-Remaining": remaining,
        "Poly-RateLimit-Reset": reset,
    }
    wire.answers.append((429, {}))
    assert await ask(wire.url) == ClobAnswer(429, {}, "3", rate)


async def test_a_request_that_nobody_answers_may_have_arrived() -> None:
    over = asyncio.Event()

    async def silent_after_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 X\r\ncontent-length: 0\r\n\r\n")
        await over.wait()
        writer.close()

    async with await asyncio.start_server(silent_after_one, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()[:2]
        http = ClobHttp(f"http://{host}:{port}", lambda: T0_NS)
        await http.request("GET", "/time", headers={}, timeout_s=30.0)  # now there is a connection
        with pytest.raises(TransportError) as raised:
            await http.request("GET", "/time", headers={}, timeout_s=0.25)
        over.set()
        await http.close()
    error = raised.value
    assert (error.sent, error.cause, error.retryable) == (Sent.UNKNOWN, Cause.TIMEOUT, True)
    assert str(error).startswith("GET /time: ")


async def test_a_connection_that_breaks_may_have_carried_it(wire: ScriptedHttp) -> None:
    error = await lost(wire.url)
    assert (error.sent, error.cause) == (Sent.UNKNOWN, Cause.CONNECTION_LOST)
    assert str(error).startswith("GET /time: the connection broke")


async def test_a_connection_that_was_refused_carried_nothing() -> None:
    async with scripted_http() as gone:
        pass
    error = await lost(gone.url)
    assert (error.sent, error.cause) == (Sent.NO, Cause.CONNECTION_REFUSED)
    assert str(error).startswith("GET /time: no connection: ConnectionRefusedError ")


async def test_the_time_is_the_one_given() -> None:
    http = ClobHttp("http://127.0.0.1:1", lambda: T0_NS)
    assert http.now_ns() == T0_NS
    await http.close()


async def test_a_connection_that_was_reset_may_have_carried_it() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        end: socket.socket = writer.get_extra_info("socket")
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()

    async with await asyncio.start_server(reset, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()[:2]
        error = await lost(f"http://{host}:{port}")
    assert (error.sent, error.cause) == (Sent.UNKNOWN, Cause.CONNECTION_LOST)
    assert "ConnectionResetError" in str(error)


async def test_a_request_without_a_body_sends_none(wire: ScriptedHttp) -> None:
    wire.answers.append((200, {}))
    await ask(wire.url)
    assert wire.requests[0].body == b""
    assert "content-length" not in wire.requests[0].headers


async def test_a_request_after_the_end_is_an_answer_that_never_left(wire: ScriptedHttp) -> None:
    http = ClobHttp(wire.url, lambda: T0_NS)
    await http.close()
    with pytest.raises(TransportError, match="the connections were closed") as raised:
        await http.request("DELETE", "/cancel-all", headers={}, timeout_s=1.0)
    assert raised.value.sent is Sent.NO
