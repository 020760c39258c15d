"""The driver between the engine and the world: what it keeps, and what it does not survive."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable

import pytest

from pmcore.engine.execution.engine import ExecutionEngine
from pmcore.engine.execution.io import (
    Command,
    ExecutionEvent,
    ExecutionOutput,
    PlacingGate,
    Posted,
    SeriesLease,
    Stop,
)
from pmcore.messages.control import Halt
from pmcore.messages.orders import CancelOrders, CancelWindow
from pmcore.messages.timers import Tick
from pmcore.model.errors import InvariantError
from pmcore.shell.clock import Clock
from pmcore.shell.service.logs import configure_logs
from pmcore.shell.service.metrics import ServiceMetrics
from pmcore.wire import keys
from pmcore.wire.ports import Ack
from pmexecutor.driver import Driver
from pmexecutor.metrics import ExecutorMetrics
from pmexecutor.paper import PaperClob
from pmexecutor.ports import PostAnswer, PreparedOrder
from pmexecutor.publisher import Publisher
from pmsim.bus.memory_bus import MemoryBus, MemoryStore
from support.builders import T0_NS, window
from support.executions import submit
from support.paper import NO_LATENCY
from support.venue_peer import eventually


class BreakingEngine(ExecutionEngine):
    """Breaks at a halt, and only then."""

    def step(self, at_ns: int, event: ExecutionEvent) -> list[ExecutionOutput]:
        if isinstance(event, Halt):
            raise InvariantError("broken")
        return super().step(at_ns, event)


def driver_of(
    engine: ExecutionEngine,
    clock: Clock | None = None,
    venue: PaperClob | None = None,
    refuses: Callable[[], str] = lambda: "",
) -> Driver:
    clock = clock or Clock.starting_at(T0_NS, 1.0)
    log = configure_logs("executor", "debug", io.StringIO())
    bus = MemoryBus(MemoryStore(clock.now_ns), source="executor", run_id="r")
    return Driver(
        engine,
        venue or PaperClob(NO_LATENCY, clock, lambda _: None),
        Publisher(bus, log),
        clock=clock,
        log=log,
        metrics=ExecutorMetrics(ServiceMetrics("executor", version="1", mode="dry")),
        post_concurrency=1,
        refuses=refuses,
    )


async def test_an_engine_that_failed_once_fails_for_everybody() -> None:
    driver = driver_of(BreakingEngine())
    halt = Halt(reason="", by="test", ts_recv_ns=0)
    driver.feed(Tick())
    with pytest.raises(InvariantError):
        driver.feed(halt)
    with pytest.raises(InvariantError):
        driver.feed(Tick())


async def test_an_order_denied_after_it_was_signed_leaves_nothing_behind() -> None:
    engine = ExecutionEngine()
    driver = driver_of(engine)
    driver.join(window())
    async with asyncio.TaskGroup() as tasks:
        driver.start(tasks)
        publishing = tasks.create_task(vars(driver)["_publisher"].run())
        driver.feed(Command("token", submit()))
        assert engine.view()["open_orders"] == 0
        assert len(vars(driver)["_prepared"]) == 1
        driver.feed(PlacingGate(open=False, text="no heartbeat"))
        await vars(driver)["_publisher"].drain()
        await driver.until_flat()
        publishing.cancel()
    assert vars(driver)["_prepared"] == {}


async def test_a_lease_lost_after_the_order_was_recorded_stops_it_before_the_post() -> None:
    venue = SlowVenue(Clock.starting_at(T0_NS, 1.0))
    venue.answers.set()
    why = ["another one holds the lease"]
    driver = driver_of(ExecutionEngine(), venue=venue, refuses=lambda: why[0])
    driver.join(window())
    async with asyncio.TaskGroup() as tasks:
        driver.start(tasks)
        driver.feed(PlacingGate(open=True))
        publishing = tasks.create_task(vars(driver)["_publisher"].run())
        driver.feed(Command("first", submit("a")))
        await vars(driver)["_publisher"].drain()
        await eventually(lambda: not vars(driver)["_prepared"], "the first was treated")
        why[0] = ""
        driver.feed(Command("second", submit("b")))
        await eventually(lambda: bool(venue.sent), "an order is sent")
        publishing.cancel()
    assert venue.sent == ["b"]


async def test_a_series_lease_lost_while_a_post_waits_stops_it() -> None:
    venue = SlowVenue(Clock.starting_at(T0_NS, 1.0))
    driver = driver_of(ExecutionEngine(fenced=True), venue=venue)
    driver.join(window())
    async with asyncio.TaskGroup() as tasks:
        driver.start(tasks)
        driver.feed(SeriesLease(window().series, 5))
        publishing = tasks.create_task(vars(driver)["_publisher"].run())
        driver.feed(Command("first", submit("a", lease_token=5)))
        await eventually(lambda: bool(venue.sent), "the first is being sent")
        driver.feed(Command("second", submit("b", lease_token=5)))
        await eventually(lambda: len(vars(driver)["_prepared"]) == 1, "the second waits")
        await vars(driver)["_publisher"].drain()
        driver.feed(SeriesLease(window().series, 6))
        venue.answers.set()
        await eventually(lambda: not vars(driver)["_prepared"], "the second was treated")
        publishing.cancel()
    assert venue.sent == ["a"]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (Halt(reason="look", by="test", ts_recv_ns=0), "halted"),
        (Stop(), "shutting_down"),
        (PlacingGate(open=False, text="no heartbeat"), "no_heartbeat"),
        (
            Command(
                "cancel",
                CancelOrders(
                    slug=window().slug, client_order_ids=("b",), reason="toxic", ts_step_ns=0
                ),
            ),
            "expired",
        ),
        (
            Command("end", CancelWindow(slug=window().slug, reason="end", ts_step_ns=0)),
            "not_flat",
        ),
    ],
)
async def test_an_order_taken_back_while_its_post_waits_for_a_connection_is_not_sent(
    event: ExecutionEvent, reason: str
) -> None:
    venue = SlowVenue(Clock.starting_at(T0_NS, 1.0))
    driver = driver_of(ExecutionEngine(), venue=venue)
    driver.join(window())
    async with asyncio.TaskGroup() as tasks:
        driver.start(tasks)
        publishing = tasks.create_task(vars(driver)["_publisher"].run())
        driver.feed(Command("first", submit("a")))
        await eventually(lambda: bool(venue.sent), "the first is being sent")
        driver.feed(Command("second", submit("b")))
        await vars(driver)["_publisher"].drain()
        await eventually(lambda: not vars(driver)["_prepared"], "the second waits")
        driver.feed(event)
        venue.answers.set()
        rejections = vars(driver)["_metrics"].rejections
        await eventually(lambda: rejections or "b" in venue.sent, "the second was treated")
        publishing.cancel()
    assert venue.sent == ["a"]
    assert rejections == {reason: 1}


class HandClock(Clock):
    """Shows what the test says."""

    def __init__(self) -> None:
        super().__init__(T0_NS, 0, 1.0)
        self.at_ns = T0_NS

    def now_ns(self) -> int:
        return self.at_ns


class SlowVenue(PaperClob):
    """Takes orders when it is let; keeps which were sent."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(NO_LATENCY, clock, lambda _: None)
        self.sent: list[str] = []
        self.answers = asyncio.Event()

    async def post(self, prepared: PreparedOrder) -> PostAnswer:
        self.sent.append(prepared.command.client_order_id)
        await self.answers.wait()
        return Posted(prepared.command.client_order_id)


