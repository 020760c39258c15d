"""The machine of one simulated process: its clock, its chance, and the network it is on."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx

from pmcore.model.units import NS_PER_S
from pmcore.shell.machine import Machine, SocketConnector
from pmsim.faults.plan import MILLION

if TYPE_CHECKING:
    from pmcore.shell.http1 import Http1Sender
    from pmtools.simulate.network import Network


class SimulatedMachine(Machine):
    """`offset_ns` steps the wall clock, `drift_ppm` lets it run fast; monotonic time is true."""

    def __init__(
        self, name: str, loop_time_s: Callable[[], float], start_ns: int, seed: str
    ) -> None:
        self.name = name
        self.offset_ns = 0
        self.network: Network | None = None
        self._drift_ppm = 0
        self._loop_time_s = loop_time_s
        self._start_ns = start_ns
        self._random = random.Random(f"{seed}/{name}")  # noqa: S311 - a simulated machine

    @property
    def drift_ppm(self) -> int:
        """How many millionths too fast the wall clock runs."""
        return self._drift_ppm

    @drift_ppm.setter
    def drift_ppm(self, ppm: int) -> None:
        before_ns = self.wall_ns()
        self._drift_ppm = ppm
        self.offset_ns += before_ns - self.wall_ns()

    def true_ns(self) -> int:
        """The true time, which no process of the system sees."""
        return self._start_ns + round(self._loop_time_s() * NS_PER_S)

    def wall_ns(self) -> int:
        """See `Machine`."""
        elapsed_ns = self.true_ns() - self._start_ns
        drift_ns = elapsed_ns * self._drift_ppm // MILLION
        return self._start_ns + elapsed_ns + drift_ns + self.offset_ns

    def monotonic_s(self) -> float:
        """See `Machine`."""
        return self._loop_time_s()

    def uniform(self, low: float, high: float) -> float:
        """See `Machine`."""
        return self._random.uniform(low, high)

    def randbelow(self, bound: int) -> int:
        """See `Machine`."""
        return self._random.randrange(bound)

    def http_transport(self) -> httpx.AsyncBaseTransport | None:
        """See `Machine`."""
        return self.network.transport(self.name) if self.network else None

    def http1_sender(self) -> Http1Sender | None:
        """See `Machine`."""
        return self.network.sender(self.name) if self.network else None

    def socket_connector(self) -> SocketConnector | None:
        """See `Machine`."""
        return self.network.connector(self.name) if self.network else None
