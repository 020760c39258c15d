"""A whole engine on Redis with replicas: its primary dies or is exchanged while it quotes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from pmtools.run.plan import SERVICES
from support.redis_sentinel import RedisSet, redis_set
from support.whole_engine import (
    REDIS_PASSWORDS,
    Engine,
    assert_books_agree,
    engine,
    watched_limits,
)

pytestmark = [pytest.mark.connected, pytest.mark.timeout(150)]


@asynccontextmanager
async def on_sentinels(directory: Path) -> AsyncIterator[tuple[Engine, RedisSet]]:
    with redis_set(REDIS_PASSWORDS) as servers:
        async with engine(directory, redis=servers, environ=servers.environ) as running:
            yield running, servers


async def state_of(running: Engine, name: str) -> dict[str, Any]:
    return dict((await running.service(name).get("/state")).body)


async def token_of(running: Engine) -> int:
    token: int = (await state_of(running, "executor"))["lease"]["token"]
    return token


async def placed(running: Engine) -> int:
    totals: dict[str, int] = (await state_of(running, "strategy"))["totals"]
    return totals["orders_placed"]


async def until_it_goes_on(running: Engine, servers: RedisSet, was: int) -> None:
    """Another primary, all services ready, and an order placed since, or a hedge that still rests.

    The times are printed and never asserted.
    """
    began_s = monotonic()
    await asyncio.to_thread(servers.until_promoted, servers.nodes[0])
    promoted_s = monotonic()

    async def quotes() -> bool:
        return await placed(running) > was

    await running.until_quoting("the failover")
    ready_s = monotonic()
    if not await running.open_orders():
        await running.until(quotes, "an order after the failover")
    print(f"promoted after {promoted_s - began_s:.1f} s, ready {ready_s - began_s:.1f} s,", end=" ")
    print(f"quoting {monotonic() - began_s:.1f} s")


async def assert_nobody_ended(running: Engine) -> None:
    for child in running.children.values():
        assert child.exit_code is None, child.tail(30)
    assert running.denied() == []


@pytest.mark.parametrize("planned", [False, True], ids=["killed", "planned"])
async def test_the_engine_goes_on_at_the_promoted_replica(tmp_path: Path, planned: bool) -> None:
    async with on_sentinels(tmp_path) as (running, servers):
        token, was = await token_of(running), await placed(running)
        async with watched_limits(running):
            await asyncio.to_thread(servers.fail_over if planned else servers.kill_primary)
            await until_it_goes_on(running, servers, was)
            await assert_books_agree(running)
        await assert_nobody_ended(running)
        assert await token_of(running) >= token
        totals = (await state_of(running, "strategy"))["totals"]
        assert totals["limit_violations"] == 0
        assert (await running.stop_all())["orders_open"] == 0


async def test_a_halt_survives_a_failover_and_a_restart(tmp_path: Path) -> None:
    async with on_sentinels(tmp_path) as (running, servers):
        await asyncio.to_thread(servers.cut_off_replicas)
        assert (await running.service("userws").post("/kill", {"reason": "drill"})).ok

        async def halted() -> bool:
            found = [(await running.service(name).get("/readyz")).body for name in SERVICES]
            return all(body.get("halted") == "drill" for body in found)

        await running.until(halted, "all halted")
        await asyncio.to_thread(servers.kill_primary)
        await asyncio.to_thread(servers.until_promoted, servers.nodes[0])
        for name in ("strategy", "executor"):
            await running.restart(name)
        await running.until(halted, "all halted after the failover")
        assert await running.open_orders() == 0
        assert (await running.service("executor").post("/resume", {})).ok
        await running.until_quoting("the resume")
