"""What the heartbeat tells the others, and what it shows of the streams."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from pmcore.messages.dead_letter import DeadLetter
from pmcore.shell.clock import real_now_ns
from pmcore.shell.halts import HaltLever
from pmcore.shell.heartbeat import Heartbeat
from pmcore.shell.logs import configure_logs
from pmcore.shell.metrics import ServiceMetrics
from pmcore.sim.bus import MemoryBus, MemoryStore
from pmcore.wire import keys
from pmcore.wire.ports import Outgoing
from support.messages import ACCOUNT, SERIES, SLUG_A, command, status

PATIENCE = 1_000
GROUP = keys.window_group(SLUG_A, "executor")


class World:
    def __init__(self, directory: Path) -> None:
        self.store = MemoryStore(lambda: real_now_ns() - 5_000_000_000)
        self.bus = MemoryBus(self.store, source="executor", run_id="r")
        self.metrics = ServiceMetrics("executor", version="1", mode="sim")
        self.reasons: list[str] = []
        log = configure_logs("executor", "error", io.StringIO())
        lever = HaltLever(
            self,
            self.bus,
            account=ACCOUNT,
            data_dir=directory,
            now_ns=real_now_ns,
            log=log,
        )
        self.heartbeat = Heartbeat(
            "executor",
            self.bus,
            self.metrics,
            lever,
            readiness=lambda: self.reasons,
            account=ACCOUNT,
            series=[SERIES],
            log=log,
        )

    async def on_halt(self, reason: str) -> None:
        pass

    async def on_resume(self) -> None:
        pass

    def value(self, name: str) -> float | None:
        found = re.search(
            rf"^{re.escape(name)} (.+)$", self.metrics.render().decode(), re.MULTILINE
        )
        return float(found[1]) if found else None

    @contextlib.asynccontextmanager
    async def one_beat(self) -> AsyncIterator[None]:
        beating = asyncio.create_task(self.heartbeat.run())
        for _ in range(PATIENCE):
            await asyncio.sleep(0)
            if self.value("pm_service_bus_connected") == 1:
                break
        yield
        beating.cancel()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_the_others_learn_why_a_service_is_not_ready(world: World) -> None:
    world.reasons = ["no window"]
    async with world.one_beat():
        said = await world.bus.get(keys.alive(ACCOUNT, "executor"))
    assert said is not None
    assert msgspec.json.decode(said) == {"ready": False, "reasons": ["no window"]}
    assert world.value("pm_service_ready") == 0


async def test_an_entry_not_acknowledged_grows_old(world: World) -> None:
    stream = keys.cmd(SERIES)
    await world.bus.create_group(GROUP, [stream], announce=None)
    await world.bus.publish([Outgoing(stream, command(1)), Outgoing(stream, command(2))])
    await world.bus.read(GROUP, "one", [stream], block_ms=0, count=1)
    async with world.one_beat():
        age_s = world.value('pm_bus_pending_age_seconds{stream="cmd"}')
        assert age_s is not None
        assert age_s >= 5.0
        assert world.value('pm_bus_lag_entries{stream="cmd"}') == 1


async def test_nothing_pending_is_zero_and_no_group_is_unknown(world: World) -> None:
    await world.bus.create_group(GROUP, [keys.cmd(SERIES)], announce=None)
    await world.bus.read(GROUP, "one", [keys.cmd(SERIES)], block_ms=0)
    async with world.one_beat():
        assert world.value('pm_bus_pending_age_seconds{stream="cmd"}') == 0.0
        assert world.value('pm_bus_pending_age_seconds{stream="exe"}') is None


async def test_a_group_that_nobody_reads_is_not_behind(world: World) -> None:
    stream = keys.md(SERIES)
    await world.bus.create_group(GROUP, [stream], announce=None)
    await world.bus.publish([Outgoing(stream, status(1))])
    async with world.one_beat():
        assert world.value('pm_bus_lag_entries{stream="md"}') is None


async def test_a_dead_letter_is_seen(world: World) -> None:
    async with world.one_beat():
        assert world.value("pm_bus_dead_letters_state") == 0
    letter = DeadLetter(
        stream=keys.cmd(SERIES), entry_id="1-1", group=GROUP, problem="malformed", ts_recv_ns=1
    )
    await world.bus.publish([Outgoing(keys.dlq(SERIES), letter)])
    world.metrics.bus_connected.set(0)
    async with world.one_beat():
        assert world.value("pm_bus_dead_letters_state") == 1
