"""The price that a synthetic window is a bet on, from its seed to its settlement.

The whole path is drawn at once, so that some takers can know its next seconds. Prices are integers
in 1e-8 dollars; a window settles on their average over the last minute, compared with the average
at its open, and ties go Up (docs/venue.md 7.3; a recorded window agrees: docs/modelling.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from random import Random

from pmcore.model.market import Outcome, Window
from pmcore.model.units import NS_PER_MS, NS_PER_S, PRICE_ONE_E4
from pmsim.crowd.world_params import UnderlyingParams

STEP_NS = 200 * NS_PER_MS
_STEPS_PER_S = NS_PER_S // STEP_NS
_BP = 1e-4
_WIDE = 3.0
"""The wider deviation that the crowd also allows for, as a multiple of the usual one."""


class Underlying:
    """One window's path. `activity` holds a multiplier of the variance for each second."""

    def __init__(
        self, window: Window, params: UnderlyingParams, rng: Random, activity: Sequence[float]
    ) -> None:
        length_s = window.length_ns / NS_PER_S
        calm = math.sqrt(min(1.0, length_s / params.natural_s))
        self._twap_steps = max(1, int(min(params.twap_s, length_s / 5) * _STEPS_PER_S))
        self._open_step = self._twap_steps
        self._close_step = self._open_step + window.length_ns // STEP_NS
        self._open_ns = window.open_ns
        self._believed_e8 = params.believed_bp * _BP * params.start_price_e8
        self._fear = params.fear_percent / 100
        self.prices_e8 = _path(params, rng, activity, self._close_step, calm)
        self._sums_e8 = [0, *accumulate(self.prices_e8)]
        self.price_to_beat_e8 = self._average_e8(self._open_step)
        self.final_price_e8 = self._average_e8(self._close_step)

    @property
    def winner(self) -> Outcome:
        """Up if the average at the close is at or above the one at the open."""
        up = self.final_price_e8 >= self.price_to_beat_e8
        return Outcome.UP if up else Outcome.DOWN

    def price_e8(self, at_ns: int) -> int:
        """The price at a time; before and after the path its first and last."""
        return self.prices_e8[self._step_of(at_ns)]

    def fair_up_e4(self, at_ns: int) -> float:
        """The chance, in 1/10 000, that Up wins, for one who knows the path up to a time.

        A normal law, mixed with a wider one, around what the average would be if the price
        stayed. In the last minute a part of that average is known, and the variance of the rest
        falls with the third power of the time left.
        """
        step = self._step_of(at_ns)
        if step >= self._close_step:
            return PRICE_ONE_E4 if self.winner is Outcome.UP else 0.0
        price_e8 = self.prices_e8[step]
        expected_e8 = self._expected_e8(step, price_e8, self._close_step)
        target_e8 = self._expected_e8(step, price_e8, self._open_step)
        left_s = (self._close_step - step) / _STEPS_PER_S
        twap_s = self._twap_steps / _STEPS_PER_S
        if left_s > twap_s:
            variance_s = left_s - twap_s + twap_s / 3
        else:
            variance_s = left_s**3 / (3 * twap_s**2)
        deviation_e8 = self._believed_e8 * math.sqrt(variance_s)
        distance = (expected_e8 - target_e8) / deviation_e8
        chance = (1.0 - self._fear) * _normal(distance) + self._fear * _normal(distance / _WIDE)
        return chance * PRICE_ONE_E4

    def _step_of(self, at_ns: int) -> int:
        step = self._open_step + (at_ns - self._open_ns) // STEP_NS
        return max(0, min(step, self._close_step))

    def _average_e8(self, end_step: int) -> int:
        total_e8 = self._sums_e8[end_step] - self._sums_e8[end_step - self._twap_steps]
        return total_e8 // self._twap_steps

    def _expected_e8(self, step: int, price_e8: int, end_step: int) -> float:
        """The average that ends at `end_step`, if the price stayed from `step` on."""
        if step >= end_step:
            return self._average_e8(end_step)
        begin_step = end_step - self._twap_steps
        known = max(0, step - begin_step)
        known_e8 = self._sums_e8[begin_step + known] - self._sums_e8[begin_step]
        return (known_e8 + (self._twap_steps - known) * price_e8) / self._twap_steps


def _normal(distance: float) -> float:
    return 0.5 * (1.0 + math.erf(distance / math.sqrt(2.0)))


def _path(
    params: UnderlyingParams, rng: Random, activity: Sequence[float], steps: int, calm: float
) -> list[int]:
    """`steps` moves from the start price. Jumps take their part of the believed variance."""
    jump_chance = params.jumps_per_min / 60 / _STEPS_PER_S
    jump_variance = params.jumps_per_min / 60 * params.jump_bp**2
    diffusion = math.sqrt(max(0.0, params.sigma_bp**2 - jump_variance) / _STEPS_PER_S)
    log_price, prices_e8 = 0.0, [params.start_price_e8]
    for step in range(steps):
        busy = activity[min(step // _STEPS_PER_S, len(activity) - 1)]
        move_bp = rng.gauss(0.0, diffusion) * math.sqrt(busy)
        if rng.random() < jump_chance:
            move_bp += rng.gauss(0.0, params.jump_bp)
        log_price += calm * move_bp * _BP
        prices_e8.append(round(params.start_price_e8 * math.exp(log_price)))
    return prices_e8
