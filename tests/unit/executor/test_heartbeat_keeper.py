"""The keeper of the heartbeat says what `/state` promises."""

from __future__ import annotations

import asyncio
import io

from pmcore.engine.execution.engine import ExecutionEngine
from pmcore.shell.clock import Clock
from pmcore.shell.service.health import Health
from pmcore.shell.service.logs import configure_logs
from pmcore.shell.service.metrics import ServiceMetrics
from pmcore.wire import keys
from pmexecutor.driver import Driver
from pmexecutor.heartbeat_sender import HeartbeatSender
from pmexecutor.metrics import ExecutorMetrics
from pmexecutor.paper import PaperClob
from pmexecutor.publisher import Publisher
from pmsim.bus.memory_bus import MemoryBus, MemoryStore
from support.builders import T0_NS
from support.paper import NO_LATENCY
from support.venue_peer import eventually


async def test_its_view_shows_age_failures_gate_and_what_is_unhealthy() -> None:
    clock = Clock.starting_at(T0_NS, 1.0)
    log = configure_logs("executor", "debug", io.StringIO())
    bus = MemoryBus(MemoryStore(clock.now_ns), source="executor", run_id="r")
    venue = PaperClob(NO_LATENCY, clock, lambda _: None)
    engine = ExecutionEngine()
    driver = Driver(
        engine,
        venue,
        Publisher(bus, log),
        clock=clock,
        log=log,
        metrics=ExecutorMetrics(ServiceMetrics("executor", version="1", mode="dry")),
        post_concurrency=1,
    )
    halted: list[str] = []
    keeper = HeartbeatSender(
        venue,
        driver,
        bus,
        account="main",
        peers=("feed",),
        clock=clock,
        log=log,
        health=Health(),
        halted=lambda: bool(halted),
    )
    assert keeper.view() == {
        "age_s": None,
        "failures": 0,
        "placing": False,
        "clock_skew_s": None,
        "unhealthy": ["not asked yet"],
    }
    keeper.close_gate()
    assert engine.refuses == "no heartbeat: not asked yet"
    await bus.put(keys.alive("main", "feed"), b'{"ready":true}')
    running = asyncio.create_task(keeper.run())
    await eventually(lambda: keeper.view()["placing"], "a beat was accepted")
    age_s = keeper.age_s()
    assert age_s is not None
    assert 0 <= age_s < 60
    assert (keeper.view()["failures"], keeper.view()["unhealthy"]) == (0, [])
    assert engine.refuses == ""
    halted.append("yes")
    assert keeper.view()["unhealthy"] == ["halted"]
    running.cancel()
    await asyncio.wait({running})
