"""A stub of the venue in a process of its own: takes any request and says when its last byte came.

`python -m pmtools.bench.stub_venue` prints its port. It knows no orders and checks nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter_ns
from typing import cast

import msgspec
import uvloop

from pmtools.processes import start_module

_HEAD = (
    b"HTTP/1.1 200 OK\r\nDate: Fri, 27 Nov 2026 01:00:00 GMT\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
)
_ORDER_ID = "0x" + "ab" * 32


class StubAnswer(msgspec.Struct):
    """The fields of an accepted order, and when its last byte came, by the machine's own clock."""

    received_ns: int
    success: bool = True
    errorMsg: str = ""
    orderID: str = _ORDER_ID
    status: str = "live"


class _Exchanges(asyncio.Protocol):
    def __init__(self) -> None:
        self._data = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        now_ns = perf_counter_ns()
        self._data += data
        head, end, rest = self._data.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if not end or len(rest) < int(length or 0):
            return
        self._data = b""
        answer = msgspec.json.encode(StubAnswer(received_ns=now_ns))
        assert self._transport is not None
        self._transport.write(_HEAD % len(answer) + answer)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Exchanges, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def stub_venue() -> Iterator[int]:
    """Run one; its port."""
    with start_module("pmtools.bench.stub_venue") as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


if __name__ == "__main__":
    uvloop.run(_serve())
