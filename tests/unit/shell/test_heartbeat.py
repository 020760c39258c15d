from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pmcore.messages.control import Resume
from pmcore.shell.halts import HaltLever
from pmcore.shell.heartbeat import Heartbeat
from pmcore.shell.logs import configure_logs
from pmcore.shell.metrics import ServiceMetrics
from pmcore.sim.bus import MemoryBus, MemoryStore
from pmcore.wire import keys
from pmcore.wire.ports import Outgoing
from support.venue_peer import eventually


class _World:
    def __init__(self, directory: Path) -> None:
        self.store = MemoryStore(lambda: 1)
        self.bus = MemoryBus(self.store, source="executor", run_id="r")
        self.metrics = ServiceMetrics("executor", version="1", mode="sim")
        self.problems: list[str] = []
        log = configure_logs("executor", "error", io.StringIO())
        lever = HaltLever(
            self,
            self.bus,
            account="acct",
            data_dir=directory,
            now_ns=lambda: 1,
            log=log,
        )
        self.lever = lever
        self.heartbeat = Heartbeat(
            "executor",
            self.bus,
            self.metrics,
            lever,
            readiness=lambda: self.problems,
            account="acct",
            series=["btc-15m"],
            log=log,
        )

    async def on_halt(self, reason: str) -> None:
        pass

    async def on_resume(self) -> None:
        pass

    def metric(self, line: str) -> bool:
        return line in self.metrics.render().decode().splitlines()

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.heartbeat.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})


@pytest.fixture
def world(tmp_path: Path) -> _World:
    return _World(tmp_path)


async def test_it_says_whether_the_service_is_ready(world: _World) -> None:
    world.problems = ["not yet"]
    async with world.beating():
        await eventually(lambda: keys.alive("acct", "executor") in world.store.values, "a beat")
    value, expires_ns = world.store.values[keys.alive("acct", "executor")]
    assert json.loads(value) == {"ready": False, "reasons": ["not yet"]}
    assert expires_ns == 3_000_000_001
    assert world.metric("pm_service_ready 0.0")
    assert world.metric("pm_service_bus_connected 1.0")


async def test_redis_away_is_a_reason_and_not_an_end(world: _World) -> None:
    async with world.beating():
        await eventually(lambda: world.metric("pm_service_ready 1.0"), "ready")
        world.store.available = False
        await eventually(lambda: world.heartbeat.reasons(), "a reason")
        assert world.metric("pm_service_bus_connected 0.0")
        world.store.available = True
        await eventually(lambda: not world.heartbeat.reasons(), "ready again")


async def test_a_halt_kept_locally_is_handed_on(world: _World) -> None:
    world.store.available = False
    await world.lever.halt("enough", "me")
    world.store.available = True
    async with world.beating():
        await eventually(lambda: keys.halt("acct") in world.store.values, "the halt in redis")


async def test_the_lag_is_that_of_the_services_own_groups(world: _World) -> None:
    ctl, rot = keys.ctl("acct"), keys.rot("btc-15m")
    await world.bus.create_group("executor", [ctl], start="0", announce=None)
    await world.bus.create_group("strategy", [ctl], start="0", announce=None)
    await world.bus.create_group("strategy", [rot], start="0", announce=None)
    resume = Outgoing(ctl, Resume(by="me", ts_recv_ns=1))
    await world.bus.publish([resume, resume])
    async with world.beating():
        await eventually(lambda: world.metric('pm_bus_lag_entries{stream="ctl"} 2.0'), "the lag")
    assert 'stream="rot"' not in world.metrics.render().decode()
