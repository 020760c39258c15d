"""A tap between the services and the venue, in a process of its own; it changes no byte.

`python -m pmtools.bench.wire_tap VENUE_PORT` prints its port; at SIGTERM it prints what it saw.
"""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from typing import cast

import msgspec
import uvloop

from pmcore.shell.clock import real_now_ns

_ORDER_ID = re.compile(rb'"orderID":\s*"(0x\w+)"')
_HASH = re.compile(rb'"(0x\w+)"')
_NOTED = (b"POST /order ", b"DELETE /orders ", b"DELETE /cancel-all ")


class TapRecord(msgspec.Struct):
    """Real nanoseconds: when frames were written to the feed, when requests were whole.

    `posts_ns` and `deletes_ns` by the venue's order id; of several DELETEs the first.
    """

    frames_ns: list[int] = msgspec.field(default_factory=list)
    posts_ns: dict[str, int] = msgspec.field(default_factory=dict)
    deletes_ns: dict[str, int] = msgspec.field(default_factory=dict)
    cancel_alls_ns: list[int] = msgspec.field(default_factory=list)


class _FromService(asyncio.Protocol):
    def __init__(self, seen: TapRecord, venue_port: int) -> None:
        self.seen = seen
        self.is_market = False
        self.posted_ns = 0
        self._venue_port = venue_port
        self._request = b""
        self._waiting: list[bytes] = []
        self.transport: asyncio.Transport | None = None
        self._upstream: asyncio.Transport | None = None
        self._opening: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._opening = asyncio.create_task(self._open())

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        upstream, _ = await loop.create_connection(
            lambda: _FromVenue(self), "127.0.0.1", self._venue_port
        )
        self._upstream = upstream
        for data in self._waiting:
            upstream.write(data)

    def data_received(self, data: bytes) -> None:
        now_ns = real_now_ns()
        if self._upstream is None:
            self._waiting.append(data)
        else:
            self._upstream.write(data)
        if data.startswith(b"GET /ws/"):
            self.is_market = data.startswith(b"GET /ws/market")
        elif self._request or data.startswith(_NOTED):
            self._request += data
            self._note(now_ns)

    def _note(self, now_ns: int) -> None:
        head, end, body = self._request.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if not end or len(body) < int(length or 0):
            return
        if head.startswith(b"POST"):
            self.posted_ns = now_ns
        elif head.startswith(b"DELETE /cancel-all"):
            self.seen.cancel_alls_ns.append(now_ns)
        else:
            for order_hash in _HASH.findall(body):
                self.seen.deletes_ns.setdefault(order_hash.decode(), now_ns)
        self._request = b""

    def connection_lost(self, exc: Exception | None) -> None:
        if self._upstream is not None:
            self._upstream.close()


class _FromVenue(asyncio.Protocol):
    def __init__(self, service: _FromService) -> None:
        self._service = service

    def data_received(self, data: bytes) -> None:
        service = self._service
        assert service.transport is not None
        if service.is_market:
            service.seen.frames_ns.append(real_now_ns())
        service.transport.write(data)
        if service.posted_ns and (found := _ORDER_ID.search(data)):
            service.seen.posts_ns[found[1].decode()] = service.posted_ns
            service.posted_ns = 0

    def connection_lost(self, exc: Exception | None) -> None:
        assert self._service.transport is not None
        self._service.transport.close()


async def _tap(venue_port: int) -> None:
    seen, over = TapRecord(), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, over.set)
    server = await loop.create_server(lambda: _FromService(seen, venue_port), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await over.wait()
    print(msgspec.json.encode(seen).decode(), flush=True)


if __name__ == "__main__":
    uvloop.run(_tap(int(sys.argv[1])))
