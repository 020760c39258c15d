"""Serving HTTP inside a service: a socket of our own, and no signal handlers of uvicorn's.

Strangers cannot use it up: headers are bounded in size and time, and when there are too many
connections the oldest one that waits for its request makes room for the newest.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from pmcore.shell.service.errors import StartupError

MAX_CONNECTIONS = 256
MAX_HEADER_BYTES = 16_384
"""Of the headers, the path and the query."""
REQUEST_S = 5.0
"""For a whole request, its headers and its body, from the connection or the last answer on."""
ANSWER_S = 30.0
"""From there to the end of the answer; a reader that takes nothing is cut off then."""


class _Strict(h11.Connection):
    """HTTP without what costs a stranger little and us much; uvicorn answers 400 and closes.

    h11 counts headers only while they are incomplete. A body in chunks of one byte takes 30
    microseconds for each byte, before the token is looked at: so a body has a Content-Length.
    """

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        event = super().next_event()
        if isinstance(event, h11.Request):
            size = len(event.target)
            for name, value in event.headers:
                size += len(name) + len(value) + 4
                if name == b"transfer-encoding":
                    raise h11.RemoteProtocolError("a body needs a Content-Length")
            if size > MAX_HEADER_BYTES:
                raise h11.RemoteProtocolError("the headers are too long")
        return event


class BoundedProtocol(H11Protocol):
    """One connection. `room` is shared by all connections of one server, oldest first."""

    room: dict[BoundedProtocol, None]
    request_s = REQUEST_S
    answer_s = ANSWER_S

    def connection_made(  # type: ignore[override]  # uvicorn narrows it too
        self, transport: asyncio.Transport
    ) -> None:
        """Make room and start the clock."""
        super().connection_made(transport)
        self.conn = _Strict(h11.SERVER, MAX_HEADER_BYTES)
        self._since_s = self.loop.time()
        self._check = self.loop.call_later(self.request_s, self._cut_if_late)
        while len(self.room) >= MAX_CONNECTIONS:
            waiting = (one for one in self.room if one.is_waiting)
            gone = next(waiting, None) or next(iter(self.room))
            del self.room[gone]
            gone.transport.abort()
        self.room[self] = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place away."""
        self._check.cancel()
        self.room.pop(self, None)
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """The next request has its own time."""
        self._since_s = self.loop.time()
        super().on_response_complete()

    def data_received(self, data: bytes) -> None:
        """In pieces: what is too long is refused before all of it is parsed."""
        for start in range(0, len(data), MAX_HEADER_BYTES):
            if not self.transport.is_closing():
                super().data_received(data[start : start + MAX_HEADER_BYTES])

    @property
    def is_waiting(self) -> bool:
        """Whether a whole request is not there yet."""
        cycle = self.cycle
        return cycle is None or cycle.response_complete or cycle.more_body

    def _cut_if_late(self) -> None:
        allowed_s = self.request_s if self.is_waiting else self.answer_s
        if self.loop.time() - self._since_s >= allowed_s:
            self.transport.abort()
        else:
            self._check = self.loop.call_later(self.request_s / 4, self._cut_if_late)


def bounded_config(app: Any, *, request_s: float = REQUEST_S) -> uvicorn.Config:
    """How every control port is served."""
    attributes = {"room": {}, "request_s": request_s}
    return uvicorn.Config(
        app,
        http=type("Connection", (BoundedProtocol,), attributes),
        ws="none",
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=5,
    )


class QuietServer(uvicorn.Server):
    """Uvicorn without its own signal handlers: ours stop the service first."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the service."""
        yield


def listen(host: str, port: int, variable: str) -> socket.socket:
    """Return a bound socket; raise `StartupError` that names the variable of the port.

    Its protocol is named: plain asyncio sets TCP_NODELAY only on connections of a socket whose
    protocol is TCP and not 0. Without it every answer on a kept connection waits 40 ms.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise StartupError(
            f"{variable}: cannot listen on {host}:{port}: {error.strerror}"
        ) from None
    return listener