@pytest.mark.parametrize(("waited_ns", "sent"), [(999_999_999, ["a", "b"]), (1_000_000_000, ["a"])])
async def test_an_order_that_expires_while_it_waits_for_a_connection_is_not_sent(
    waited_ns: int, sent: list[str]
) -> None:
    clock = HandClock()
    venue = SlowVenue(clock)
    driver = driver_of(ExecutionEngine(), clock, venue)
    driver.join(window())
    async with asyncio.TaskGroup() as tasks:
        driver.start(tasks)
        driver.feed(PlacingGate(open=True))
        publishing = tasks.create_task(vars(driver)["_publisher"].run())
        for token in ("first", "second"):
            driver.track_ack(token, Ack(keys.cmd(window().series), "group", f"{token}-0"))
        driver.feed(Command("first", submit("a", expires_s=1.0)))
        driver.feed(Command("second", submit("b", expires_s=1.0)))
        await vars(driver)["_publisher"].drain()
        await eventually(lambda: venue.sent == ["a"], "the first order is on its way")
        clock.at_ns += waited_ns
        venue.answers.set()
        await eventually(lambda: not vars(driver)["_posts"].locked(), "both were treated")
        await vars(driver)["_publisher"].drain()
        publishing.cancel()
    assert venue.sent == sent
    assert (vars(driver)["_acks"], vars(driver)["_prepared"]) == ({}, {})
    view = driver.engine.view()
    assert view["open_orders"] == len(sent)
    assert vars(driver)["_metrics"].rejections == ({} if len(sent) == 2 else {"expired": 1})
