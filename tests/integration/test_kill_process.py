"""POST /kill at a real executor with 20 orders resting: with Redis, without it, with strangers.

The times are printed and never asserted: `make soak`. The objective is in docs/runbook.md.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from statistics import median

import pytest

from pmcore.model.ranks import nearest_rank
from pmcore.shell.bus.redis_bus import RedisBus
from pmcore.shell.clock import real_now_ns
from pmcore.wire.ports import Outgoing
from pmtools.run.redis_server import LocalRedis
from support.executions import submit
from support.executor_world import CMD, SERIES, announce, peers_are_well, window_now
from support.fake_clob import FakeClob
from support.processes import ServiceProcess, service_process

pytestmark = [pytest.mark.connected, pytest.mark.timeout(1_800)]

_ORDERS, _STRANGERS = 20, 70
_MOST_EXECUTORS = 30
Kill = tuple[float, float]


def _executor(
    folder: Path, redis: LocalRedis, clob: FakeClob
) -> AbstractAsyncContextManager[ServiceProcess]:
    return service_process(
        "pmexecutor",
        folder,
        PM_REDIS_URL=redis.url,
        PM_VENUE="sim",
        POLYMARKET_REST_URL=clob.url,
        POLYMARKET_MARKET_SLUG=SERIES,
        PM_MAX_NET_DIFF="1000",  # as many orders as no strategy would have
        PM_MAX_POSITION_VALUE="1000",
    )


async def _announce(bus: RedisBus) -> str:
    """A window that quotes; its slug."""
    window = window_now(ends_in_s=3_600)
    await announce(bus, window)
    await peers_are_well(bus)
    return window.slug


async def _rest_orders(
    bus: RedisBus, clob: FakeClob, executor: ServiceProcess, slug: str, number: int = 1
) -> None:
    async def places() -> bool:
        return not (await executor.state())["refuses"]

    await executor.until(places, "the placing gate opens")
    at_ns = real_now_ns()
    orders = [submit(f"o{number}.{n}", slug=slug, at_ns=at_ns) for n in range(_ORDERS)]
    await bus.publish([Outgoing(CMD, order) for order in orders])
    await clob.until(lambda: len(clob.open_ids) == _ORDERS)


async def _kill(executor: ServiceProcess, clob: FakeClob, times: int, *, redis: str) -> Kill:
    """Seconds from the halt to the last confirmed cancel and to the venue's empty list."""
    answer = await executor.http.post("/kill", json={"reason": "enough"}, timeout=30)
    assert answer.json()["redis"] == redis
    await executor.until_logged('"all_cancelled"', times)
    assert clob.open_ids == []
    shown = (await executor.http.get("/metrics")).text
    found = re.findall(r"(?m)^pm_executor_kill_to_(?:last_cancel|verified)_seconds (.+)$", shown)
    cancelled_s, verified_s = map(float, found)
    assert 0 <= cancelled_s <= verified_s
    return cancelled_s, verified_s


def _print(case: str, kills: Sequence[Kill]) -> None:
    print(f"{len(kills)} kills, {_ORDERS} orders, {case}:")
    for name, seconds in zip(("last cancel", "verified"), zip(*kills, strict=True), strict=True):
        rising = sorted(one * 1_000 for one in seconds)
        p99 = nearest_rank(rising, 99)
        print(f"  {name}: median {median(rising):.1f} ms, p99 {p99:.1f}, worst {rising[-1]:.1f}")


@pytest.mark.parametrize("strangers", [0, _STRANGERS], ids=["alone", "70 idle connections"])
async def test_each_kill_cancels_all(tmp_path: Path, rounds: int, strangers: int) -> None:
    with LocalRedis() as redis:
        bus = RedisBus.connect(redis.url, source="test", run_id="t", clock_ns=real_now_ns)
        async with FakeClob() as clob, _executor(tmp_path, redis, clob) as executor:
            await executor.wait_for("/readyz")
            idle = [
                await asyncio.open_connection("127.0.0.1", executor.http.base_url.port)
                for _ in range(strangers)
            ]
            slug, kills = await _announce(bus), []
            for count in range(1, rounds + 1):
                await _rest_orders(bus, clob, executor, slug, count)
                kills.append(await _kill(executor, clob, count, redis="ok"))
                resumed = await executor.http.post("/resume", timeout=30)
                assert resumed.status_code == 200, resumed.text
            _print(f"{strangers} idle connections", kills)
            for _, writer in idle:
                writer.transport.abort()
        await bus.close()


async def test_each_kill_cancels_all_without_redis(tmp_path: Path, rounds: int) -> None:
    """A resume needs Redis, so each kill has a Redis and an executor of its own."""
    kills = []
    for count in range(1, min(rounds, _MOST_EXECUTORS) + 1):
        folder = tmp_path / str(count)
        folder.mkdir()
        with LocalRedis() as redis:
            bus = RedisBus.connect(redis.url, source="test", run_id="t", clock_ns=real_now_ns)
            async with FakeClob() as clob, _executor(folder, redis, clob) as executor:
                await executor.wait_for("/readyz")
                await _rest_orders(bus, clob, executor, await _announce(bus))
                redis.stop()
                kills.append(await _kill(executor, clob, 1, redis="away"))
            await bus.close()
    _print("Redis stopped", kills)
