"""The loop in virtual time: jumps, order, and the lives of processes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextvars import copy_context

import pytest

from pmtools.simulate import loop as virtual
from pmtools.simulate.loop import LIFE, Life, StuckError, VirtualLoop


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    made = VirtualLoop()
    yield made
    made.close()


def start(loop: VirtualLoop, life: Life, work: Callable[[], object]) -> None:
    context = copy_context()
    context.run(LIFE.set, life)
    loop.create_task(work(), context=context)  # type: ignore[arg-type]


def test_an_idle_hour_passes_at_once(loop: VirtualLoop) -> None:
    loop.run_for(3600)
    assert loop.time() == 3600
    assert loop.now_ns() == 3600 * 10**9
    assert loop.callbacks_run < 5


def test_what_is_due_runs_in_order_of_time(loop: VirtualLoop) -> None:
    seen: list[tuple[float, str]] = []

    def see(name: str) -> None:
        seen.append((loop.time(), name))

    for due_s, name in ((2.0, "z"), *((1.0, letter) for letter in "abcdefgh")):
        loop.call_at(due_s, see, name)
    loop.run_for(3)
    assert seen == [*((1.0, letter) for letter in "abcdefgh"), (2.0, "z")]


def test_time_outs_are_virtual_and_do_not_fill_the_heap(loop: VirtualLoop) -> None:
    async def many() -> None:
        for _ in range(500):
            async with asyncio.timeout(1000):
                await asyncio.sleep(0.001)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.Event().wait()

    task = loop.create_task(many())
    loop.run_for(10)
    assert task.result() is None
    assert len(loop._scheduled) < 200


def test_nothing_of_a_dead_life_runs_again(loop: VirtualLoop) -> None:
    life, seen = Life("a"), []

    async def work() -> None:
        try:
            while True:
                seen.append(loop.time())
                await asyncio.sleep(1)
        finally:
            seen.append(-1.0)

    start(loop, life, work)
    loop.run_for(2.5)
    life.dead = True
    loop.run_for(10)
    assert seen == [0.0, 1.0, 2.0]
    life.tasks[0]._log_destroy_pending = False  # type: ignore[attr-defined]


def test_a_frozen_life_goes_on_where_it_was(loop: VirtualLoop) -> None:
    life, seen = Life("a"), []

    async def work() -> None:
        for _ in range(4):
            await asyncio.sleep(1)
            seen.append(loop.time())

    start(loop, life, work)
    loop.run_for(1.5)
    life.frozen = True
    loop.run_for(5)
    assert seen == [1.0]
    loop.resume(life)
    loop.run_for(5)
    assert seen == [1.0, 6.5, 7.5, 8.5]


def test_sets_of_tasks_are_ordered_by_number(loop: VirtualLoop) -> None:
    async def nothing() -> None:
        return

    tasks = [loop.create_task(nothing()) for _ in range(50)]
    assert list({*tasks[::-1]}) == tasks
    loop.run_for(1)


def test_a_loop_that_never_lets_time_pass_is_stopped(
    loop: VirtualLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(virtual, "MOST_STEPS_WITHOUT_TIME", 100)

    async def spin() -> None:
        for _ in range(1_000):
            await asyncio.sleep(0)

    task = loop.create_task(spin())
    with pytest.raises(StuckError, match="for ever"):
        loop.run_for(1)
    task.cancel()
    loop.call_soon(loop.stop)
    loop.run_forever()


def test_nothing_to_wait_for_is_said(loop: VirtualLoop) -> None:
    with pytest.raises(StuckError, match="nothing is scheduled"):
        loop.run_forever()


def test_what_is_given_to_a_thread_is_done_at_once(loop: VirtualLoop) -> None:
    assert loop.run_in_executor(None, max, 1, 2).result() == 2
    failed = loop.run_in_executor(None, int, "x")
    assert isinstance(failed.exception(), ValueError)


def test_the_pause_hook_runs_when_nothing_is_ready(loop: VirtualLoop) -> None:
    pauses: list[float] = []
    loop.on_pause = lambda: pauses.append(loop.time())
    loop.call_at(1.0, lambda: loop.call_soon(lambda: None))
    loop.run_for(2)
    assert pauses == [1.0, 2.0]
