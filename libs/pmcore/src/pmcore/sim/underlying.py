"""The price that a synthetic window is a bet on: a random walk, and the bet's fair value.

Floats only here: they are opinions of the crowd, rounded to the grid before they become orders.
"""

from __future__ import annotations

import math
from random import Random

from pmcore.model.units import NS_PER_S, PRICE_ONE_E4

STEP_NS = 200_000_000
BELIEVED_SIGMA = 1.0
"""What the crowd prices with, per square root of a second."""
REALISED_SIGMA = 0.35
"""What the walk does: less, so that a window of a minute does not race from 0 to 1 at once."""


class Underlying:
    """A driftless walk; `push` lends it a drift for a while."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._drift_until_ns = 0
        self._drift_per_step = 0.0
        self.value = 0.0

    def push(self, direction: int, until_ns: int, strength: float) -> None:
        """Drift up (1) or down (-1), by `strength` believed deviations of a second, per second."""
        self._drift_until_ns = until_ns
        self._drift_per_step = direction * strength * STEP_NS / NS_PER_S

    def step(self, at_ns: int) -> None:
        """Move by one step of 200 ms."""
        self.value += self._rng.gauss(0.0, REALISED_SIGMA * math.sqrt(STEP_NS / NS_PER_S))
        if at_ns < self._drift_until_ns:
            self.value += self._drift_per_step


def fair_up_e4(value: float, start_value: float, remaining_ns: int) -> float:
    """The chance, in 1/10 000, that the walk ends at or above where the window began."""
    if remaining_ns <= 0:
        return PRICE_ONE_E4 if value >= start_value else 0.0
    deviation = BELIEVED_SIGMA * math.sqrt(remaining_ns / NS_PER_S)
    chance = 0.5 * (1.0 + math.erf((value - start_value) / deviation / math.sqrt(2.0)))
    return chance * PRICE_ONE_E4
