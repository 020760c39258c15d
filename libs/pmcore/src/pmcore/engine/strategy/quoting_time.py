"""How long both bids of a window rested, and what kept each of them away for how long."""

from __future__ import annotations

from pmcore.engine.strategy.why import Obstacle, Why
from pmcore.model.market import Outcome


class QuotingTime:
    """Counts from the opening until everything is cancelled. Advance it before each decision."""

    def __init__(self) -> None:
        self.total_ns = 0
        self.both_rest_ns = 0
        self.by_obstacle_ns: dict[Obstacle, int] = {}
        """Of the two sides together: twice the total in sum."""
        self.idle_ns: dict[Obstacle, int] = {}
        """The same while no bid rested on either side: twice that time in sum."""
        self._last_ns: int | None = None

    @property
    def both_rest_share(self) -> float:
        """The part of the time in which both bids rested; 0 before any."""
        return self.both_rest_ns / self.total_ns if self.total_ns else 0.0

    def advance(self, at_ns: int, whys: dict[Outcome, Why], *, may_quote: bool) -> None:
        """Add the time since the last decision, whose reasons these are."""
        before_ns, self._last_ns = self._last_ns, at_ns if may_quote else None
        if before_ns is None:
            return
        passed_ns = at_ns - before_ns
        self.total_ns += passed_ns
        obstacles = [why.obstacle for why in whys.values()]
        resting = obstacles.count(Obstacle.NONE)
        if resting == len(obstacles):
            self.both_rest_ns += passed_ns
        _add(self.by_obstacle_ns, obstacles, passed_ns)
        if not resting:
            _add(self.idle_ns, obstacles, passed_ns)


def _add(totals_ns: dict[Obstacle, int], obstacles: list[Obstacle], passed_ns: int) -> None:
    for obstacle in obstacles:
        totals_ns[obstacle] = totals_ns.get(obstacle, 0) + passed_ns
