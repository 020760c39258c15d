"""When the crowd of one window acts: requotes, noise, informed takers, bursts and sweeps.

Owns the window's underlying and its crowd; what they propose goes to the two callbacks, which
let it reach the book.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import msgspec

from pmsim.crowd.crowd import Crowd, Requote
from pmsim.crowd.underlying import STEP_NS, Underlying
from pmsim.crowd.world_params import WorldParams
from pmsim.run.scheduler import Scheduler
from pmsim.venue.listed_market import ListedMarket
from pmsim.venue.matching import BookOrder


class CrowdActions(msgspec.Struct, frozen=True):
    """Where proposals go, each with its time."""

    take: Callable[[BookOrder, int], None]
    requote: Callable[[Requote, int], None]
    busy: Callable[[], bool]  # orders of an earlier requote are still on their way


class CrowdLife:
    """A market's crowd over time. Bursts and sweeps end with the window, the others go on."""

    def __init__(
        self,
        market: ListedMarket,
        world: WorldParams,
        rng: Random,
        owner: str,
        schedule: Scheduler,
        actions: CrowdActions,
    ) -> None:
        self._market = market
        self._schedule = schedule
        self._actions = actions
        self._params = world.crowd
        self.crowd = self._crowd = Crowd(market, world.crowd, rng, owner)
        self._stopped = False
        activity = self._crowd.activity.activity
        self.underlying = Underlying(market.window, world.underlying, rng, activity)

    def begin(self, at_ns: int) -> None:
        """Start the makers and the noise takers.

        Those who need an open window start when it opens.
        """
        for _ in range(3 * (self._params.makers + 1)):
            self._requote_once(at_ns)
        self._requote_later(at_ns)
        self._repeat(at_ns, self._params.noise_per_min, self._noise)
        self._schedule.at(max(at_ns, self._market.window.open_ns), self._open)

    def stop(self) -> None:
        """Act no more; what rests stays."""
        self._stopped = True

    @property
    def _ended(self) -> bool:
        return self._stopped or self._market.resolved

    def _open(self, at_ns: int) -> None:
        if self._params.informed_latency_ms is None:
            self._repeat(at_ns, self._params.informed_per_min, self._informed)
        else:
            self._react(at_ns, self._params.informed_latency_ms)
        self._repeat(at_ns, self._params.sweep_per_min, self._sweep)
        self._repeat(at_ns, 60 / self._params.burst_every_s, self._start_burst)

    def _repeat(self, at_ns: int, per_min: float, action: Callable[[int], None]) -> None:
        """Do something after a random pause, unless the crowd has ended by then."""

        def unless_ended(now_ns: int) -> None:
            if not self._ended:
                action(now_ns)

        self._schedule.at(at_ns + self._crowd.pause_ns(per_min, at_ns), unless_ended)

    def _requote_later(self, at_ns: int) -> None:
        self._schedule.at(at_ns + self._crowd.requote_pause_ns(), self._requote)

    def _requote(self, at_ns: int) -> None:
        if not self._ended:
            if not self._actions.busy():
                self._requote_once(at_ns)
            self._requote_later(at_ns)

    def _requote_once(self, at_ns: int) -> None:
        window = self._market.window
        remaining_ns = window.close_ns - max(at_ns, window.open_ns)
        fair_e4 = self.underlying.fair_up_e4(at_ns)
        self._actions.requote(self._crowd.requote(fair_e4, remaining_ns), at_ns)

    def _take(self, taker: BookOrder | None, at_ns: int) -> None:
        if taker is not None:
            self._actions.take(taker, at_ns)

    def _noise(self, at_ns: int) -> None:
        self._take(self._crowd.noise(at_ns), at_ns)
        self._repeat(at_ns, self._params.noise_per_min, self._noise)

    def _informed(self, at_ns: int) -> None:
        self._take(self._crowd.informed(self.underlying, at_ns), at_ns)
        self._repeat(at_ns, self._params.informed_per_min, self._informed)

    def _react(self, at_ns: int, latency_ms: int) -> None:
        """At each step of the price somebody may look, and act on what he saw a while later."""
        if self._ended:
            return
        if self._crowd.looks_now(at_ns, STEP_NS):
            seen_e4 = self.underlying.fair_up_e4(at_ns)
            due_ns = at_ns + self._crowd.reaction_ns(latency_ms)
            self._schedule.at(due_ns, lambda now_ns: self._hit(seen_e4, now_ns))
        self._schedule.at(at_ns + STEP_NS, lambda now_ns: self._react(now_ns, latency_ms))

    def _hit(self, seen_e4: float, at_ns: int) -> None:
        if not self._ended:
            self._take(self._crowd.hit(seen_e4), at_ns)

    def _sweep(self, at_ns: int) -> None:
        if at_ns < self._market.window.close_ns:
            self._take(self._crowd.sweep(self.underlying, at_ns), at_ns)
            self._repeat(at_ns, self._params.sweep_per_min, self._sweep)

    def _start_burst(self, at_ns: int) -> None:
        if at_ns < self._market.window.close_ns:
            self._crowd.start_burst(self.underlying, at_ns)
            self._burst(at_ns)
            until_ns = self._crowd.burst_until_ns
            self._repeat(until_ns, 60 / self._params.burst_every_s, self._start_burst)

    def _burst(self, at_ns: int) -> None:
        if at_ns < self._crowd.burst_until_ns:
            self._take(self._crowd.burst(), at_ns)
            self._repeat(at_ns, 60 * self._params.burst_per_s, self._burst)
