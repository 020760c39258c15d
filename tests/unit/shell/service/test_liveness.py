from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pmcore.messages.control import Resume
from pmcore.messages.dead_letter import DeadLetter
from pmcore.model.errors import Cause, Sent, TransportError
from pmcore.shell.service.health import Health
from pmcore.shell.service.kill_switch import KillSwitch
from pmcore.shell.service.liveness import Liveness
from pmcore.shell.service.logs import configure_logs
from pmcore.shell.service.metrics import ServiceMetrics
from pmcore.wire import keys
from pmcore.wire.ports import Outgoing
from pmsim.bus.memory_bus import MemoryBus, MemoryStore
from support.messages import SLUG_A, command, status
from support.venue_peer import eventually

_MD, _CMD = keys.md("btc-15m"), keys.cmd("btc-15m")
_GROUP = keys.window_group(SLUG_A, "executor")


class _World:
    def __init__(self, directory: Path) -> None:
        self.store = MemoryStore(lambda: 1)
        self.bus = MemoryBus(self.store, source="executor", run_id="r")
        self.metrics = ServiceMetrics("executor", version="1", mode="sim")
        self.problems: list[str] = []
        self.health = Health()
        log = configure_logs("executor", "error", io.StringIO())
        kill_switch = KillSwitch(
            self,
            self.bus,
            account="acct",
            data_dir=directory,
            now_ns=lambda: 1,
            log=log,
        )
        self.kill_switch = kill_switch
        self.heartbeat = Liveness(
            "executor",
            self.bus,
            self.metrics,
            kill_switch,
            readiness=lambda: self.problems,
            account="acct",
            series=["btc-15m"],
            log=log,
            health=self.health,
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


async def test_an_error_that_waiting_does_not_mend_is_an_end(
    world: _World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise TransportError("redis: NOPERM", retryable=False, sent=Sent.NO)

    monkeypatch.setattr(world.bus, "put", refuse)
    async with asyncio.timeout(10):
        with pytest.raises(ExceptionGroup) as raised:
            await world.heartbeat.run()
    assert [str(error) for error in raised.value.exceptions] == ["redis: NOPERM"]


async def test_a_series_whose_redis_does_not_answer_delays_no_beat(
    world: _World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a host of the Cluster is cut off: nobody refuses, and nobody answers."""
    asked = asyncio.Event()

    async def never(*_: object) -> None:
        asked.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(world.bus, "groups", never)
    async with world.beating():
        await asked.wait()
        world.store.values.clear()
        await eventually(lambda: keys.alive("acct", "executor") in world.store.values, "a beat")


async def test_a_series_whose_redis_is_away_is_a_trouble(
    world: _World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise TransportError("redis: CLUSTERDOWN", retryable=True, sent=Sent.NO)

    monkeypatch.setattr(world.bus, "tail_id", refuse)
    async with world.beating():
        await eventually(lambda: world.health.troubles(), "a trouble")
    (trouble,) = world.health.troubles()
    assert (trouble.what, trouble.cause) == ("streams", Cause.REDIS)
    assert world.metric("pm_service_bus_connected 1.0")


async def test_a_halt_kept_locally_is_handed_on(world: _World) -> None:
    world.store.available = False
    await world.kill_switch.halt("enough", "me")
    world.store.available = True
    async with world.beating():
        await eventually(lambda: keys.halt("acct") in world.store.values, "the halt in redis")


async def test_the_lag_is_that_of_the_services_own_groups(world: _World) -> None:
    ctl, rot = keys.ctl("acct"), keys.rot("btc-15m")
    await world.bus.create_group("executor", [ctl], start="0", announce=None)
    await world.bus.create_group("strategy", [ctl], start="0", announce=None)
    await world.bus.create_group("strategy", [rot], start="0", announce=None)
    await world.bus.read("executor", "one", [ctl], block_ms=0)
    resume = Outgoing(ctl, Resume(by="me", ts_recv_ns=1))
    await world.bus.publish([resume, resume])
    async with world.beating():
        await eventually(
            lambda: world.metric('pm_bus_lag_entries{series="",stream="ctl"} 2.0'), "the lag"
        )
    assert 'stream="rot"' not in world.metrics.render().decode()


async def test_a_group_that_nobody_reads_is_not_behind(world: _World) -> None:
    await world.bus.create_group(_GROUP, [_MD], announce=None)
    await world.bus.publish([Outgoing(_MD, status(1))])
    async with world.beating():
        await eventually(lambda: world.metric("pm_service_bus_connected 1.0"), "a beat")
    assert 'stream="md"' not in world.metrics.render().decode()


async def test_an_entry_not_acknowledged_grows_old(world: _World) -> None:
    await world.bus.create_group(_GROUP, [_CMD], announce=None)
    await world.bus.publish([Outgoing(_CMD, command(1)), Outgoing(_CMD, command(2))])
    await world.bus.read(_GROUP, "one", [_CMD], block_ms=0, count=1)
    async with world.beating():
        await eventually(
            lambda: world.metric('pm_bus_lag_entries{series="btc-15m",stream="cmd"} 1.0'), "the lag"
        )
    shown = world.metrics.render().decode()
    age_s = re.search(r'pm_bus_pending_age_seconds{series="btc-15m",stream="cmd"} (.+)', shown)
    assert age_s is not None
    assert float(age_s[1]) > 1e9  # the memory bus's clock stands at the epoch


async def test_nothing_pending_is_zero_and_no_group_is_unknown(world: _World) -> None:
    await world.bus.create_group(_GROUP, [_CMD], announce=None)
    await world.bus.read(_GROUP, "one", [_CMD], block_ms=0)
    nothing = 'pm_bus_pending_age_seconds{series="btc-15m",stream="cmd"} 0.0'
    async with world.beating():
        await eventually(lambda: world.metric(nothing), "the age")
    assert 'stream="exe"' not in world.metrics.render().decode()


async def test_a_dead_letter_is_seen(world: _World) -> None:
    letter = DeadLetter(
        stream=_CMD, entry_id="1-1", group=_GROUP, problem="malformed", ts_recv_ns=1
    )
    async with world.beating():
        await eventually(lambda: world.metric("pm_service_bus_connected 1.0"), "a beat")
        assert world.metric("pm_bus_dead_letters_state 0.0")
    await world.bus.publish([Outgoing(keys.dlq("btc-15m"), letter)])
    async with world.beating():
        await eventually(lambda: world.metric("pm_bus_dead_letters_state 1.0"), "the letter")
