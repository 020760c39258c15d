"""A WebSocket that stays connected: back-off, text PING, watchdog, and frames in batches.

The venue's keep-alive is the text `PING` every 10 s, answered by the text `PONG` (docs/venue.md
5.1); PONGs never leave this module. No frame at all for 30 s: reconnect. These are real seconds,
also when PM_CLOCK runs faster, because the other end runs in real time too.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import NamedTuple

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from pmcore.model.errors import Cause
from pmcore.shell.causes import cause_of
from pmcore.shell.clock import monotonic_s
from pmcore.shell.machine import machine
from pmcore.shell.net import is_loopback
from pmcore.shell.service.tasks import Backoff

PING_S = 10.0
SILENCE_S = 30.0
OPEN_S = 10.0
WATCH_S = 1.0
MAX_FRAME_BYTES = 8 * 1024 * 1024
MAX_QUEUED = 50_000


class SocketUp(NamedTuple):
    """Connected, and the subscription was sent."""

    at_ns: int


class SocketAnswered(NamedTuple):
    """The other end said something, PONG included, after the subscription: it was received."""

    at_ns: int


class SocketDown(NamedTuple):
    """The connection ended or could not be made."""

    at_ns: int
    reason: str
    cause: Cause = Cause.CONNECTION_LOST


class Frame(NamedTuple):
    """A message with the time at which it was received; a binary one as the text it may be."""

    recv_ns: int
    text: str


SocketEvent = SocketUp | SocketAnswered | SocketDown | Frame


class WebSocketClient:
    """Keeps one connection; `run` in a task of its own, `next_batch` by the one consumer.

    `hello` makes the text sent first on each connection; None: nothing is sent. With `ping_s` None
    no PING is sent either, for a server with another protocol. When the consumer falls `MAX_QUEUED`
    frames behind, the connection is dropped: an old book cannot be used. With `ask_at_once` a PING
    follows `hello`, and the first frame of each connection comes after a `SocketAnswered`.
    """

    def __init__(
        self,
        url: str,
        *,
        hello: Callable[[], str] | None,
        now_ns: Callable[[], int],
        ping_s: float | None = PING_S,
        silence_s: float = SILENCE_S,
        backoff: Backoff | None = None,
        ask_at_once: bool = False,
    ) -> None:
        self.connects = 0
        self.url = url
        self._hello = hello
        self._now_ns = now_ns
        self._ping_s = ping_s
        self._silence_s = silence_s
        self._backoff = backoff or Backoff()
        self._ask_at_once = ask_at_once
        self._queue: list[SocketEvent] = []
        self._wake = asyncio.Event()
        self._last_frame_s = 0.0
        self._connection: ClientConnection | None = None
        self._drop_reason = ""
        self._cause = Cause.CONNECTION_LOST

    async def run(self) -> None:
        """Connect again and again, until cancelled."""
        while True:
            self._cause = Cause.CONNECTION_LOST
            reason = await self._connect_once()
            self._push(SocketDown(self._now_ns(), reason, self._cause))
            await asyncio.sleep(self._backoff.next_s())

    async def next_batch(self, timeout_s: float) -> list[SocketEvent]:
        """Return all that has come since the last call, or nothing after `timeout_s`."""
        if not self._queue:
            self._wake.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._wake.wait()
            except TimeoutError:
                return []
        batch, self._queue = self._queue, []
        return batch

    def poke(self) -> None:
        """Let `next_batch` return at once, though nothing may have come."""
        self._wake.set()

    def reconnect(self, reason: str) -> None:
        """Drop the present connection, if there is one; `run` makes the next."""
        if self._connection is not None:
            self._drop_reason = self._drop_reason or reason
            self._connection.transport.abort()

    async def _connect_once(self) -> str:
        self._drop_reason = ""
        try:
            async with (machine().socket_connector() or connect)(
                self.url,
                open_timeout=OPEN_S,
                close_timeout=1,
                ping_interval=None,
                max_size=MAX_FRAME_BYTES,
                max_queue=256,
                proxy=None if is_loopback(self.url) else True,
            ) as connection:
                if self._hello is not None:
                    await connection.send(self._hello())
                self._connection = connection
                self.connects += 1
                self._last_frame_s = monotonic_s()
                self._push(SocketUp(self._now_ns()))
                if self._ask_at_once:
                    await connection.send("PING")
                await self._read(connection)
        except (OSError, TimeoutError, WebSocketException) as error:
            self._cause = cause_of(error)
            return self._drop_reason or _describe(error)
        finally:
            self._connection = None
        return self._drop_reason or "closed"

    async def _read(self, connection: ClientConnection) -> None:
        watch = asyncio.create_task(self._watch(connection))
        answered = not self._ask_at_once
        try:
            while True:
                raw = await connection.recv()
                self._last_frame_s = monotonic_s()
                if not answered:
                    answered = True
                    self._push(SocketAnswered(self._now_ns()))
                if raw == "PONG":
                    continue
                self._backoff.reset()
                text = raw if isinstance(raw, str) else raw.decode(errors="replace")
                self._push(Frame(self._now_ns(), text))
                if len(self._queue) > MAX_QUEUED:
                    self._queue.clear()  # what a new connection says first stands for all of it
                    self.reconnect("the reader fell behind")
        finally:
            watch.cancel()

    async def _watch(self, connection: ClientConnection) -> None:
        ping_s = math.inf if self._ping_s is None else self._ping_s
        step_s = min(WATCH_S, ping_s, self._silence_s / 3)
        next_ping_s = monotonic_s() + ping_s
        while True:
            await asyncio.sleep(step_s)
            now_s = monotonic_s()
            if now_s - self._last_frame_s > self._silence_s:
                self.reconnect(f"no frame for {self._silence_s:g} s")
                return
            if now_s >= next_ping_s:
                next_ping_s = now_s + ping_s
                try:
                    await connection.send("PING")
                except ConnectionClosed:
                    return

    def _push(self, event: SocketEvent) -> None:
        self._queue.append(event)
        self._wake.set()


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:200].rstrip(": ")
