"""Activity in a synthetic window: how busy the crowd is, and to which side takers lean.

Both are drawn a second at a time before the window begins, so that quiet and busy activity are the
same for the underlying and for the crowd.
"""

from __future__ import annotations

import math
from random import Random

from pmcore.model.units import NS_PER_S
from pmsim.crowd.world_params import CrowdParams

_LEAN_LIMIT = 0.95


class ActivityProcess:
    """Activity has mean 1; a lean of 1 makes every taker push Up."""

    def __init__(self, params: CrowdParams, rng: Random, begin_ns: int, seconds: int) -> None:
        self._begin_ns = begin_ns
        log_activity = _wave(rng, seconds, params.spell_log_sigma, params.spell_s)
        level = params.spell_log_sigma**2 / 2
        self.activity = [math.exp(value - level) for value in log_activity]
        self._lean = _wave(rng, seconds, params.mood_sigma, params.mood_s)

    def activity_at(self, at_ns: int) -> float:
        """How busy a time is."""
        return self.activity[self._index(at_ns)]

    def lean_at(self, at_ns: int) -> float:
        """Which way takers lean, between -1 and 1."""
        return max(-_LEAN_LIMIT, min(_LEAN_LIMIT, self._lean[self._index(at_ns)]))

    def _index(self, at_ns: int) -> int:
        return max(0, min((at_ns - self._begin_ns) // NS_PER_S, len(self.activity) - 1))


def _wave(rng: Random, seconds: int, sigma: float, memory_s: float) -> list[float]:
    """A stationary Gaussian process with mean 0 that forgets with `memory_s`."""
    kept = math.exp(-1.0 / memory_s)
    value, values = rng.gauss(0.0, sigma), []
    for _ in range(max(1, seconds)):
        values.append(value)
        value = kept * value + rng.gauss(0.0, sigma * math.sqrt(1.0 - kept * kept))
    return values
