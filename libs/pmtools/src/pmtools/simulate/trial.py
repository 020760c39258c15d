"""One trial: a world of a seed, with a schedule of faults, run to rest and judged."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import Any

import msgspec

from pmcore.messages.rotation import WindowResolved
from pmcore.wire.ports import Outgoing
from pmtools.simulate.checkers import Breach, Judge
from pmtools.simulate.faults import Fault, plant
from pmtools.simulate.world import SeededWorld

SECONDS = 45.0
HEAL_S = 12.0
"""Without new faults, so that what was lost is found again."""
LAST_ORDERS_S = 4.0
"""With a moving market after the last halt: who still quotes is seen."""
REST_S = 30.0
"""With a market at rest: look-ups, settlements and questions come to their end."""
LOST_S = 90.0
"""At most so much longer, while the executor searches for a POST that never arrived: it gives up
when it is told that the window is over."""
UNTOLD_S = 960.0
"""The same for a window of which nobody said that: it is kept for PM_WINDOW_LINGER_S."""
OUTLIVED_EVERY_S = 1.0


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. `problems` is empty when every law held; `lines` are the log's last."""

    seed: int
    schedule: list[Fault]
    problems: list[Breach]
    fingerprint: str
    seconds: float
    orders: int
    fills: int
    merges: int
    lines: list[str]


def try_seed(
    seed: int,
    schedule: Sequence[Fault] = (),
    *,
    seconds: float = SECONDS,
    merging: bool = False,
) -> Trial:
    """Run a world until everything is at rest, and judge it."""
    world = SeededWorld(seed, merging=merging)
    judge = Judge(world)
    over = _windows_told_over(world)
    gc.disable()
    try:
        world.start()
        plant(world, schedule)
        _watch_outliving(world, judge)
        world.run(seconds)
        faults_end_s = max((f.at_s + f.lasts_s for f in schedule), default=0.0)
        world.run(max(faults_end_s - seconds, 0.0) + HEAL_S)
        world.halt_for_good()
        world.run(LAST_ORDERS_S)
        world.stop_crowd()
        world.run(REST_S)
        rest_s = world.loop.time()
        while believed := _believed_windows(world):
            if world.loop.time() >= rest_s + (LOST_S if believed & over else UNTOLD_S):
                break
            world.run(1.0)
        judge.finish()
        accounts = world.accounts
        return Trial(
            seed=seed,
            schedule=list(schedule),
            problems=judge.problems,
            fingerprint=world.fingerprint,
            seconds=world.loop.time(),
            orders=sum(r.account.owner == world.owner for r in accounts.orders.values()),
            fills=len(accounts.trades_of(world.owner)) if world.owner else 0,
            merges=len(judge.merges),
            lines=list(world.lines),
        )
    finally:
        world.close()
        gc.enable()


def _believed_windows(world: SeededWorld) -> set[str]:
    """The windows of which the executor believes that an order may be at the venue."""
    executor = world.hosts["executor"].service
    if executor is None:
        return set()
    state: Any = executor.state()
    windows = state["engine"]["windows"] if state["open_orders"] else {}
    return {slug for slug, window in windows.items() if window["live"]}


def _windows_told_over(world: SeededWorld) -> set[str]:
    """Filled as the feed says of one window after the other that it is over."""
    over: set[str] = set()

    def note(_source: str, item: Outgoing) -> None:
        if isinstance(item.message, WindowResolved):
            over.add(item.message.slug)

    world.on_publish.append(note)
    return over


def _watch_outliving(world: SeededWorld, judge: Judge) -> None:
    def look() -> None:
        if world.owner:
            judge.outlived()
        world.loop.call_later(OUTLIVED_EVERY_S, look)

    look()
