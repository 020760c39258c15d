"""HTTP/1.1 to one host: each request is one write on a kept connection, and none is repeated.

llhttp reads the answers (`httptools`). Connections and pool are ours, because each maintained
client takes five times or more as long as a bare socket (docs/decisions/0017-http-client.md).
"""

from __future__ import annotations

import asyncio
import select
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httptools

from pmcore.model.check import invariant
from pmcore.model.errors import Sent
from pmcore.shell.machine import machine
from pmcore.shell.net import is_loopback
from pmcore.shell.service.errors import StartupError

MAX_CONNECTIONS = 64
KEEP_ALIVE_S = 30.0
MAX_ANSWER_BYTES = 32 * 1024 * 1024
_PORTS = {"http": 80, "https": 443}
_NO_BODY = frozenset({204, 304})
_FIRST_FINAL = 200


class Http1Error(Exception):
    """There was no answer. What led to it is its cause; the request says whether it was sent."""


@dataclass(slots=True)
class Http1Request:
    """`target` is path and query. `sent` is kept by the sender: unknown from the first byte on."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""
    sent: Sent = Sent.NO


class Http1Answer(NamedTuple):
    """Names of headers are in lower case; of several with one name, the last."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Http1Sender(Protocol):
    """What sends requests: `Http1Pool`, or its twin in the simulated world."""

    async def send(self, request: Http1Request, timeout_s: float) -> Http1Answer:
        """Any answer; raise `TimeoutError` or `Http1Error` where there was none."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class Http1Pool:
    """Connections to one host. A request waits while `most_connections` of them are busy."""

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        *,
        most_connections: int = MAX_CONNECTIONS,
        keep_alive_s: float = KEEP_ALIVE_S,
    ) -> None:
        refuse_proxy(base_url)
        parts = urlsplit(base_url)
        invariant(parts.scheme in _PORTS and bool(parts.hostname), f"not a web address: {base_url}")
        self._host = parts.hostname or ""
        self._port = parts.port or _PORTS[parts.scheme]
        self._tls = _tls() if parts.scheme == "https" else None
        self._prefix = parts.path.rstrip("/")
        all_headers = {"Host": parts.netloc.rpartition("@")[2], **headers}
        self._headers = [f"{name}: {value}" for name, value in all_headers.items()]
        self._keep_alive_s = keep_alive_s
        self._places = asyncio.Semaphore(most_connections)
        self._idle: list[_Http1Connection] = []
        self._busy: list[_Http1Connection] = []

    async def send(self, request: Http1Request, timeout_s: float) -> Http1Answer:
        """See `Http1Sender`. Where nothing has to be waited for, timers start after the write."""
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        data = self._encode(request)
        if self._places.locked():
            async with asyncio.timeout_at(deadline_s):
                await self._places.acquire()
        else:
            await self._places.acquire()
        try:
            connection = self._take_idle()
            if connection is None:
                async with asyncio.timeout_at(deadline_s):
                    connection = await self._connect()
            return await self._exchange(connection, request, data, deadline_s)
        finally:
            self._places.release()

    async def _exchange(
        self, connection: _Http1Connection, request: Http1Request, data: bytes, deadline_s: float
    ) -> Http1Answer:
        self._busy.append(connection)
        try:
            answer = connection.begin(request, data)
            async with asyncio.timeout_at(deadline_s):
                return await answer
        finally:
            self._busy.remove(connection)
            if connection.idle:
                self._idle.append(connection)
            else:
                connection.abort()

    async def close(self) -> None:
        """Close the connections; who waits for an answer has none."""
        for connection in [*self._idle, *self._busy]:
            connection.abort()
        self._idle.clear()
        await asyncio.sleep(0)  # the loop closes them in its next round

    def _take_idle(self) -> _Http1Connection | None:
        """The one that was used last. What is old, or was closed by the server, is dropped."""
        oldest_s = machine().monotonic_s() - self._keep_alive_s
        while self._idle:
            connection = self._idle.pop()
            if connection.used_s >= oldest_s and not connection.has_ended():
                return connection
            connection.abort()
        return None

    async def _connect(self) -> _Http1Connection:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(
                _Http1Connection, self._host, self._port, ssl=self._tls
            )
        except (OSError, UnicodeError) as error:
            raise Http1Error(f"no connection: {type(error).__name__} {error}".rstrip()) from error
        return connection

    def _encode(self, request: Http1Request) -> bytes:
        target = self._prefix + request.target
        lines = [f"{request.method} {target} HTTP/1.1", *self._headers]
        lines += [f"{name}: {value}" for name, value in request.headers.items()]
        if request.body or request.method == "POST":
            lines.append(f"Content-Length: {len(request.body)}")
        text = "\r\n".join(lines)
        if " " in target or not text.isascii() or not "".join(lines).isprintable():
            raise Http1Error("a header or the path has a character that may not be sent")
        return f"{text}\r\n\r\n".encode() + request.body


class _Http1Connection(asyncio.Protocol):
    """One exchange after the other. It is idle when the last one has come to its whole end."""

    def __init__(self) -> None:
        self.idle = True
        self.used_s = machine().monotonic_s()
        self._transport: asyncio.Transport | None = None
        self._waiting = select.poll()
        self._answer: asyncio.Future[Http1Answer] | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._headers: dict[str, str] = {}
        self._content = bytearray()
        self._left_bytes = 0
        self._ends_with_connection = False

    def begin(self, request: Http1Request, data: bytes) -> asyncio.Future[Http1Answer]:
        """Write a request; its answer comes later."""
        assert self._transport is not None
        self.idle = False
        if self._transport.is_closing():
            raise Http1Error("the server closed the connection")
        self._answer = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._left_bytes = MAX_ANSWER_BYTES
        self._begin()
        request.sent = Sent.UNKNOWN
        self._transport.write(data)
        return self._answer

    def has_ended(self) -> bool:
        """Whether the server closed it, or said what nobody asked for; also if not yet read."""
        assert self._transport is not None
        return self._transport.is_closing() or bool(self._waiting.poll(0))

    def abort(self) -> None:
        """Close it now. Who waits for an answer has none."""
        self.idle = False
        assert self._transport is not None
        self._transport.abort()

    # ---- called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is connected, with TLS where it is asked for."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are of no common class
        self._waiting.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        """A part of an answer."""
        if self._answer is None or self._answer.done() or self._parser is None:
            self.abort()
            return
        self._left_bytes -= len(data)
        if self._left_bytes < 0:
            self._fail(f"more than {MAX_ANSWER_BYTES} bytes")
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"not an answer in HTTP: {type(error).__name__} {error}", error)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed, by whomever."""
        if self._answer is None or self._answer.done():
            self.idle = False
        elif exc is None and self._ends_with_connection and self._parser is not None:
            self._finish(self._parser.get_status_code())
        else:
            what = f"{type(exc).__name__} {exc}".rstrip() if exc else "closed before the answer"
            self._fail(f"the connection broke: {what}", exc)

    # ---- called by the parser

    def on_message_begin(self) -> None:
        """Data behind an answer belong to nobody."""
        if self._answer is not None and self._answer.done():
            self.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, whole."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Without a length and without chunks, the end of the connection is the body's end."""
        assert self._parser is not None
        coding = self._headers.get("transfer-encoding", "").lower()
        measured = "content-length" in self._headers or coding.endswith("chunked")
        status = self._parser.get_status_code()
        self._ends_with_connection = not measured and status not in _NO_BODY

    def on_body(self, body: bytes) -> None:
        """A part of the body, without the marks of its chunks."""
        self._content += body

    def on_message_complete(self) -> None:
        """An answer has ended. One below 200 only announces the next."""
        assert self._parser is not None
        if (status := self._parser.get_status_code()) >= _FIRST_FINAL:
            self._finish(status, keep=self._parser.should_keep_alive())
        else:
            self._begin()

    # ----

    def _begin(self) -> None:
        self._headers = {}
        self._content = bytearray()
        self._ends_with_connection = False

    def _finish(self, status: int, *, keep: bool = False) -> None:
        assert self._transport is not None
        if self._answer is None or self._answer.done():
            return
        self._answer.set_result(Http1Answer(status, self._headers, bytes(self._content)))
        unsent = self._transport.get_write_buffer_size() > 0
        self.idle = keep and not unsent and not self._transport.is_closing()
        self.used_s = machine().monotonic_s()

    def _fail(self, text: str, cause: BaseException | None = None) -> None:
        assert self._answer is not None
        if not self._answer.done():
            error = Http1Error(text)
            error.__cause__ = cause
            self._answer.set_exception(error)
        self.abort()


def refuse_proxy(url: str) -> None:
    """Raise `StartupError` when the environment names a proxy for a URL: requests go directly."""
    parts = urlsplit(url)
    proxies = getproxies()
    used = proxies.get(parts.scheme) or proxies.get("all")
    if used and not is_loopback(url) and not proxy_bypass(parts.netloc.rpartition("@")[2]):
        raise StartupError(
            f"the environment names a proxy for {parts.scheme}:// (HTTPS_PROXY, HTTP_PROXY or "
            f"ALL_PROXY), and orders do not go through one: name {parts.hostname} in NO_PROXY"
        )


def _tls() -> ssl.SSLContext:
    """The system's authorities, or those of SSL_CERT_FILE and SSL_CERT_DIR."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
