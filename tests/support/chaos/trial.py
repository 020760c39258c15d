"""One trial: a schedule of faults for an engine that quotes, until all is at rest, judged."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from pmcore.model.units import NS_PER_S
from pmcore.shell.service.tasks import cancel_and_wait
from pmtools.run.plan import SERVICES
from support.chaos.chaos_engine import WINDOW_S, ChaosEngine
from support.chaos.faults import KINDS, Schedule, carry_out
from support.chaos.judge import Judge

BEFORE_ROTATION_S = 6.0
QUOTES_WITHIN_S = 120.0
EMPTY_WITHIN_S = 20.0
REST_WITHIN_S = 120.0
OPERATOR_EVERY_S = 10.0
REPEAT = "make soak-chaos SEED={} SCHEDULES=1"


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. `problems` is empty when every law held."""

    schedule: Schedule
    problems: list[str]
    took_s: float
    ended: list[str]

    def __str__(self) -> str:
        verdict = "; ".join(self.problems) if self.problems else "all laws held"
        again = f"\n    again: {REPEAT.format(self.schedule.seed)}" if self.problems else ""
        ended = "".join(f"\n    {line}" for line in self.ended)
        return f"{self.schedule}\n    {self.took_s:.0f} s: {verdict}{again}{ended}"


async def try_schedule(engine: ChaosEngine, judge: Judge, schedule: Schedule) -> Trial:
    """Carry it out on an engine that quotes; at the end it quotes again, if all went well."""
    loop = asyncio.get_running_loop()
    began_s, known, ended = loop.time(), len(judge.problems), len(engine.ended)
    watcher = asyncio.create_task(judge.watch())
    try:
        if any(KINDS[fault.kind].loses_data for fault in schedule.faults):
            judge.data_were_lost()
        if schedule.at_rotation:
            await _until(lambda: _rotates_soon(engine), WINDOW_S + 5.0)
        async with asyncio.TaskGroup() as tasks:
            for fault in schedule.faults:
                tasks.create_task(carry_out(engine, fault))
        await _come_to_rest(engine, judge, schedule)
    finally:
        await cancel_and_wait(watcher)
    return Trial(
        schedule=schedule,
        problems=judge.problems[known:],
        took_s=loop.time() - began_s,
        ended=engine.ended[ended:],
    )


async def _come_to_rest(engine: ChaosEngine, judge: Judge, schedule: Schedule) -> None:
    if not await quotes_again(engine):
        judge.tell("quotes again", f"seed {schedule.seed}", await _why(engine))
    await engine.kill("end of the schedule", schedule.kill_at)
    if not await _until(lambda: _empty(engine), EMPTY_WITHIN_S):
        judge.tell("flat after a kill", f"seed {schedule.seed}", "orders rest")
    if not await _until(lambda: _at_rest(engine, judge), REST_WITHIN_S):
        for difference in await judge.disagreements():
            judge.tell("belief at rest", difference, "")
        executor = (await engine.service("executor").get("/state")).body
        if left := executor.get("open_orders"):
            judge.tell("belief at rest", "executor", f"believes in {left} open orders")
    await judge.finish()
    if not await quotes_again(engine):
        judge.tell("quotes again", f"seed {schedule.seed}", "not after the resume")


async def quotes_again(engine: ChaosEngine) -> bool:
    """Wait until something rests at the venue, and do meanwhile what the runbook says."""
    acted_s = 0.0

    async def quotes() -> bool:
        nonlocal acted_s
        now_s = asyncio.get_running_loop().time()
        if now_s > acted_s + OPERATOR_EVERY_S and (await engine.halted() or await _lost(engine)):
            acted_s = now_s
            if await _lost(engine):
                await engine.restart_in_order("userws")
            await engine.resume_again()
        found = await engine.audit_now()
        return found is not None and found["orders_open"] > 0

    return await _until(quotes, QUOTES_WITHIN_S)


async def _lost(engine: ChaosEngine) -> bool:
    state = (await engine.service("strategy").get("/state")).body
    return bool(state.get("series_halted"))


async def _rotates_soon(engine: ChaosEngine) -> bool:
    left_s = WINDOW_S - engine.clock.now_ns() / NS_PER_S % WINDOW_S
    return left_s < BEFORE_ROTATION_S


async def _empty(engine: ChaosEngine) -> bool:
    found = await engine.audit_now()
    return found is not None and found["orders_open"] == 0


async def _at_rest(engine: ChaosEngine, judge: Judge) -> bool:
    executor = (await engine.service("executor").get("/state")).body
    if executor.get("open_orders", 1) or await judge.disagreements():
        return False
    return judge.lost_data or not await judge.unended()


async def _why(engine: ChaosEngine) -> str:
    """What the services say about not quoting."""
    said = []
    for name in SERVICES:
        answer = await engine.service(name).get("/readyz")
        said.append(f"{name} {answer.status} {answer.body}")
    views = (await engine.service("strategy").get("/state")).body.get("windows", {})
    said += [f"{slug}: {view['state']} {view['why']}" for slug, view in views.items()]
    return "; ".join(said)


async def _until(happened: Callable[[], Awaitable[bool]], within_s: float) -> bool:
    try:
        async with asyncio.timeout(within_s):
            while not await happened():  # noqa: ASYNC110 - any condition, not an event
                await asyncio.sleep(0.2)
    except TimeoutError:
        return False
    return True
