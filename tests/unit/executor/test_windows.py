"""Windows that ended while no executor lived, and whose commands are obeyed."""

from __future__ import annotations

import asyncio
import io

import msgspec

from pmcore.engine.execution.engine import ExecutionEngine
from pmcore.machines.lease import LeaseHolder
from pmcore.messages.rotation import WindowAnnounced
from pmcore.model.units import NS_PER_S
from pmcore.shell.clock import Clock
from pmcore.shell.service.logs import configure_logs
from pmcore.shell.service.metrics import ServiceMetrics
from pmcore.wire import keys
from pmcore.wire.ports import Outgoing
from pmexecutor.driver import Driver
from pmexecutor.metrics import ExecutorMetrics
from pmexecutor.paper import PaperClob
from pmexecutor.publisher import Publisher
from pmexecutor.windows import ROT_GROUP, SeriesWindows
from pmsim.bus.memory_bus import MemoryBus, MemoryStore
from support.builders import at, window
from support.executions import submit
from support.venue_peer import eventually


async def test_a_stale_window_is_not_joined_and_its_groups_are_destroyed() -> None:
    clock = Clock.starting_at(at(900 + 61), 1.0)
    log = configure_logs("executor", "debug", io.StringIO())
    bus = MemoryBus(MemoryStore(clock.now_ns), source="executor", run_id="r")
    metrics = ExecutorMetrics(ServiceMetrics("executor", version="1", mode="dry"))
    driver = Driver(
        ExecutionEngine(),
        PaperClob(0, clock, lambda _: None),
        Publisher(bus, log),
        clock=clock,
        log=log,
        metrics=metrics,
        post_concurrency=1,
    )
    stale = window()
    handles = SeriesWindows(
        series=stale.series,
        bus=bus,
        driver=driver,
        consumer="one",
        clock=clock,
        log=log,
        metrics=metrics,
        linger_ns=60 * NS_PER_S,
        account="default",
        paper=None,
    )
    rot, cmd, md = keys.rot(stale.series), keys.cmd(stale.series), keys.md(stale.series)
    said = Outgoing(rot, WindowAnnounced(window=stale, ts_recv_ns=0))
    await bus.create_group(keys.window_group(stale.slug, "executor"), [cmd, md], announce=said)
    running = asyncio.create_task(handles.run())

    async def all_heard() -> bool:
        groups = [group for group in await bus.groups(rot) if group.name == ROT_GROUP]
        return bool(groups) and groups[0].last_delivered_id != "0-0" and not groups[0].pending

    async with asyncio.timeout(10):
        while not await all_heard():  # noqa: ASYNC110 - asks the bus, which rings no bell
            await asyncio.sleep(0.005)
    assert handles.handles == {}
    assert [group.name for group in await bus.groups(cmd)] == []
    assert [group.name for group in await bus.groups(md)] == []
    running.cancel()
    await asyncio.wait({running})


async def test_a_new_holder_is_obeyed_before_the_next_look_and_the_old_one_no_more() -> None:
    clock = Clock.starting_at(at(10), 1.0)
    log = configure_logs("executor", "debug", io.StringIO())
    bus = MemoryBus(MemoryStore(clock.now_ns), source="executor", run_id="r")
    metrics = ExecutorMetrics(ServiceMetrics("executor", version="1", mode="dry"))
    driver = Driver(
        ExecutionEngine(fenced=True),
        PaperClob(0, clock, lambda _: None),
        Publisher(bus, log),
        clock=clock,
        log=log,
        metrics=metrics,
        post_concurrency=1,
    )
    market = window()
    handles = SeriesWindows(
        series=market.series,
        bus=bus,
        driver=driver,
        consumer="one",
        clock=clock,
        log=log,
        metrics=metrics,
        linger_ns=60 * NS_PER_S,
        account="default",
        paper=None,
    )
    rot, cmd, md = keys.rot(market.series), keys.cmd(market.series), keys.md(market.series)
    said = Outgoing(rot, WindowAnnounced(window=market, ts_recv_ns=0))
    await bus.create_group(keys.window_group(market.slug, "executor"), [cmd, md], announce=said)

    async def hold(token: int) -> None:
        await bus.put(keys.lease(market.series), msgspec.json.encode(LeaseHolder("d", "r", token)))

    async def command(order: str, token: int) -> None:
        sent = submit(order, at_ns=clock.now_ns(), expires_s=60.0, lease_token=token)
        await bus.publish([Outgoing(cmd, sent)])

    def live() -> str:
        return str(driver.engine.view()["windows"])

    await hold(3)
    running = asyncio.create_task(handles.run())
    await command("a", 3)
    await eventually(lambda: "'a'" in live(), "the holder's order")
    await hold(4)
    await command("b", 4)
    await eventually(lambda: "'b'" in live(), "the new holder's order")
    await command("c", 3)
    await eventually(lambda: metrics.rejections["no_lease"] == 1, "the old holder is refused")
    assert "'c'" not in live()
    running.cancel()
    await asyncio.wait({running})
