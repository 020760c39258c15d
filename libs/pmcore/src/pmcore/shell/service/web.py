"""Serving HTTP inside a service: a socket of our own, and no signal handlers of uvicorn's."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import uvicorn

from pmcore.shell.service.errors import StartupError


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
