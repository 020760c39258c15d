"""The TCP connections that this process holds, whoever made them."""

from __future__ import annotations

import gc
import socket
from collections.abc import Iterator


def connections_at(port: int) -> Iterator[socket.socket]:
    """Open connections with this port at either end. Plain asyncio's only: uvloop hides its own."""
    for found in gc.get_objects():
        if issubclass(type(found), socket.socket) and found.fileno() != -1:
            try:
                ends = (found.getsockname(), found.getpeername())
            except OSError:
                continue
            if any(isinstance(end, tuple) and end[1] == port for end in ends):
                yield found


def delays(connection: socket.socket) -> bool:
    """Whether small packets may wait for an acknowledgement: TCP_NODELAY is not set."""
    return not connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
