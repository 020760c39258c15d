"""Redis is away for a moment, or for good, while the executor follows a rotation."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from pmcore.engine.execution.engine import ExecutionEngine
from pmcore.messages.orders import CancelWindow
from pmcore.messages.rotation import WindowAnnounced
from pmcore.model.errors import Sent, TransportError
from pmcore.model.market import Window
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
from support.paper import NO_LATENCY

SERIES = window().series
ROT, CMD = keys.rot(SERIES), keys.cmd(SERIES)


class FaultyBus(MemoryBus):
    """Makes Redis go away just before one call of a method; `until_missed` waits for that."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store, source="executor", run_id="r")
        self._own_store = store
        self._method = ""
        self._refuses = False
        self._missed = asyncio.Event()

    def fail_next(self, method: str, *, refuses: bool = False) -> None:
        """Redis is away at the next call, or answers with an error that no waiting mends."""
        self._method, self._refuses = method, refuses

    async def until_missed(self) -> None:
        await self._missed.wait()
        self._own_store.available = True

    @contextmanager
    def _around(self, method: str) -> Iterator[None]:
        if self._method != method:
            yield
            return
        self._method = ""
        if self._refuses:
            raise TransportError("redis: WRONGTYPE", retryable=False, sent=Sent.NO)
        self._own_store.available = False
        self._own_store.change()
        try:
            yield
        finally:
            self._missed.set()

    async def create_group(self, *args, **options) -> None:  # type: ignore[no-untyped-def]
        with self._around("create_group"):
            await super().create_group(*args, **options)

    async def destroy_group(self, *args) -> None:  # type: ignore[no-untyped-def]
        with self._around("destroy_group"):
            await super().destroy_group(*args)

    async def recover(self, group, *args, **options):  # type: ignore[no-untyped-def]
        with self._around("recover" if group == ROT_GROUP else "recover_window"):
            return await super().recover(group, *args, **options)

    async def ack(self, *args) -> None:  # type: ignore[no-untyped-def]
        with self._around("ack"):
            await super().ack(*args)


class World:
    """One executor's windows of a series; `other` is the feed's and strategy's bus."""

    def __init__(self, at_s: float = 1.0) -> None:
        self.clock = Clock.starting_at(at(at_s), 1.0)
        self.store = MemoryStore(self.clock.now_ns)
        self.bus = FaultyBus(self.store)
        self.other = MemoryBus(self.store, source="feed", run_id="f")
        log = configure_logs("executor", "debug", io.StringIO())
        metrics = ExecutorMetrics(ServiceMetrics("executor", version="1", mode="dry"))
        self.publisher = Publisher(self.bus, log)
        self.driver = Driver(
            ExecutionEngine(awaits_account=True),
            PaperClob(NO_LATENCY, self.clock, lambda _: None),
            self.publisher,
            clock=self.clock,
            log=log,
            metrics=metrics,
            post_concurrency=1,
        )
        self.windows = SeriesWindows(
            series=SERIES,
            bus=self.bus,
            driver=self.driver,
            consumer="one",
            clock=self.clock,
            log=log,
            metrics=metrics,
            linger_ns=60 * NS_PER_S,
            account="default",
            paper=None,
        )

    async def announce(self, market: Window) -> None:
        said = Outgoing(ROT, WindowAnnounced(window=market, ts_recv_ns=0))
        group = keys.window_group(market.slug, "executor")
        streams = [CMD, keys.md(SERIES)]
        await self.other.create_group(group, streams, announce=said)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(self.windows.run())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def until(self, task: asyncio.Task[None], holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():
                if task.done():
                    task.result()
                await asyncio.sleep(0.005)

    def pending(self, stream: str, group: str) -> int | None:
        known = self.store.streams.get(stream)
        found = known.groups.get(group) if known is not None else None
        return None if found is None else len(found.pending)


@pytest.mark.parametrize("call", ["create_group", "recover", "recover_window"])
async def test_an_announcement_is_not_lost_while_redis_is_away_for_a_moment(call: str) -> None:
    world = World()
    await world.announce(window())
    world.bus.fail_next(call)
    async with world.running() as task:
        async with asyncio.timeout(10):
            await world.bus.until_missed()
        handles = world.windows.handles
        await world.until(task, lambda: any(handle.tasks for handle in handles.values()))
        assert window().slug in world.driver.engine.slugs
        assert world.pending(ROT, ROT_GROUP) == 1  # acknowledged only when the window is over


@pytest.mark.parametrize("call", ["destroy_group", "ack"])
async def test_a_stale_announcement_is_settled_after_redis_was_away(call: str) -> None:
    world = World(at_s=900 + 61)
    await world.announce(window())
    world.bus.fail_next(call)
    async with world.running() as task:
        async with asyncio.timeout(10):
            await world.bus.until_missed()
        group = keys.window_group(window().slug, "executor")
        await world.until(task, lambda: world.pending(ROT, ROT_GROUP) == 0)
        assert world.pending(CMD, group) is None


async def test_an_entry_of_another_window_is_acknowledged_after_redis_was_away() -> None:
    world = World()
    await world.announce(window())
    group = keys.window_group(window().slug, "executor")
    async with world.running() as task:
        await world.until(task, lambda: window().slug in world.windows.handles)
        world.bus.fail_next("ack")
        foreign = CancelWindow(slug="another", reason="end", ts_step_ns=0)
        await world.other.publish([Outgoing(CMD, foreign)])
        async with asyncio.timeout(10):
            await world.bus.until_missed()
        await world.until(task, lambda: world.pending(CMD, group) == 0)
        assert world.publisher.queued == 0  # the engine has not heard of it, and answers nothing


@pytest.mark.parametrize("call", ["destroy_group", "ack"])
async def test_a_window_that_is_over_is_settled_after_redis_was_away(call: str) -> None:
    world = World(at_s=900 + 59.5)
    await world.announce(window())
    world.bus.fail_next(call)
    async with world.running() as task:
        async with asyncio.timeout(10):
            await world.bus.until_missed()
        await world.until(task, lambda: not world.windows.handles)
        assert world.pending(ROT, ROT_GROUP) == 0
        assert world.pending(CMD, keys.window_group(window().slug, "executor")) is None


async def test_a_group_that_vanished_ends_the_executor_with_its_reason() -> None:
    world = World()
    async with world.running() as task:
        await world.until(task, lambda: world.pending(ROT, ROT_GROUP) is not None)
        world.store.delete_stream(ROT)
        async with asyncio.timeout(10):
            await asyncio.wait({task})
        with pytest.RaisesGroup(pytest.RaisesExc(Exception, match="no group executor")):
            task.result()


@pytest.mark.parametrize("call", ["destroy_group", "ack"])
async def test_an_error_that_waiting_does_not_mend_ends_the_executor(call: str) -> None:
    world = World(at_s=900 + 59.5)
    await world.announce(window())
    world.bus.fail_next(call, refuses=True)
    async with world.running() as task:
        async with asyncio.timeout(10):
            await asyncio.wait({task})
        with pytest.RaisesGroup(pytest.RaisesExc(TransportError, match="WRONGTYPE")):
            task.result()
