"""Windows that ended while no executor lived, and whose commands are obeyed."""

from __future__ import annotations

import asyncio
import io
from itertools import count
from typing import Any

import msgspec
import pytest

from pmcore.engine.execution.engine import ExecutionEngine
from pmcore.engine.execution.records import OrderRecord
from pmcore.machines.inventory import Inventory
from pmcore.machines.lease import LeaseHolder
from pmcore.messages.execution import OrderSubmitting
from pmcore.messages.orders import CancelOrders, CancelWindow
from pmcore.messages.rotation import WindowAnnounced, WindowResolved
from pmcore.messages.timers import Tick
from pmcore.model.errors import Reason, Sent, TransportError
from pmcore.model.market import Outcome
from pmcore.model.params import OrderCaps
from pmcore.model.units import NS_PER_MS, NS_PER_S, SHARE_U6
from pmcore.shell.clock import Clock
from pmcore.shell.service.logs import configure_logs
from pmcore.shell.service.metrics import ServiceMetrics
from pmcore.wire import keys
from pmcore.wire.entry_ids import EntryId, parse_id
from pmcore.wire.ports import Outgoing
from pmexecutor import windows as windows_module
from pmexecutor.driver import Driver
from pmexecutor.metrics import ExecutorMetrics
from pmexecutor.paper import PaperClob
from pmexecutor.publisher import Publisher
from pmexecutor.windows import ROT_GROUP, SeriesWindows
from pmsim.bus.memory_bus import MemoryBus, MemoryStore
from support.builders import at, fill, window
from support.executions import submit
from support.paper import NO_LATENCY
from support.venue_peer import eventually

MARKET = window()
ROT, CMD, MD = keys.rot(MARKET.series), keys.cmd(MARKET.series), keys.md(MARKET.series)
USER = keys.user("default")
GROUP = keys.window_group(MARKET.slug, "executor")
NET_OF_TEN = OrderCaps(
    bid_size_u6=5 * SHARE_U6, max_position_value_u6=100 * SHARE_U6, max_net_diff_u6=10 * SHARE_U6
)
LATER = count(1)
SAID = Outgoing(ROT, WindowAnnounced(window=MARKET, ts_recv_ns=0))


