from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from pmcore.model.errors import TransportError
from pmcore.shell.http import JsonReader
from support.venue_peer import VenuePeer


@pytest.fixture
async def peer() -> AsyncIterator[VenuePeer]:
    async with VenuePeer() as peer:
        yield peer


@pytest.fixture
async def reader(peer: VenuePeer) -> AsyncIterator[JsonReader]:
    reader = JsonReader(peer.http_url)
    yield reader
    await reader.close()


async def test_it_reads_json_with_query_and_headers(peer: VenuePeer, reader: JsonReader) -> None:
    peer.routes["/book"] = lambda params, headers: (200, [params["token_id"], headers["poly_key"]])
    answer = await reader.get("/book", {"token_id": "7"}, {"POLY_KEY": "k"})
    assert answer.ok
    assert answer.body == ["7", "k"]


async def test_an_error_answer_is_an_answer(peer: VenuePeer, reader: JsonReader) -> None:
    peer.routes["/book"] = lambda *_: (404, {"error": "No orderbook exists"})
    peer.routes["/text"] = lambda *_: (500, "<html>")
    answer = await reader.get("/book")
    assert (answer.status, answer.body) == (404, {"error": "No orderbook exists"})
    assert (await reader.get("/text")).body == "<html>"


async def test_success_that_is_not_json_is_a_failure_of_the_road(
    peer: VenuePeer, reader: JsonReader
) -> None:
    peer.routes["/book"] = lambda *_: (200, "<html>")
    with pytest.raises(TransportError, match="not JSON"):
        await reader.get("/book")


async def test_a_host_that_is_not_there_is_a_failure_of_the_road() -> None:
    reader = JsonReader("http://127.0.0.1:1")
    with pytest.raises(TransportError) as failure:
        await reader.get("/book")
    assert failure.value.retryable
    await reader.close()


async def test_a_host_that_hangs_meets_the_deadline() -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader = JsonReader(f"http://127.0.0.1:{port}", deadline_s=0.1)
    with pytest.raises(TransportError, match="no answer in"):
        await reader.get("/book")
    await reader.close()
    server.close()
