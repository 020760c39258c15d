"""What happens next: actions ordered by time, then by when they were scheduled."""

from __future__ import annotations

import heapq
from collections.abc import Callable

Action = Callable[[int], None]
"""Called with the time it was scheduled for."""


class Scheduler:
    """A queue of actions over given time. Its bound is what the owner schedules."""

    def __init__(self) -> None:
        self._due: list[tuple[int, int, Action]] = []
        self._scheduled = 0

    def at(self, at_ns: int, action: Action) -> None:
        """Do something at a time."""
        self._scheduled += 1
        heapq.heappush(self._due, (at_ns, self._scheduled, action))

    def next_ns(self) -> int | None:
        """When the next action is due."""
        return self._due[0][0] if self._due else None

    def run_next(self) -> None:
        """Do the next action."""
        at_ns, _, action = heapq.heappop(self._due)
        action(at_ns)