def make_windows(
    at_s: float,
    *,
    fenced: bool = False,
    caps: OrderCaps | None = None,
    store: MemoryStore | None = None,
) -> tuple[SeriesWindows, AccountAway]:
    clock = Clock.starting_at(at(at_s), 1.0)
    log = configure_logs("executor", "debug", io.StringIO())
    bus = AccountAway(store or MemoryStore(clock.now_ns), source="executor", run_id="r")
    metrics = ExecutorMetrics(ServiceMetrics("executor", version="1", mode="dry"))
    driver = Driver(
        ExecutionEngine(caps=caps, fenced=fenced, awaits_account=True),
        PaperClob(NO_LATENCY, clock, lambda _: None),
        Publisher(bus, log),
        clock=clock,
        log=log,
        metrics=metrics,
        post_concurrency=1,
    )
    handles = SeriesWindows(
        series=MARKET.series,
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
    return handles, bus


class AccountAway(MemoryBus):
    """The server of the account's stream is away alone while `away`, or slow: it waits for `go`.

    All are away from the recovery of the group `all_away_at` on.
    """

    away = False
    all_away_at = ""
    asked = 0
    go: asyncio.Event | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.calls: list[str] = []
        """What was asked of `cmd`, what it gave, and orders that were recorded."""

    async def publish(self, outgoing: Any, acks: Any = ()) -> Any:
        if any(isinstance(item.message, OrderSubmitting) for item in outgoing):
            self.calls.append("recorded")
        return await super().publish(outgoing, acks)

    async def read(self, group: str, consumer: str, streams: Any, **options: Any) -> Any:
        if self.away and streams == [USER]:
            raise TransportError("redis: CLUSTERDOWN", retryable=True, sent=Sent.NO)
        if streams == [CMD]:
            self.calls.append("asked")
        found = await super().read(group, consumer, streams, **options)
        if streams == [CMD] and found:
            self.calls.append("gave")
        if streams == [USER] and self.go is not None:
            self.asked += 1
            await self.go.wait()
        return found

    async def recover(self, group: str, *args: Any, **options: Any) -> Any:
        if group == self.all_away_at:
            vars(self)["_store"].available = False
        return await super().recover(group, *args, **options)

    async def create_group(self, group: str, streams: Any, **options: Any) -> None:
        if self.away and streams == [USER]:
            raise TransportError("redis: CLUSTERDOWN", retryable=True, sent=Sent.NO)
        await super().create_group(group, streams, **options)


def bid(
    handles: SeriesWindows,
    order: str,
    *,
    outcome: Outcome = Outcome.UP,
    knowing: EntryId | None = None,
) -> Outgoing:
    """`knowing`: the newest entry of `user` that its strategy had read; else one of later."""
    now_ns = handles.clock.now_ns()
    command = submit(order, at_ns=now_ns, expires_s=60.0, outcome=outcome)
    known = knowing or (now_ns // NS_PER_MS + 60_000, next(LATER))
    return Outgoing(CMD, msgspec.structs.replace(command, account_entry_id=known))


def cancel(handles: SeriesWindows, *orders: str) -> Outgoing:
    now_ns = handles.clock.now_ns()
    command = CancelOrders(
        slug=MARKET.slug, client_order_ids=orders, reason="toxic", ts_step_ns=now_ns
    )
    return Outgoing(CMD, command)


def record_of(handles: SeriesWindows, order: str) -> OrderRecord | None:
    """Of an order that was not forgotten."""
    window_record = vars(handles.driver.engine)["_state"].windows.get(MARKET.slug)
    record: OrderRecord | None = window_record and window_record.orders.get(order)
    return record


def state_of(handles: SeriesWindows, order: str) -> str:
    record = record_of(handles, order)
    if record is None:
        return ""
    return "unheard" if record.unheard and record.state != "done" else record.state.value


async def inventory_of(handles: SeriesWindows) -> Inventory:
    """Of the window, once it was joined."""
    await eventually(lambda: MARKET.slug in handles.driver.engine.slugs, "it is joined")
    record = vars(handles.driver.engine)["_state"].windows[MARKET.slug]
    found: Inventory = record.inventory
    return found


async def until_all_is_heard(bus: MemoryBus, running: asyncio.Task[None]) -> None:
    async with asyncio.timeout(10):
        while True:
            assert not running.done(), running.exception()
            groups = [group for group in await bus.groups(ROT) if group.name == ROT_GROUP]
            if groups and groups[0].last_delivered_id != "0-0" and not groups[0].pending:
                return
            await asyncio.sleep(0.005)  # asks the bus, which rings no bell


async def groups_left(bus: MemoryBus) -> list[str]:
    streams = (CMD, MD, keys.user("default"))
    return [group.name for stream in streams for group in await bus.groups(stream)]


async def test_a_stale_window_is_not_joined_and_its_groups_are_destroyed() -> None:
    handles, bus = make_windows(900 + 61)
    await bus.create_group(GROUP, [CMD, MD], announce=SAID)
    running = asyncio.create_task(handles.run())
    await until_all_is_heard(bus, running)
    assert handles.handles == {}
    assert await groups_left(bus) == []
    running.cancel()
    await asyncio.wait({running})


@pytest.mark.parametrize("destroyed", [[CMD], [CMD, MD], [CMD, MD, keys.user("default")]])
async def test_a_run_that_ended_while_it_left_a_window_does_not_end_the_next_one(
    destroyed: list[str],
) -> None:
    """It was killed after it had destroyed the window's groups, before it acknowledged that."""
    handles, bus = make_windows(900 + 61)
    await bus.create_group(GROUP, [CMD, MD], announce=SAID)
    await bus.create_group(GROUP, [keys.user("default")], announce=None)
    await bus.create_group(ROT_GROUP, [ROT], start="0", announce=None)
    assert await bus.read(ROT_GROUP, "one", [ROT], block_ms=0)
    await bus.destroy_group(GROUP, destroyed)
    running = asyncio.create_task(handles.run())
    await until_all_is_heard(bus, running)
    assert handles.handles == {}
    assert await groups_left(bus) == []
    running.cancel()
    await asyncio.wait({running})


async def test_a_restart_knows_that_a_window_was_resolved() -> None:
    """Else it would keep the window, and an order that may never have arrived, for minutes."""
    handles, bus = make_windows(900 + 20)
    await bus.create_group(GROUP, [CMD, MD], announce=SAID)
    running = asyncio.create_task(handles.run())
    await eventually(lambda: MARKET.slug in handles.handles, "it is joined")
    over = WindowResolved(slug=MARKET.slug, winner=None, ts_recv_ns=0)
    await bus.publish([Outgoing(ROT, over)])
    await eventually(lambda: handles.handles[MARKET.slug].over_ns, "it is over")
    running.cancel()
    await asyncio.wait({running})
    again, _ = make_windows(900 + 20, store=vars(bus)["_store"])
    running = asyncio.create_task(again.run())
    await eventually(lambda: MARKET.slug in again.handles, "it is joined again")
    await eventually(lambda: again.handles[MARKET.slug].over_ns, "it is over still")
    running.cancel()
    await asyncio.wait({running})


async def test_a_new_holder_is_obeyed_before_the_next_look_and_the_old_one_no_more() -> None:
    handles, bus = make_windows(10, fenced=True)
    clock, driver, metrics = handles.clock, handles.driver, handles.metrics
    await bus.create_group(GROUP, [CMD, MD], announce=SAID)

    async def hold(token: int) -> None:
        await bus.put(keys.lease(MARKET.series), msgspec.json.encode(LeaseHolder("d", "r", token)))

    async def command(order: str, token: int) -> None:
        sent = submit(order, at_ns=clock.now_ns(), expires_s=60.0, lease_token=token)
        await bus.publish([Outgoing(CMD, sent)])

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


@pytest.mark.parametrize("why", ["it expired", "Redis does not tell"])
async def test_a_series_whose_strategy_is_gone_has_nothing_at_the_venue(
    why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the server of its keys is away alone, and heartbeats go on."""
    monkeypatch.setattr(windows_module, "RENEW_S", 0.01)
    monkeypatch.setattr(windows_module, "LEASE_UNSEEN_S", 0.05)
    handles, bus = make_windows(10, fenced=True)
    await bus.create_group(GROUP, [CMD, MD], announce=SAID)
    lease = keys.lease(MARKET.series)
    await bus.put(lease, msgspec.json.encode(LeaseHolder("d", "r", 3)))
    running = asyncio.create_task(handles.run())
    sent = submit("a", at_ns=handles.clock.now_ns(), expires_s=60.0, lease_token=3)
    await bus.publish([Outgoing(CMD, sent)])
    engine = handles.driver.engine
    await eventually(lambda: "'a'" in str(engine.view()["windows"]), "the order")

    async def away(*_: object) -> None:
        raise TransportError("redis: CLUSTERDOWN", retryable=True, sent=Sent.NO)

    if why == "it expired":
        await bus.delete(lease)
    else:
        monkeypatch.setattr(bus, "get", away)
    record = vars(engine)["_state"].windows[MARKET.slug].live["a"]
    await eventually(lambda: record.deny, "it is taken back")
    assert record.deny[0] is Reason.NO_LEASE
    running.cancel()
    await asyncio.wait({running})


async def test_the_lease_is_watched_while_a_window_of_an_earlier_run_is_joined(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What another window of the series has at the venue is taken back in time."""
    monkeypatch.setattr(windows_module, "RENEW_S", 0.01)
    monkeypatch.setattr(windows_module, "LEASE_UNSEEN_S", 0.05)
    handles, bus = make_windows(10, fenced=True)
    await bus.create_group(GROUP, [CMD, MD], announce=SAID)
    await bus.create_group(ROT_GROUP, [ROT], start="0", announce=None)
    assert await bus.read(ROT_GROUP, "one", [ROT], block_ms=0)
    await bus.put(keys.lease(MARKET.series), msgspec.json.encode(LeaseHolder("d", "r", 3)))
    bus.all_away_at = GROUP
    running = asyncio.create_task(handles.run())
    leases = vars(handles.driver.engine)["_state"].leases
    await eventually(lambda: leases.get(MARKET.series) == 3, "the holder is known")
    await eventually(lambda: leases[MARKET.series] == 0, "Redis does not tell any more")
    running.cancel()
    await asyncio.wait({running})


async def test_a_cancel_does_not_wait_for_what_the_account_tells() -> None:
    """The server of the account's stream may be away alone; a bid waits until it was read."""
    handles, bus = make_windows(10)
    await bus.create_group(GROUP, [CMD, MD], announce=SAID)
    running = asyncio.create_task(handles.run())
    await bus.publish([bid(handles, "a")])
    await eventually(lambda: state_of(handles, "a") == "recording", "the order is on its way")
    bus.away = True
    await bus.publish([cancel(handles, "a"), bid(handles, "b")])
    known = record_of(handles, "a")
    assert known is not None
    await eventually(lambda: known.deny, "it is to be cancelled")
    await eventually(lambda: state_of(handles, "b") == "unheard", "the bid was read")
    await bus.publish([cancel(handles, "b"), bid(handles, "c")])
    await eventually(lambda: state_of(handles, "b") == "done", "a bid that waits is cancelled")
    await eventually(lambda: state_of(handles, "c") == "unheard", "the next bid was read")
    bus.away = False
    await eventually(lambda: state_of(handles, "c") == "recording", "the bid that waited")
    assert state_of(handles, "b") == "done"
    running.cancel()
    await asyncio.wait({running})


async def test_a_bid_that_came_during_a_reading_waits_for_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(windows_module, "BLOCK_MS", 10)
    handles, bus = make_windows(10, caps=NET_OF_TEN)
    await bus.create_group(GROUP, [CMD, MD], announce=SAID)
    running = asyncio.create_task(handles.run())
    bus.go = asyncio.Event()
    await eventually(lambda: bus.asked == 1, "a reading that found nothing is under way")
    told = [fill(Outcome.UP, "5", "0.40", trade_id=f"t{n}", order_hash=f"0x{n}") for n in (1, 2)]
    await bus.publish([Outgoing(USER, message) for message in told])
    await bus.publish([bid(handles, "a")])
    await eventually(lambda: state_of(handles, "a") == "unheard", "the bid was read")
    bus.go.set()
    await eventually(lambda: state_of(handles, "a") != "unheard", "it is judged")
    assert state_of(handles, "a") == "done"
    running.cancel()
    await asyncio.wait({running})


async def test_a_bid_whose_strategy_knew_no_more_is_judged_at_once() -> None:
    """Nobody is asked then, though the account's server is silent; else it waits."""
    handles, bus = make_windows(10, caps=NET_OF_TEN)
    await bus.create_group(GROUP, [CMD, MD], announce=SAID)
    running = asyncio.create_task(handles.run())
    inventory = await inventory_of(handles)
    await bus.publish([Outgoing(USER, fill(Outcome.UP, "5", "0.40", trade_id="t1"))])
    await eventually(lambda: inventory.working.up.qty_u6 == 5 * SHARE_U6, "the fill is counted")
    first = parse_id(await bus.tail_id(USER))
    bus.go = asyncio.Event()  # no reading of the account comes to an end
    told = fill(Outcome.UP, "5", "0.40", trade_id="t2", order_hash="0x2")
    await bus.publish([Outgoing(USER, told)])
    second = parse_id(await bus.tail_id(USER))
    await bus.publish([bid(handles, "a", outcome=Outcome.DOWN, knowing=first)])
    await eventually(lambda: state_of(handles, "a") == "recording", "nobody was asked")
    await bus.publish([bid(handles, "b", knowing=second)])
    await eventually(lambda: state_of(handles, "b") == "unheard", "it rests on more")
    bus.go.set()
    await eventually(lambda: state_of(handles, "b") == "done", "its limits count the second fill")
    assert handles.metrics.rejections == {"risk": 1}
    running.cancel()
    await asyncio.wait({running})


async def test_an_order_is_recorded_before_more_commands_are_asked_for() -> None:
    """Asking costs as much as a hop of the order's way."""
    handles, bus = make_windows(10)
    await bus.create_group(GROUP, [CMD, MD], announce=SAID)
    publishing = asyncio.create_task(vars(handles.driver)["_publisher"].run())
    running = asyncio.create_task(handles.run())
    await eventually(lambda: bus.calls[-1:] == ["asked"], "it waits for commands")
    await MemoryBus(vars(bus)["_store"], source="strategy", run_id="s").publish(
        [bid(handles, "a", knowing=(0, 0))]
    )
    await eventually(lambda: bus.calls[-1] == "asked" and "recorded" in bus.calls, "it goes on")
    assert bus.calls[-3:] == ["gave", "recorded", "asked"]
    for task in (running, publishing):
        task.cancel()
        await asyncio.wait({task})


async def test_what_the_account_told_long_before_the_window_needs_no_reading() -> None:
    """The strategy read it from the stream's beginning; it is about other windows."""
    handles, bus = make_windows(10)
    bus.go = asyncio.Event()  # no reading of the account comes to an end
    await bus.create_group(GROUP, [CMD, MD], announce=SAID)
    running = asyncio.create_task(handles.run())
    await bus.publish([bid(handles, "a", knowing=(1, 0))])
    await eventually(lambda: state_of(handles, "a") == "recording", "nobody was asked")
    running.cancel()
    await asyncio.wait({running})


async def test_what_redis_has_lost_of_the_account_is_waited_for_once() -> None:
    handles, bus = make_windows(10)
    await bus.create_group(GROUP, [CMD, MD], announce=SAID)
    running = asyncio.create_task(handles.run())
    await inventory_of(handles)
    lost = (handles.clock.now_ns() // 1_000_000 + 60_000, 0)
    await bus.publish([bid(handles, "a", knowing=lost)])
    await eventually(lambda: state_of(handles, "a") == "recording", "there is no such entry")
    bus.go = asyncio.Event()
    await bus.publish([bid(handles, "b", outcome=Outcome.DOWN, knowing=lost)])
    await eventually(lambda: state_of(handles, "b") == "recording", "that is known now")
    running.cancel()
    await asyncio.wait({running})


async def test_what_redis_has_lost_is_given_up_though_the_order_has_expired(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(windows_module, "BLOCK_MS", 100)
    handles, bus = make_windows(10)
    await bus.create_group(GROUP, [CMD, MD], announce=SAID)
    running = asyncio.create_task(handles.run())
    await inventory_of(handles)
    lost = (handles.clock.now_ns() // NS_PER_MS + 60_000, 0)
    hasty = submit("a", at_ns=handles.clock.now_ns(), expires_s=0.02)
    await bus.publish([Outgoing(CMD, msgspec.structs.replace(hasty, account_entry_id=lost))])
    known = handles.handles[MARKET.slug]
    await eventually(lambda: known.named_id == lost, "the order was read")

    def has_expired() -> bool:
        handles.driver.feed(Tick())
        return state_of(handles, "a") == "done"

    await eventually(has_expired, "it has expired")
    assert known.heard_id < lost
    await eventually(lambda: known.heard_id == lost, "the next order does not wait for it")
    running.cancel()
    await asyncio.wait({running})


async def test_a_bid_is_judged_by_all_that_the_account_told_before_it_was_read() -> None:
    handles, bus = make_windows(10, caps=NET_OF_TEN)
    await bus.create_group(GROUP, [CMD, MD], announce=SAID)
    running = asyncio.create_task(handles.run())
    await bus.publish([bid(handles, "a", outcome=Outcome.DOWN)])
    await eventually(lambda: state_of(handles, "a") == "recording", "the order is on its way")
    bus.away = True
    told = [fill(Outcome.UP, "5", "0.40", trade_id=f"t{n}", order_hash=f"0x{n}") for n in (1, 2)]
    await bus.publish([Outgoing(USER, message) for message in told])
    await bus.publish([bid(handles, "b")])
    await eventually(lambda: state_of(handles, "b") == "unheard", "the bid was read")
    bus.away = False
    await eventually(lambda: state_of(handles, "b") == "done", "the bid is refused")
    assert handles.metrics.rejections == {"risk": 1}
    running.cancel()
    await asyncio.wait({running})


async def test_the_account_is_heard_when_no_command_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(windows_module, "BLOCK_MS", 10)
    handles, bus = make_windows(10)
    await bus.create_group(GROUP, [CMD, MD], announce=SAID)
    running = asyncio.create_task(handles.run())
    inventory = await inventory_of(handles)
    await bus.publish([Outgoing(USER, fill(Outcome.UP, "5", "0.40"))])
    await eventually(lambda: inventory.working.up.qty_u6 == 5 * SHARE_U6, "the fill is counted")
    running.cancel()
    await asyncio.wait({running})


async def test_a_window_is_joined_and_cancelled_while_the_account_is_away() -> None:
    handles, bus = make_windows(10)
    bus.away = True
    await bus.create_group(GROUP, [CMD, MD], announce=SAID)
    over = CancelWindow(slug=MARKET.slug, reason="start", ts_step_ns=handles.clock.now_ns())
    await bus.publish([bid(handles, "a"), Outgoing(CMD, over)])
    running = asyncio.create_task(handles.run())
    await eventually(lambda: state_of(handles, "a") == "done", "nothing is left behind the sweep")
    bus.away = False
    running.cancel()
    await asyncio.wait({running})
