from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from websockets.exceptions import ConnectionClosed

from pmcore.shell import websocket
from pmcore.shell.clock import monotonic_s, real_now_ns
from pmcore.shell.service.tasks import Backoff
from pmcore.shell.websocket import (
    Frame,
    SocketAnswered,
    SocketDown,
    SocketEvent,
    SocketUp,
    WebSocketClient,
)
from support.venue_peer import VenuePeer, eventually

_HELLO = '{"type":"market"}'


@pytest.fixture
async def peer() -> AsyncIterator[VenuePeer]:
    async with VenuePeer() as peer:
        yield peer


class _Reader:
    """Reads events one by one, however they are batched."""

    def __init__(self, client: WebSocketClient) -> None:
        self._client = client
        self._events: list[SocketEvent] = []

    async def until_heard_after(self, at_s: float) -> None:
        """Until a frame came, also one that is not passed on."""
        client = vars(self._client)
        await eventually(lambda: client["_last_frame_s"] > at_s, "a frame")

    async def next(self) -> SocketEvent:
        async with asyncio.timeout(10):
            while not self._events:
                self._events = await self._client.next_batch(1.0)
        return self._events.pop(0)

    async def expect_up(self) -> None:
        while not isinstance(await self.next(), SocketUp):
            pass

    async def text(self) -> str:
        event = await self.next()
        assert isinstance(event, Frame)
        return event.text

    async def down_reason(self) -> str:
        event = await self.next()
        assert isinstance(event, SocketDown)
        return event.reason


@asynccontextmanager
async def _running(
    peer: VenuePeer, *, ping_s: float = 60.0, silence_s: float = 60.0
) -> AsyncIterator[_Reader]:
    client = WebSocketClient(
        f"{peer.ws_url}/market",
        hello=lambda: _HELLO,
        now_ns=real_now_ns,
        ping_s=ping_s,
        silence_s=silence_s,
        backoff=Backoff(first_s=0.01, most_s=0.05),
    )
    task = asyncio.create_task(client.run())
    try:
        yield _Reader(client)
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_it_says_hello_first_and_passes_frames_in_order(peer: VenuePeer) -> None:
    async with _running(peer) as reader:
        socket = await peer.socket()
        assert socket.path == "/ws/market"
        assert await socket.hello() == {"type": "market"}
        await socket.send("[]", "not json", "{}")
        await reader.expect_up()
        assert [await reader.text() for _ in range(3)] == ["[]", "not json", "{}"]


async def test_frames_that_are_there_come_as_one_batch(peer: VenuePeer) -> None:
    async with _running(peer) as reader:
        socket = await peer.socket()
        await reader.expect_up()
        before_ns = real_now_ns()
        await socket.send(*(str(number) for number in range(50)))
        frames = [await reader.next() for _ in range(50)]
        times = [frame.recv_ns for frame in frames if isinstance(frame, Frame)]
        assert before_ns <= times[0]
        assert times == sorted(times)


@pytest.mark.parametrize("misdeed", ["close", "drop", "half", "error"])
async def test_it_connects_again(peer: VenuePeer, misdeed: str) -> None:
    async with _running(peer) as reader:
        socket = await peer.socket()
        await reader.expect_up()
        match misdeed:
            case "close":
                await socket.close()
            case "error":
                await socket.close(1011)
            case "drop":
                socket.drop()
            case _:
                socket.send_half_a_frame()
        assert await reader.down_reason()
        again = await peer.socket()
        await again.hello()
        await again.send("back")
        await reader.expect_up()
        assert await reader.text() == "back"


async def test_a_refused_handshake_is_tried_again(peer: VenuePeer) -> None:
    peer.refuses_sockets = True
    async with _running(peer) as reader:
        assert "503" in await reader.down_reason()
        peer.refuses_sockets = False
        await peer.socket()
        await reader.expect_up()


