"""A whole engine on Redis with replicas: its primary dies or is exchanged while it quotes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import redis.asyncio as redis_py

from pmcore.wire import keys
from pmcore.wire.access import OPERATOR
from pmtools.run.plan import SERVICES
from support.redis_cluster import ClusterSet, cluster_nodes
from support.redis_sentinel import RedisSet, redis_set, until
from support.whole_engine import (
    REDIS_PASSWORDS,
    Engine,
    assert_books_agree,
    engine,
    watched_limits,
)

pytestmark = [pytest.mark.connected, pytest.mark.timeout(150)]
Promoted = Callable[[], object]
"""Waits, in a thread, until another server has taken over."""


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


async def until_it_goes_on(running: Engine, promoted: Promoted, was: int, began_s: float) -> None:
    """Another primary, all services ready, and an order placed since, or a hedge that still rests.

    The times, since `began_s`, are printed and never asserted.
    """
    await asyncio.to_thread(promoted)
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
    refused = [row for row in running.denied() if row[0] != OPERATOR]  # replicas, cut off by us
    assert refused == []


async def die_with_what_no_replica_has(running: Engine, servers: RedisSet) -> None:
    """The replicas stay behind; for some seconds all goes on, and then all of that is gone."""
    was = await told(servers)
    await asyncio.to_thread(servers.cut_off_replicas)

    async def told_more() -> bool:
        return await told(servers) > was + 1

    await running.until(told_more, "own events that no replica has")
    await asyncio.to_thread(servers.kill_primary)
    await asyncio.to_thread(servers.until_promoted, servers.nodes[0])
    await asyncio.to_thread(servers.let_replicas_follow)


async def told(servers: RedisSet) -> int:
    """How many own events userws has told."""
    async with redis_py.Redis.from_url(servers.url) as client:
        return int(await client.xlen(keys.user("main")))


@pytest.mark.parametrize("how", ["killed", "planned", "stale"])
async def test_the_engine_goes_on_at_the_promoted_replica(tmp_path: Path, how: str) -> None:
    async with on_sentinels(tmp_path) as (running, servers):
        token, was = await token_of(running), await placed(running)
        async with watched_limits(running):
            began_s = monotonic()
            if how == "stale":
                await die_with_what_no_replica_has(running, servers)
            else:
                act = servers.kill_primary if how == "killed" else servers.fail_over
                await asyncio.to_thread(act)
            promoted = partial(servers.until_promoted, servers.nodes[0])
            await until_it_goes_on(running, promoted, was, began_s)
            await assert_books_agree(running)
        await assert_nobody_ended(running)
        assert await token_of(running) >= token
        totals = (await state_of(running, "strategy"))["totals"]
        assert totals["limit_violations"] == 0
        if how == "stale":
            await until_told_again(running)
            await running.restart("strategy")  # it knows what stands in Redis, and no more
            await assert_books_agree(running)
        assert (await running.stop_all())["orders_open"] == 0


@pytest.mark.parametrize("key", [keys.md("btc-30m"), keys.user("main")], ids=["series", "account"])
async def test_the_engine_goes_on_when_a_node_of_a_cluster_dies(tmp_path: Path, key: str) -> None:
    with cluster_nodes(REDIS_PASSWORDS, replicas=True, timeout_ms=1_000) as nodes:
        servers = ClusterSet(nodes)
        async with engine(tmp_path, redis=servers) as running:
            gone, was = servers.owner(key), await placed(running)
            async with watched_limits(running):
                began_s = monotonic()
                gone.kill()
                promoted = partial(until, lambda: servers.owner(key) is not gone, "a promotion")
                await until_it_goes_on(running, promoted, was, began_s)
                await assert_books_agree(running)
            await assert_nobody_ended(running)
            totals = (await state_of(running, "strategy"))["totals"]
            assert totals["limit_violations"] == 0
            assert (await running.stop_all())["orders_open"] == 0


async def until_told_again(running: Engine) -> None:
    await running.until(
        lambda: _said(running, "userws", '"own_messages_lost"'), "userws tells the lost ones again"
    )


async def _said(running: Engine, name: str, text: str) -> bool:
    return text in "\n".join(running.children[name].tail(2_000))


async def test_a_halt_survives_a_failover_and_a_restart(tmp_path: Path) -> None:
    """Of a replica that never heard of the halt; the services' files have it."""
    async with on_sentinels(tmp_path) as (running, servers):
        await asyncio.to_thread(servers.cut_off_replicas)
        assert (await running.service("userws").post("/kill", {"reason": "drill"})).ok

        async def halted() -> bool:
            found = [(await running.service(name).get("/readyz")).body for name in SERVICES]
            return all(body.get("halted") == "drill" for body in found)

        await running.until(halted, "all halted")
        await asyncio.to_thread(servers.kill_primary)
        await asyncio.to_thread(servers.until_promoted, servers.nodes[0])
        await asyncio.to_thread(servers.let_replicas_follow)
        for name in ("strategy", "executor"):
            await running.restart(name)
        await running.until(halted, "all halted after the failover")
        assert await running.open_orders() == 0
        assert (await running.service("executor").post("/resume", {})).ok
        await running.until_quoting("the resume")
