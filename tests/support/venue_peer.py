"""A tiny venue on loopback: JSON and WebSockets on one port; misbehaves on command."""

from __future__ import annotations

import asyncio
import http
import json
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

Params = Mapping[str, str]
Route = Callable[[Params, Mapping[str, str]], tuple[int, Any]]

WAIT_S = 30.0
"""At most: a wait ends when what it waits for is there."""


class PeerSocket:
    """One connection of the system under test."""

    def __init__(self, connection: ServerConnection, path: str) -> None:
        self.path = path
        self.received: asyncio.Queue[str] = asyncio.Queue()
        self._connection = connection

    async def hello(self) -> Any:
        async with asyncio.timeout(WAIT_S):
            return json.loads(await self.received.get())

    async def send(self, *frames: object) -> None:
        for frame in frames:
            await self._connection.send(frame if isinstance(frame, str) else json.dumps(frame))

    async def send_bytes(self, data: bytes) -> None:
        await self._connection.send(data)

    async def close(self, code: int = 1000) -> None:
        await self._connection.close(code)

    def drop(self) -> None:
        self._connection.transport.abort()

    def send_half_a_frame(self) -> None:
        """Promise 100 bytes of text, write ten, and go."""
        self._connection.transport.write(b"\x81\x64" + b'[{"market"')
        self._connection.transport.close()


class VenuePeer:
    """`routes` maps a path to a function of (query, headers) that returns (status, JSON)."""

    def __init__(self) -> None:
        self.routes: dict[str, Route] = {}
        self.requests: list[tuple[str, Params]] = []
        self.answers_ping = True
        self.refuses_sockets = False
        self._sockets: asyncio.Queue[PeerSocket] = asyncio.Queue()
        self._server: Server | None = None
        self.port = 0

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._talk, "127.0.0.1", 0, process_request=self._answer, compression=None
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def socket(self) -> PeerSocket:
        """The next connection that is made."""
        async with asyncio.timeout(WAIT_S):
            return await self._sockets.get()

    def count(self, path: str) -> int:
        return sum(1 for asked, _ in self.requests if asked == path)

    async def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        url = urlsplit(request.path)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            if self.refuses_sockets:
                return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "no")
            return None
        params = {name: values[0] for name, values in parse_qs(url.query).items()}
        self.requests.append((url.path, params))
        route = self.routes.get(url.path)
        status, body = (
            (404, {"error": "no route"})
            if route is None
            else route(params, {name.lower(): value for name, value in request.headers.raw_items()})
        )
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        headers = Headers({"Content-Type": "application/json", "Content-Length": str(len(content))})
        return Response(status, "", headers, content)

    async def _talk(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        socket = PeerSocket(connection, connection.request.path)
        self._sockets.put_nowait(socket)
        try:
            async for text in connection:
                assert isinstance(text, str)
                if text == "PING":
                    if self.answers_ping:
                        await connection.send("PONG")
                else:
                    socket.received.put_nowait(text)
        except ConnectionClosed:
            return


async def eventually(condition: Callable[[], Any], what: str) -> Any:
    """Wait until a condition holds, and return it; fail by saying what did not happen."""
    try:
        async with asyncio.timeout(WAIT_S):
            while not (value := condition()):  # noqa: ASYNC110 - any condition, not an event
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"never: {what}") from None
    return value
