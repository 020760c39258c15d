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

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from pmcore.shell.service.errors import StartupError

MAX_CONNECTIONS = 256
MAX_HEADER_BYTES = 16_384
REQUEST_S = 5.0
"""For a whole request, its headers and its body, from the connection or the last answer on."""
ANSWER_S = 30.0
"""From there to the end of the answer; a reader that takes nothing is cut off then."""


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
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
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
