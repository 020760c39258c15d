"""Loopback ports for processes that are about to start."""

from __future__ import annotations

import socket
from contextlib import ExitStack, suppress
from random import SystemRandom

from pmtools.errors import CommandError

LOOPBACK = "127.0.0.1"
_RANGE = range(10_000, 20_000)
"""Below those that Linux (from 32768) and macOS (from 49152) give to outgoing connections unless
they are told otherwise: one of these could take a port between the look at it and the start of its
process. So is the port ten thousand above, where a node of a Redis Cluster listens too.
"""


def free_ports(count: int) -> list[int]:
    """Different ports that were free a moment ago. Another process may take one first."""
    found: list[int] = []
    with ExitStack() as stack:
        for port in SystemRandom().sample(_RANGE, len(_RANGE)):
            probe = stack.enter_context(socket.socket())
            with suppress(OSError):  # taken
                probe.bind((LOOPBACK, port))
                found.append(port)
            if len(found) == count:
                return found
    raise CommandError(f"fewer than {count} ports of {_RANGE[0]} to {_RANGE[-1]} are free")


def free_port() -> int:
    """One of them."""
    (port,) = free_ports(1)
    return port
