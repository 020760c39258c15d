"""The real services die, Redis stalls, an operator halts: never an order too many."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from pmtools.run.plan import SERVICES
from support.whole_engine import Engine, assert_books_agree, engine, watched_limits

pytestmark = [pytest.mark.connected, pytest.mark.timeout(150)]


async def hold_back(running: Engine) -> None:
    """Redis hears nothing for three seconds."""
    pid = running.redis.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(3.0)
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_survives_the_death_of_each_service_and_a_stalled_redis(tmp_path: Path) -> None:
    async with engine(tmp_path) as running:
        async with watched_limits(running):
            for name in SERVICES:
                await running.restart(name)
                await running.until_quoting(f"the death of {name}")
                await assert_books_agree(running)
            await hold_back(running)
            await running.until_quoting("the stall of Redis")
            await assert_books_agree(running)
        totals = (await running.service("strategy").get("/state")).body["totals"]
        assert totals["limit_violations"] == 0
        assert (await running.stop_all())["orders_open"] == 0


async def test_kill_on_any_service_empties_the_venue_until_resume(tmp_path: Path) -> None:
    async with engine(tmp_path) as running:

        async def flat() -> bool:
            """An empty list alone may stand between two quotes, before the executor has heard."""
            found = (await running.service("executor").get("/state")).body["engine"]
            return bool(found["halted"] and found["flat"])

        for name in SERVICES:
            assert (await running.service(name).post("/kill", {"reason": "drill"})).ok
            await running.until(flat, f"the venue's word after /kill on {name}")
            if name == "executor":
                await running.restart("executor")
            placed_before = len((await running.audit())["accounts"][0]["trades"])
            for _ in range(15):
                assert await running.open_orders() == 0
                await asyncio.sleep(0.1)
            assert len((await running.audit())["accounts"][0]["trades"]) == placed_before
            assert (await running.service("executor").get("/readyz")).body["halted"] == "drill"
            assert (await running.service(name).post("/resume", {})).ok
            await running.until_quoting(f"/resume on {name}")
        await assert_books_agree(running)
        assert (await running.stop_all())["orders_open"] == 0


async def test_a_kill_works_while_the_strategy_hangs(tmp_path: Path) -> None:
    async with engine(tmp_path) as running:

        async def empty() -> bool:
            return await running.open_orders() == 0

        strategy = running.children["strategy"].pid
        os.kill(strategy, signal.SIGSTOP)
        try:
            assert (await running.service("executor").post("/kill", {"reason": "drill"})).ok
            await running.until(empty, "nothing resting after /kill")
        finally:
            os.kill(strategy, signal.SIGCONT)

        async def halted() -> bool:
            answer = await running.service("strategy").get("/readyz")
            return bool(answer.body["halted"] == "drill")

        await running.until(halted, "the strategy halted")
        assert (await running.stop_all())["orders_open"] == 0
