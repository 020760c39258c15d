"""From the call of the executor's HTTP client to the last byte of the POST at a stub venue.

The floor is a blocking socket that sends the same bytes, ready made, from the same process.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from time import perf_counter_ns

import msgspec
import uvloop

from pmcore.shell.clock import real_now_ns
from pmcore.venue.l2_auth import l2_headers
from pmexecutor.clob_http import ClobAnswer, ClobHttp
from pmexecutor.signer import OrderSigner
from pmtools.bench.figures import Measured, Round, measured
from pmtools.bench.sample_order import CREDENTIALS, KEY, TIMESTAMP_S, sign_sample
from pmtools.bench.stub_venue import StubAnswer, stub_venue

WARM_UP = 10
GAP_S = 0.002
TIMEOUT_S = 5.0

Post = Callable[[ClobHttp, bytes], Awaitable[ClobAnswer]]


def measure(rounds: int, samples: int) -> list[Measured]:
    """The HTTP client alone; the headers are ready."""
    headers = l2_headers(CREDENTIALS, TIMESTAMP_S, "POST", "/order", _body())

    def post(http: ClobHttp, body: bytes) -> Awaitable[ClobAnswer]:
        return http.request("POST", "/order", headers=headers, body=body, timeout_s=TIMEOUT_S)

    return _measure("POST call", "executor's HTTP client: call to last byte", post, rounds, samples)


def measure_signed(rounds: int, samples: int) -> list[Measured]:
    """The same, with the L2 headers, whose HMAC is over the body."""

    def post(http: ClobHttp, body: bytes) -> Awaitable[ClobAnswer]:
        return http.signed(CREDENTIALS, "POST", "/order", body=body, timeout_s=TIMEOUT_S)

    return _measure("POST call with its HMAC", "the same with the HMAC", post, rounds, samples)


def _measure(name: str, path: str, post: Post, rounds: int, samples: int) -> list[Measured]:
    with stub_venue() as port:
        found = uvloop.run(_rounds(port, post, rounds, samples))
    return [measured(name, path, "bare socket, the same bytes", found)]


async def _rounds(port: int, post: Post, rounds: int, samples: int) -> list[Round]:
    url, body = f"http://127.0.0.1:{port}", _body()
    http = ClobHttp(url, real_now_ns)
    with socket.create_connection(("127.0.0.1", port)) as bare:
        bare.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            data = await _captured(body)
            await _round(partial(post, http, body), bare, data, WARM_UP)
            return [
                await _round(partial(post, http, body), bare, data, samples) for _ in range(rounds)
            ]
        finally:
            await http.close()


async def _round(
    post: Callable[[], Awaitable[ClobAnswer]], bare: socket.socket, data: bytes, samples: int
) -> Round:
    """One request of each kind in turn, with a pause as between orders."""
    found = Round()
    for _ in range(samples):
        await asyncio.sleep(GAP_S)
        called_ns = perf_counter_ns()
        answer = await post()
        stub = msgspec.convert(answer.body, StubAnswer)
        found.path_ns.append(stub.received_ns - called_ns)
        await asyncio.sleep(GAP_S)
        called_ns = perf_counter_ns()
        bare.sendall(data)
        content = bare.recv(65_536).partition(b"\r\n\r\n")[2]
        stub = msgspec.json.decode(content, type=StubAnswer)
        found.floor_ns.append(stub.received_ns - called_ns)
    return found


async def _captured(body: bytes) -> bytes:
    """The bytes that the client sends for this order."""
    taken: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        taken.set_result(head + await reader.readexactly(len(body)))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        writer.close()

    async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        http = ClobHttp(f"http://127.0.0.1:{port}", real_now_ns)
        await http.signed(CREDENTIALS, "POST", "/order", body=body, timeout_s=TIMEOUT_S)
        await http.close()
        return await taken


def _body() -> bytes:
    return sign_sample(OrderSigner(KEY), 1).body(CREDENTIALS.api_key)