async def test_pongs_keep_a_quiet_socket_and_are_not_passed_on(
    peer: VenuePeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead_s = 0.0
    monkeypatch.setattr(websocket, "monotonic_s", lambda: monotonic_s() + lead_s)
    async with _running(peer, ping_s=0.05, silence_s=60.0) as reader:
        socket = await peer.socket()
        await reader.expect_up()
        for _ in range(3):
            lead_s += 40.0
            await reader.until_heard_after(monotonic_s() + lead_s)
        await socket.send("still here")
        assert await reader.text() == "still here"


async def test_a_socket_without_any_frame_is_dropped(peer: VenuePeer) -> None:
    peer.answers_ping = False
    async with _running(peer, ping_s=0.05, silence_s=0.2) as reader:
        await peer.socket()
        await reader.expect_up()
        assert await reader.down_reason() == "no frame for 0.2 s"
        await peer.socket()


async def test_a_binary_frame_is_passed_on_as_text_for_the_parser_to_judge(peer: VenuePeer) -> None:
    async with _running(peer) as reader:
        socket = await peer.socket()
        await reader.expect_up()
        await socket.send_bytes(b"{}\xff")
        await socket.send("text")
        assert await reader.text() == "{}\N{REPLACEMENT CHARACTER}"
        assert await reader.text() == "text"


async def test_a_frame_beyond_all_measure_ends_the_connection(peer: VenuePeer) -> None:
    async with _running(peer) as reader:
        socket = await peer.socket()
        await reader.expect_up()
        await socket.send("x" * (9 * 1024 * 1024))
        assert "too big" in (await reader.down_reason()).lower()


async def test_waiting_ends_after_its_time_or_when_poked() -> None:
    client = WebSocketClient("ws://127.0.0.1:1/ws", hello=lambda: "", now_ns=real_now_ns)
    assert await client.next_batch(0.01) == []
    waiting = asyncio.create_task(client.next_batch(60))
    await asyncio.sleep(0)
    client.poke()
    assert await asyncio.wait_for(waiting, 5) == []


async def test_a_reader_that_fell_behind_gets_a_new_connection_and_an_empty_queue(
    peer: VenuePeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "MAX_QUEUED", 100)
    client = WebSocketClient(
        f"{peer.ws_url}/market",
        hello=lambda: _HELLO,
        now_ns=real_now_ns,
        backoff=Backoff(first_s=0.01, most_s=0.05),
    )
    task = asyncio.create_task(client.run())
    for _ in range(3):
        socket = await peer.socket()
        with suppress(ConnectionError, ConnectionClosed):
            await socket.send(*(str(number) for number in range(500)))
    await peer.socket()  # each time the old connection was dropped for being behind
    assert len(vars(client)["_queue"]) <= 100
    reasons = {e.reason for e in await client.next_batch(1.0) if isinstance(e, SocketDown)}
    assert reasons == {"the reader fell behind"}
    task.cancel()
    await asyncio.wait({task})


async def test_who_asks_at_once_hears_that_the_other_end_got_the_subscription() -> None:
    async with VenuePeer() as peer:
        client = WebSocketClient(
            f"{peer.ws_url}/user", hello=lambda: "{}", now_ns=lambda: 7, ask_at_once=True
        )
        running = asyncio.create_task(client.run())
        events: list[SocketEvent] = []
        async with asyncio.timeout(10):
            while not any(isinstance(one, SocketAnswered) for one in events):
                events += await client.next_batch(1.0)
        running.cancel()
        await asyncio.wait({running})
    assert events == [SocketUp(7), SocketAnswered(7)]


async def test_where_nothing_is_to_be_said_nothing_is_and_silence_is_still_noticed(
    peer: VenuePeer,
) -> None:
    client = WebSocketClient(
        f"{peer.ws_url}/market", hello=None, ping_s=None, now_ns=real_now_ns, silence_s=0.3
    )
    task = asyncio.create_task(client.run())
    try:
        socket = await peer.socket()
        reader = _Reader(client)
        await reader.expect_up()
        assert "no frame for 0.3 s" in await reader.down_reason()
        assert socket.received.empty()
    finally:
        task.cancel()
        await asyncio.wait({task})
