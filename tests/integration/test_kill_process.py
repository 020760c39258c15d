"""POST /kill at a real executor with 20 orders resting: with Redis, without it, with strangers.

The time is printed and never asserted: `pytest -s`. The objective is in docs/runbook.md.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import msgspec
import pytest

from pmcore.messages.rotation import WindowAnnounced
from pmcore.model.units import NS_PER_S
from pmcore.shell.bus.redis_bus import RedisBus
from pmcore.shell.clock import real_now_ns
from pmcore.wire import keys
from pmcore.wire.ports import Outgoing
from pmtools.run.redis_server import LocalRedis
from support.builders import window as build_window
from support.executions import submit
from support.fake_clob import FakeClob
from support.processes import ServiceProcess, service_process

pytestmark = pytest.mark.connected

_SERIES, _ORDERS, _STRANGERS = "btc-15m", 20, 70
_CMD, _MD, _ROT = keys.cmd(_SERIES), keys.md(_SERIES), keys.rot(_SERIES)


async def _peers_are_well(bus: RedisBus) -> None:
    for peer in ("feed", "strategy", "userws"):
        await bus.put(keys.alive("main", peer), b'{"ready":true,"reasons":[]}')


async def _rest_orders(bus: RedisBus, clob: FakeClob, executor: ServiceProcess) -> None:
    now_s = real_now_ns() // NS_PER_S
    window = msgspec.structs.replace(
        build_window(),
        slug=f"btc-updown-15m-{now_s - 60}",
        open_ns=(now_s - 60) * NS_PER_S,
        close_ns=(now_s + 600) * NS_PER_S,
    )
    await bus.create_group(
        keys.window_group(window.slug, "executor"),
        [_CMD, _MD],
        announce=Outgoing(_ROT, WindowAnnounced(window=window, ts_recv_ns=1)),
    )
    await _peers_are_well(bus)

    async def places() -> bool:
        return not (await executor.state())["refuses"]

    await executor.until(places, "the placing gate opens")
    at_ns = real_now_ns()
    orders = [submit(f"o{n}", slug=window.slug, at_ns=at_ns) for n in range(_ORDERS)]
    await bus.publish([Outgoing(_CMD, order) for order in orders])
    await clob.until(lambda: len(clob.open_ids) == _ORDERS)


@pytest.mark.parametrize("with_redis", [True, False], ids=["redis", "redis stopped"])
async def test_a_kill_cancels_all_with_strangers_and_without_redis(
    tmp_path: Path, *, with_redis: bool
) -> None:
    with LocalRedis() as redis:
        bus = RedisBus.connect(redis.url, source="test", run_id="t", clock_ns=real_now_ns)
        async with (
            FakeClob() as clob,
            service_process(
                "pmexecutor",
                tmp_path,
                PM_REDIS_URL=redis.url,
                PM_VENUE="sim",
                POLYMARKET_REST_URL=clob.url,
                POLYMARKET_MARKET_SLUG=_SERIES,
            ) as executor,
        ):
            await executor.wait_for("/readyz")
            await _rest_orders(bus, clob, executor)
            port = executor.http.base_url.port
            strangers = [
                await asyncio.open_connection("127.0.0.1", port) for _ in range(_STRANGERS)
            ]
            if not with_redis:
                redis.stop()
            answer = await executor.http.post("/kill", json={"reason": "enough"}, timeout=30)
            assert answer.json()["redis"] == ("ok" if with_redis else "away")
            await executor.until_logged("all_cancelled")
            assert clob.open_ids == []
            shown = (await executor.http.get("/metrics")).text
            seconds = re.search(r"(?m)^pm_executor_kill_to_last_cancel_seconds (.+)$", shown)
            assert seconds is not None
            assert float(seconds[1]) >= 0
            print(f"kill to last cancel, {_ORDERS} orders: {float(seconds[1]) * 1000:.1f} ms")
            for _, writer in strangers:
                writer.transport.abort()
        await bus.close()
