"""The way of the makers' orders into a book: one after another, milliseconds apart.

A maker's requote is many orders; at the venue nearly each is an engine event of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from random import Random

from pmcore.model.check import invariant
from pmcore.model.units import NS_PER_MS
from pmsim.run.scheduler import Scheduler
from pmsim.venue.matching import BookOrder

GROUPED_PERCENT = 5
MOST_GROUPED = 4
GAP_MS = 1

Op = str | BookOrder
"""An order to place, or the id of one to cancel."""


class OrderPipe:
    """Hands `work` a few operations at a time, in order. Bounded: who is busy gets no new ones."""

    def __init__(
        self, rng: Random, schedule: Scheduler, work: Callable[[Sequence[Op], int], None]
    ) -> None:
        self._rng = rng
        self._schedule = schedule
        self._work = work
        self._ops: deque[Op] = deque()

    @property
    def busy(self) -> bool:
        """Whether operations are on their way."""
        return bool(self._ops)

    def start(self, ops: Sequence[Op], at_ns: int) -> None:
        """Let the first ones through now, and the others after them."""
        invariant(not self._ops, "a requote waits until the one before it is through")
        self._ops.extend(ops)
        self._step(at_ns)

    def _step(self, at_ns: int) -> None:
        if not self._ops:
            return
        grouped = self._rng.randrange(100) < GROUPED_PERCENT
        count = min(len(self._ops), self._rng.randint(2, MOST_GROUPED) if grouped else 1)
        self._work([self._ops.popleft() for _ in range(count)], at_ns)
        self._schedule.at(at_ns + GAP_MS * NS_PER_MS, self._step)
