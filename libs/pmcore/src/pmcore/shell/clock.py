"""The only time source of shells, real or faster than real.

`PM_CLOCK="<virtual_start_ns>,<real_start_ns>,<speed>"` puts all processes of a run into one virtual
time: `now_ns() = virtual_start + (wall - real_start) * speed`. An empty spec is wall time.
"""

from __future__ import annotations

import asyncio
from email.utils import parsedate_to_datetime

from pmcore.model.units import NS_PER_S
from pmcore.shell.machine import machine

MAX_SPEED = 10_000.0
MOST_SKEW_S = 10.0
"""Between our clock and the venue's: beyond it nothing is placed, and `pm doctor` fails."""


def ahead_of_s(date: str, asked_ns: int, answered_ns: int) -> float | None:
    """How far our wall clock is ahead of the one that wrote a Date header into an answer.

    Negative: behind. None: the header is missing or no date.
    """
    try:
        told_s = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
    return (asked_ns + answered_ns) / 2 / NS_PER_S - (told_s + 0.5)  # it is whole seconds


class Clock:
    """Virtual or wall time; `speed` is virtual seconds per real second."""

    def __init__(self, virtual_start_ns: int, real_start_ns: int, speed: float) -> None:
        if not 0 < speed <= MAX_SPEED:
            raise ValueError(f"the speed must be in (0, {MAX_SPEED:.0f}]")
        self.speed = speed
        self._virtual_start_ns = virtual_start_ns
        self._real_start_ns = real_start_ns

    @classmethod
    def from_spec(cls, spec: str) -> Clock:
        """Read PM_CLOCK; raise `ValueError` saying what is wrong."""
        if not spec:
            return cls(0, 0, 1.0)
        parts = spec.split(",")
        if len(parts) != 3:
            raise ValueError("expected <virtual_start_ns>,<real_start_ns>,<speed>")
        return cls(int(parts[0]), int(parts[1]), float(parts[2]))

    @classmethod
    def starting_at(cls, virtual_ns: int, speed: float) -> Clock:
        """Return a clock that shows `virtual_ns` now."""
        return cls(virtual_ns, real_now_ns(), speed)

    def spec(self) -> str:
        """Return what another process needs to live in the same time."""
        return f"{self._virtual_start_ns},{self._real_start_ns},{self.speed!r}"

    def now_ns(self) -> int:
        """Nanoseconds since the epoch, in this clock's time."""
        elapsed_ns = real_now_ns() - self._real_start_ns
        if self.speed != 1.0:
            elapsed_ns = int(elapsed_ns * self.speed)
        return self._virtual_start_ns + elapsed_ns

    async def sleep_ms(self, ms: float) -> None:
        """Sleep so many virtual milliseconds."""
        await asyncio.sleep(self.real_s(ms))

    async def sleep_until(self, at_ns: int) -> None:
        """Sleep until this clock shows `at_ns`, in steps, so that a stepped wall clock is seen."""
        while (left_ns := at_ns - self.now_ns()) > 0:  # noqa: ASYNC110 - waits for time itself
            await asyncio.sleep(min(self.real_s(left_ns / 1e6), 1.0))

    def real_s(self, virtual_ms: float) -> float:
        """Real seconds of a virtual duration, for time-outs of real IO."""
        return max(virtual_ms, 0.0) / 1000 / self.speed


def real_now_ns() -> int:
    """Wall time, whatever PM_CLOCK says: for run ids, signatures and expiries at the venue."""
    return machine().wall_ns()


def monotonic_s() -> float:
    """Seconds that never run backwards: for latencies and bounds of real IO."""
    return machine().monotonic_s()
