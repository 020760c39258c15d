"""Many trials on all cores."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from functools import partial

from pmtools.simulate.faults import draw_schedule
from pmtools.simulate.trial import SECONDS, Trial, try_seed

TRIALS_PER_PROCESS = 25
"""A trial leaves some 10 MB behind: FastAPI's caches hold the functions of the simulator's app."""


def try_drawn(seed: int, kinds: Sequence[str], seconds: float = SECONDS) -> Trial:
    """A trial of a seed, with the schedule that the seed draws of these kinds."""
    return try_seed(seed, draw_schedule(seed, kinds, seconds), seconds=seconds)


def sweep(
    seeds: Sequence[int], kinds: Sequence[str], *, jobs: int, seconds: float = SECONDS
) -> Iterator[Trial]:
    """The trials of all seeds, as they are done."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(jobs, maxtasksperchild=TRIALS_PER_PROCESS) as pool:
        wanted = partial(try_drawn, kinds=tuple(kinds), seconds=seconds)
        yield from pool.imap_unordered(wanted, seeds)
