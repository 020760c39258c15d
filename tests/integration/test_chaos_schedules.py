"""Schedules of faults, drawn by seed, for engines of real processes: no law is ever broken.

`--rounds 100` (`make soak-chaos`) tries that many seeds; `--seed N --rounds 1` this one.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from support.chaos.chaos_engine import ChaosEngine, NotYet, chaos_engine
from support.chaos.faults import Schedule, draw_schedule
from support.chaos.judge import Judge
from support.chaos.trial import Trial, quotes_again, try_schedule

pytestmark = [pytest.mark.connected, pytest.mark.timeout(36_000)]

SCHEDULES_PER_ENGINE = 8
LANES = 2


async def try_seeds(folder: Path, seeds: list[int], done: list[Trial]) -> None:
    """Schedules one after the other; a new engine after some of them, and after a violation."""
    waiting = list(reversed(seeds))
    while waiting:
        async with chaos_engine(folder / f"from-{waiting[-1]}", waiting[-1]) as engine:
            assert await quotes_again(engine), [child.tail() for child in engine.children.values()]
            judge = Judge(engine)
            for _ in range(min(SCHEDULES_PER_ENGINE, len(waiting))):
                done.append(await judged(engine, judge, draw_schedule(waiting.pop())))
                print(done[-1], flush=True)
                if done[-1].problems:
                    break
            print(
                f"    {judge.looks} looks, {judge.orders} orders, {judge.fills} fills", flush=True
            )


async def judged(engine: ChaosEngine, judge: Judge, schedule: Schedule) -> Trial:
    """A schedule that could not be carried out to its end fails, and the others go on."""
    try:
        return await try_schedule(engine, judge, schedule)
    except* (OSError, RedisError, NotYet, AssertionError) as group:
        broke = [f"broke off: {error!r}" for error in group.exceptions]
    problems = [*judge.problems, *broke]
    return Trial(schedule=schedule, problems=problems, took_s=0.0, ended=engine.ended)


async def test_no_schedule_of_faults_breaks_a_law(
    tmp_path: Path, rounds: int, first_seed: int
) -> None:
    seeds = list(range(first_seed, first_seed + rounds))
    lanes = min(LANES, -(-len(seeds) // 4))
    done: list[Trial] = []
    async with asyncio.TaskGroup() as tasks:
        for lane in range(lanes):
            (tmp_path / str(lane)).mkdir()
            tasks.create_task(try_seeds(tmp_path / str(lane), seeds[lane::lanes], done))
    kinds = Counter(fault.kind for trial in done for fault in trial.schedule.faults)
    broken = [trial for trial in done if trial.problems]
    print(f"{len(done)} schedules, {sum(kinds.values())} faults of {len(kinds)} kinds: {kinds}")
    assert not broken, "\n".join(map(str, broken))
