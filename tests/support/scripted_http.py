"""The other end of a connection: gives the answers of a list and keeps the requests as they came.

It knows nothing of a venue. Any method and path takes the next answer; with none left it hangs up.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl


@dataclass(frozen=True)
class Request:
    """As it came; header names are in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def line(self) -> str:
        """`GET /time`."""
        return f"{self.method} {self.path}"


class ScriptedHttp:
    """`answers` is taken from the left: status and body (bytes as they are, else as JSON).

    While `hangs` is set, requests are taken and none is answered.
    """

    def __init__(self) -> None:
        self.answers: deque[tuple[int, Any]] = deque()
        self.headers: dict[str, str] = {}
        self.requests: list[Request] = []
        self.hangs = False
        self.over = asyncio.Event()
        self.url = ""

    @property
    def lines(self) -> list[str]:
        """Method and path of every request."""
        return [request.line for request in self.requests]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await self._one(reader, writer):
                pass
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        method, target, _ = first.split(" ")
        named = (row.partition(":") for row in rest)
        headers = {name.lower(): value.strip() for name, _, value in named}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        path, _, query = target.partition("?")
        self.requests.append(Request(method, path, dict(parse_qsl(query)), headers, body))
        if self.hangs:
            await self.over.wait()
        if not self.answers:
            return False
        status, answer = self.answers.popleft()
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        lines = [f"HTTP/1.1 {status} X", f"content-length: {len(content)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + content)
        await writer.drain()
        return True


@asynccontextmanager
async def scripted_http() -> AsyncIterator[ScriptedHttp]:
    """A server on loopback."""
    scripted = ScriptedHttp()
    server = await asyncio.start_server(scripted.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    scripted.url = f"http://{host}:{port}"
    yield scripted
    scripted.over.set()
    server.close()
