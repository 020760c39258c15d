"""What a process takes from the machine that it runs on: clocks, chance and connections.

Everything that makes two runs differ comes through here. Production code runs on `Machine`; the
world simulation gives each of its processes a machine of its own, with `use_machine`.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

    from pmcore.shell.http1 import Http1Sender

SocketConnector = Callable[..., AbstractAsyncContextManager[Any]]


class Machine:
    """The real one."""

    def wall_ns(self) -> int:
        """Nanoseconds since the epoch, as the system's clock shows them; it may be stepped."""
        return time.time_ns()  # noqa: TID251 - the one place that reads the clock

    def monotonic_s(self) -> float:
        """Seconds that never run backwards."""
        return time.monotonic()  # noqa: TID251 - the one place that reads the clock

    def uniform(self, low: float, high: float) -> float:
        """A number between two others, for jitter; not for secrets."""
        return random.uniform(low, high)  # noqa: S311 - jitter, not a secret

    def randbelow(self, bound: int) -> int:
        """An unpredictable integer in [0, bound)."""
        return secrets.randbelow(bound)

    def new_id(self) -> str:
        """Sixteen hex digits that no other call gives."""
        return format(self.randbelow(2**64), "016x")

    def http_transport(self) -> httpx.AsyncBaseTransport | None:
        """What HTTP clients send through; None is the network."""
        return None

    def http1_sender(self) -> Http1Sender | None:
        """What the executor's requests go through; None is an `Http1Pool`."""
        return None

    def socket_connector(self) -> SocketConnector | None:
        """What WebSocket clients connect with, as `websockets.connect`; None is that."""
        return None


_machine: ContextVar[Machine] = ContextVar("machine", default=Machine())  # noqa: B039 - stateless


def machine() -> Machine:
    """The machine of the running task."""
    return _machine.get()


def use_machine(other: Machine) -> None:
    """From now on, in this context and in the tasks that it starts."""
    _machine.set(other)
