"""The network between the simulated processes and the venue: requests and sockets, with faults.

The venue's side is the simulator's own web application, called as its server would call it. What
is on its way arrives whether or not its sender still lives or waits.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from contextvars import Context
from email.utils import formatdate
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
from starlette.types import ASGIApp, Message
from websockets.exceptions import ConnectionClosedError

from pmcore.model.errors import Sent
from pmcore.model.units import NS_PER_S
from pmcore.shell.clock import real_now_ns
from pmcore.shell.http1 import Http1Answer, Http1Error, Http1Request, Http1Sender
from pmsim.faults.plan import MILLION
from pmsimulator.server import ABORT, FRAMES
from pmtools.simulate.loop import LIFE, Life, VirtualLoop

_LEAST_MS = 0.2


class PostMoment(Enum):
    """Two moments inside the POST of an order."""

    SENT = "it is on its way to the venue"
    ANSWERED = "the venue has taken it, and its answer is on its way"


class LinkFaults(msgspec.Struct, kw_only=True):
    """What happens on the way between one process and the venue; may be changed at any time.

    Delays in milliseconds, each way; chances in parts of a million of requests or frames. A
    request that is late arrives `late_ms` later than others, though its sender may have given up.
    """

    delay_ms: float = 3.0
    jitter_ms: float = 4.0
    lose_request_ppm: int = 0
    lose_answer_ppm: int = 0
    repeat_ppm: int = 0
    late_ppm: int = 0
    late_ms: float = 0.0
    refuse: bool = False
    silent_frames: bool = False
    lose_frame_ppm: int = 0
    repeat_frame_ppm: int = 0
    frame_delay_ms: float = 0.0
    edge: str = ""
    edge_ppm: int = 0


EDGE_ANSWERS: dict[str, tuple[int, dict[str, str], bytes]] = {
    "429": (429, {"retry-after": "120"}, b'{"error": "Too Many Requests"}'),
    "403": (403, {"content-type": "text/html"}, b"<html><title>Attention Required</title></html>"),
    "503": (503, {"content-type": "text/html"}, b"<html>upstream connect error</html>"),
}
"""What the edge before the venue answers by itself; the venue never sees the request."""
ACCEPTED = 202


class Network:
    """All links to the venue. `context` is the venue's: what happens there is not the sender's."""

    def __init__(
        self, loop: VirtualLoop, seed: str, context: Context, say: Callable[[str, str], None]
    ) -> None:
        self.app: ASGIApp | None = None
        self._loop = loop
        self._context = context
        self._say = say
        self._random = random.Random(f"{seed}/network")  # noqa: S311 - a simulated network
        self._faults: dict[str, LinkFaults] = {}
        self._sockets: list[_Socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.on_request: Callable[[str, httpx.Request, float], None] = lambda *_: None
        self.next_post: dict[PostMoment, Callable[[], None]] = {}
        self.on_answer: Callable[[str, httpx.Request, httpx.Response | None, float], None] = (
            lambda *_: None
        )
        self.on_frame: Callable[[str, float], None] = lambda *_: None
        self.rewrite: dict[str, Callable[[bytes], bytes]] = {}
        """By path: what becomes of the body of a good answer."""

    def faults(self, name: str) -> LinkFaults:
        """What happens on the way of one process."""
        return self._faults.setdefault(name, LinkFaults())

    def transport(self, name: str) -> httpx.AsyncBaseTransport:
        """For the HTTP clients of a process."""
        return _Transport(self, name)

    def sender(self, name: str) -> Http1Sender:
        """For the requests of the executor."""
        return _Sender(self, name)

    def connector(self, name: str) -> Callable[..., Any]:
        """For the WebSocket clients of a process, as `websockets.connect`."""

        def connect(url: str, **_: object) -> Any:
            return self._connect(name, url)

        return connect

    def cut(self, life: Life | None) -> None:
        """A process died, or its connections broke: the venue sees its sockets end."""
        for socket in [one for one in self._sockets if one.life is life]:
            socket.cut()

    def _at_post(self, moment: PostMoment, request: httpx.Request) -> None:
        if request.method == "POST" and request.url.path == "/order":
            strike = self.next_post.pop(moment, None)
            if strike is not None:
                self._say("network", f"struck inside a POST: {moment.value}")
                self._loop.call_soon(strike, context=self._context)

    def _strikes(self, ppm: int) -> bool:
        return ppm > 0 and self._random.randrange(MILLION) < ppm

    def _way_s(self, faults: LinkFaults) -> float:
        return (faults.delay_ms + _LEAST_MS + self._random.random() * faults.jitter_ms) / 1000

    def at_venue(self, delay_s: float, what: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do something at the venue after a while, whoever lives then."""

        def start() -> None:
            task = self._loop.create_task(what(), context=self._context)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        self._loop.call_later(delay_s, start, context=self._context)

    async def request(self, name: str, request: httpx.Request) -> httpx.Response:
        """One HTTP exchange."""
        body = await request.aread()
        faults, target = self.faults(name), request.url
        answer: asyncio.Future[httpx.Response] = self._loop.create_future()
        what = f"{request.method} {target.raw_path.decode()}"
        sent_s = self._loop.time()
        self.on_request(name, request, sent_s)
        self._at_post(PostMoment.SENT, request)
        if faults.refuse:
            await asyncio.sleep(self._way_s(faults))
            raise httpx.ConnectError("refused by the simulated network", request=request)

        async def carry_out() -> None:
            result = await self._reach_venue(faults, request, body)
            self._say("venue", f"{what} -> {result and result.status_code}")
            self.on_answer(name, request, result, sent_s)
            self._at_post(PostMoment.ANSWERED, request)
            if not self._strikes(faults.lose_answer_ppm):
                self._loop.call_later(self._way_s(faults), arrive, result, context=self._context)
            else:
                self._say("network", f"lost the answer to {what}")

        def arrive(result: httpx.Response | None) -> None:
            if answer.done():
                return
            if result is None:
                answer.set_exception(httpx.ReadError("connection cut", request=request))
            else:
                answer.set_result(result)

        if self._strikes(faults.lose_request_ppm):
            self._say("network", f"lost {what} of {name}")
        else:
            way_s = self._way_s(faults)
            if self._strikes(faults.late_ppm):
                self._say("network", f"{what} of {name} is {faults.late_ms:g} ms late")
                way_s += faults.late_ms / 1000
            self.at_venue(way_s, carry_out)
            if self._strikes(faults.repeat_ppm):
                self.at_venue(way_s + self._way_s(faults), carry_out)
        return await answer

    async def _reach_venue(
        self, faults: LinkFaults, request: httpx.Request, body: bytes
    ) -> httpx.Response | None:
        struck = bool(faults.edge) and self._strikes(faults.edge_ppm)
        if struck and faults.edge in EDGE_ANSWERS:
            status, headers, content = EDGE_ANSWERS[faults.edge]
            return httpx.Response(status, headers=headers, content=content, request=request)
        result = await _answer(self.app, request, body)
        if result is not None:
            result.headers["date"] = formatdate(real_now_ns() // NS_PER_S, usegmt=True)
        rewrite = self.rewrite.get(request.url.path)
        if rewrite is not None and result is not None and result.is_success:
            result = httpx.Response(
                result.status_code, content=rewrite(result.content), request=request
            )
        if struck and result is not None and result.status_code == httpx.codes.OK:
            result.status_code = ACCEPTED
        return result

    @asynccontextmanager
    async def _connect(self, name: str, url: str) -> AsyncIterator[_Socket]:
        faults = self.faults(name)
        await asyncio.sleep(self._way_s(faults))
        if faults.refuse:
            raise ConnectionRefusedError("refused by the simulated network")
        life = LIFE.get()
        socket = _Socket(self, name, urlsplit(url).path, life)
        self._sockets.append(socket)
        self.at_venue(0.0, socket.serve)
        try:
            await socket.accepted
            yield socket
        finally:
            socket.cut()

    def forget(self, socket: _Socket) -> None:
        """A socket ended at the venue."""
        if socket in self._sockets:
            self._sockets.remove(socket)

    def deliver(self, socket: _Socket, text: str) -> None:
        """A frame of the venue, on its way."""
        faults = self.faults(socket.name)
        if faults.silent_frames or self._strikes(faults.lose_frame_ppm):
            return
        times = 2 if self._strikes(faults.repeat_frame_ppm) else 1
        for _ in range(times):
            due_s = self._loop.time() + self._way_s(faults) + faults.frame_delay_ms / 1000
            socket.last_s = max(socket.last_s, due_s)
            self._loop.call_at(
                socket.last_s, self._arrive, socket, text, self._loop.time(), context=self._context
            )

    def _arrive(self, socket: _Socket, text: str, sent_s: float) -> None:
        if text != "PONG":
            self.on_frame(socket.name, sent_s)
        socket.arrive(text)


class _Transport(httpx.AsyncBaseTransport):
    def __init__(self, network: Network, name: str) -> None:
        self._network = network
        self._name = name

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._network.request(self._name, request)


class _Sender:
    """The twin of `Http1Pool`."""

    def __init__(self, network: Network, name: str) -> None:
        self._network = network
        self._name = name

    async def send(self, request: Http1Request, timeout_s: float) -> Http1Answer:
        """See `Http1Sender`."""
        method, url = request.method, f"http://venue{request.target}"
        carried = httpx.Request(method, url, headers=dict(request.headers), content=request.body)
        request.sent = Sent.UNKNOWN
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._network.request(self._name, carried)
        except httpx.ConnectError as error:
            request.sent = Sent.NO
            raise Http1Error(str(error)) from error
        except httpx.ReadError as error:
            raise Http1Error(str(error)) from error
        return Http1Answer(answer.status_code, dict(answer.headers), answer.content)

    async def close(self) -> None:
        """There is no connection."""


class _Socket:
    """Both ends of one WebSocket; a client uses it as a `ClientConnection`."""

    def __init__(self, network: Network, name: str, path: str, life: Life | None) -> None:
        self.name = name
        self.life = life
        self.last_s = 0.0
        self._network = network
        self._path = path
        loop = asyncio.get_running_loop()
        self.accepted: asyncio.Future[None] = loop.create_future()
        self._to_venue: asyncio.Queue[Message] = asyncio.Queue()
        self._to_venue.put_nowait({"type": "websocket.connect"})
        self._frames: deque[str] = deque()
        self._filled = asyncio.Event()
        self._closed = False

    # ---- the client's end

    @property
    def transport(self) -> _Socket:
        """What `abort` is called on."""
        return self

    def abort(self) -> None:
        """Drop the connection at once."""
        self.cut()

    async def send(self, text: str) -> None:
        """Send a frame to the venue."""
        if self._closed:
            raise ConnectionClosedError(None, None)
        message = {"type": "websocket.receive", "text": text}

        async def arrive() -> None:
            self._to_venue.put_nowait(message)

        self._network.at_venue(0.002, arrive)

    async def recv(self) -> str:
        """Return the next frame."""
        while not self._frames:
            if self._closed:
                raise ConnectionClosedError(None, None)
            self._filled.clear()
            await self._filled.wait()
        return self._frames.popleft()

    # ---- between the ends

    def arrive(self, text: str) -> None:
        """A frame came to the client."""
        if not self._closed:
            self._frames.append(text)
            self._filled.set()

    def cut(self) -> None:
        """End it on both sides."""
        if self._closed:
            return
        self._closed = True
        self._filled.set()
        if not self.accepted.done():
            self.accepted.set_exception(ConnectionResetError("cut by the simulated network"))
        self._to_venue.put_nowait({"type": "websocket.disconnect", "code": 1006})

    # ---- the venue's end

    async def serve(self) -> None:
        """Call the venue's application for this connection."""
        app = self._network.app
        assert app is not None
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": self._path,
            "raw_path": self._path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"venue")],
            "client": (self.name, 1),
            "server": ("venue", 80),
            "subprotocols": [],
            "state": {ABORT: self.cut},
        }
        try:
            await app(scope, self._to_venue.get, self._from_venue)
        finally:
            self.cut()
            self._network.forget(self)

    async def _from_venue(self, message: Message) -> None:
        kind = message["type"]
        if kind == "websocket.accept":
            if not self.accepted.done():
                self.accepted.set_result(None)
        elif kind == "websocket.close":
            self.cut()
        elif not self._closed:
            data = message.get(FRAMES)
            texts = [message["text"]] if data is None else _texts_of(data)
            for text in texts:
                self._network.deliver(self, text)


def _texts_of(data: bytes) -> list[str]:
    """The texts of unmasked, unfragmented server frames."""
    texts, at = [], 0
    while at < len(data):
        size, at = data[at + 1], at + 2
        extended = {126: 2, 127: 8}.get(size, 0)
        if extended:
            size, at = int.from_bytes(data[at : at + extended], "big"), at + extended
        texts.append(data[at : at + size].decode())
        at += size
    return texts


async def _answer(
    app: ASGIApp | None, request: httpx.Request, body: bytes
) -> httpx.Response | None:
    """What the venue's application answers; None when it cut the connection."""
    assert app is not None
    cut: list[bool] = []
    url = request.url
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": url.path,
        "raw_path": url.raw_path,
        "query_string": url.query,
        "root_path": "",
        "headers": [(key.lower(), value) for key, value in request.headers.raw],
        "client": ("process", 1),
        "server": ("venue", 80),
        "state": {ABORT: lambda: cut.append(True)},
    }
    sent: list[Message] = []
    parts: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return parts.pop() if parts else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    if cut or not sent:
        return None
    content = b"".join(message.get("body", b"") for message in sent[1:])
    return httpx.Response(
        sent[0]["status"], headers=sent[0].get("headers", []), content=content, request=request
    )
