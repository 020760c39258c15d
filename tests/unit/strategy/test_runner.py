"""One window on a memory bus: a bus that is away for a while, and readers that fail."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from pmcore.engine.strategy.journal import JournalHeader
from pmcore.machines.inventory import Inventory
from pmcore.messages.base import Envelope
from pmcore.messages.execution import WindowFlat
from pmcore.messages.gate import PlacingGateChanged
from pmcore.messages.market_data import BookCheckpoint, FeedState, FeedStatusChanged
from pmcore.messages.orders import CancelWindow, SubmitOrder
from pmcore.messages.union import StreamMessage
from pmcore.messages.user import FillReported, UserChannelChanged, UserChannelState
from pmcore.model.errors import TransportError
from pmcore.model.market import Outcome
from pmcore.shell.clock import Clock
from pmcore.shell.service.logs import configure_logs
from pmcore.shell.service.metrics import ServiceMetrics
from pmcore.shell.service.process import ServiceContext
from pmcore.shell.settings.strategy import StrategySettings
from pmcore.wire import keys
from pmcore.wire.codec import decode_entry
from pmcore.wire.entry_ids import parse_id
from pmcore.wire.ports import Incoming, Outgoing
from pmsim.bus.memory_bus import MemoryBus, MemoryStore
from pmstrategy.metrics import StrategyMetrics
from pmstrategy.runner import WindowRunner
from support.builders import at, book, fill, params, window
from support.venue_peer import eventually

WINDOW = window()
MD, EXE, CMD = keys.md(WINDOW.series), keys.exe(WINDOW.series), keys.cmd(WINDOW.series)
USER = keys.user("main")


class CallsInOrder(MemoryBus):
    """Notes what is asked of `md`, what it gave, and when commands are written."""

    calls: list[str]

    async def read(self, group: str, consumer: str, streams: Any, **options: Any) -> Any:
        if streams == [MD]:
            self.calls.append("asked")
        found = await super().read(group, consumer, streams, **options)
        if streams == [MD] and found:
            self.calls.append("gave")
        return found

    async def publish(self, outgoing: Any, acks: Any = ()) -> Any:
        if any(isinstance(item.message, SubmitOrder) for item in outgoing):
            self.calls.append("orders")
        return await super().publish(outgoing, acks)


class World:
    """The window's other services, in few words."""

    def __init__(self, folder: Path, met: list[Incoming] | None = None) -> None:
        self._met = met
        self.logs = io.StringIO()
        self.clock = Clock.starting_at(at(10), 1.0)
        self.store = MemoryStore(self.clock.now_ns)
        self.bus = MemoryBus(self.store, source="others", run_id="o")
        self.own_bus = CallsInOrder(self.store, source="strategy", run_id="r")
        self.own_bus.calls = []
        metrics = ServiceMetrics("strategy", version="1", mode="sim")
        context = ServiceContext(
            settings=StrategySettings.model_validate({"data_dir": folder, "PM_VENUE": "sim"}),
            clock=self.clock,
            bus=self.own_bus,
            metrics=metrics,
            log=configure_logs("strategy", "debug", self.logs),
            run_id="r",
        )
        header = JournalHeader(
            window=WINDOW, params=params(), run_id="r", warm_start={}, prior_loss_u6=0
        )
        self.lease_token = 3
        self.runner = WindowRunner(
            context, header, StrategyMetrics(metrics), self._unreadable, lambda: self.lease_token
        )

    async def _unreadable(self, item: Incoming) -> bool:
        if self._met is None:
            raise AssertionError(item)
        self._met.append(item)
        return True

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        await self.make_groups()
        task = asyncio.create_task(self.runner.run())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def make_groups(self) -> None:
        await self.bus.create_group(WINDOW.slug, [USER], announce=None)
        await self.bus.create_group(WINDOW.slug, [MD, EXE], announce=None)

    async def say(self, stream: str, *messages: StreamMessage) -> None:
        await self.bus.publish([Outgoing(stream, message) for message in messages])

    async def say_books(self) -> None:
        now_ns, slug = self.clock.now_ns(), WINDOW.slug
        up = book(Outcome.UP, "0.46", "0.48", at_ns=now_ns, slug=slug)
        await self.say(MD, up, book(Outcome.DOWN, "0.51", "0.53", at_ns=now_ns, slug=slug))

    async def say_up(self) -> None:
        now_ns = self.clock.now_ns()
        await self.say(USER, UserChannelChanged(state=UserChannelState.UP, ts_recv_ns=now_ns))
        await self.runner.inject([PlacingGateChanged(open=True, ts_recv_ns=now_ns)])

    def commands(self, kind: type[StreamMessage]) -> list[StreamMessage]:
        entries = self.store.stream(CMD)
        found = (
            decode_entry(CMD, "", entries.fields(entry_id)).message
            for entry_id in entries.after((0, 0), 1_000)
        )
        return [message for message in found if isinstance(message, kind)]

    async def until_said(self, kind: type[StreamMessage], number: int) -> None:
        await eventually(lambda: len(self.commands(kind)) >= number, f"{number} of {kind.__name__}")


def touch(world: World) -> int | None:
    return world.runner.engine.session.books.touch(Outcome.DOWN).bid_e4


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_redis_away_is_waited_out(world: World) -> None:
    async with world.running() as task:
        await world.say_up()
        await world.until_said(CancelWindow, 1)
        await world.say_books()
        await eventually(lambda: touch(world) is not None, "a book")
        world.store.available = False
        await world.runner.inject([WindowFlat(slug=WINDOW.slug, ts_exec_ns=at(10))])
        await eventually(lambda: world.runner.engine.session.orders.alive(), "bids decided on")
        assert world.commands(SubmitOrder) == []
        world.store.available = True
        await world.until_said(SubmitOrder, 2)
        assert not task.done()


async def test_each_command_carries_the_token_of_the_lease_as_it_is_now(world: World) -> None:
    async with world.running():
        await world.say_up()
        await world.until_said(CancelWindow, 1)
        world.lease_token = 4
        await world.say(EXE, WindowFlat(slug=WINDOW.slug, ts_exec_ns=at(10)))
        await world.say_books()
        await world.until_said(SubmitOrder, 2)
    sent = [*world.commands(CancelWindow), *world.commands(SubmitOrder)]
    assert [fields["lease_token"] for fields in map(msgspec.structs.asdict, sent)] == [3, 4, 4]


async def test_an_order_names_the_newest_own_event_that_was_read(world: World) -> None:
    """The executor judges it once it has heard as much."""
    async with world.running():
        await world.say_up()
        await world.until_said(CancelWindow, 1)
        newest = parse_id(await world.bus.tail_id(USER))
        await world.say(EXE, WindowFlat(slug=WINDOW.slug, ts_exec_ns=at(10)))
        await world.say_books()
        await world.until_said(SubmitOrder, 2)
    sent = [msgspec.structs.asdict(order) for order in world.commands(SubmitOrder)]
    assert [fields["account_entry_id"] for fields in sent] == [newest] * 2
    assert newest > (0, 0)


async def test_orders_are_written_before_more_market_data_is_asked_for(world: World) -> None:
    """Asking costs as much as a hop of the order's way."""
    async with world.running():
        await world.say_up()
        await world.until_said(CancelWindow, 1)
        await world.say(EXE, WindowFlat(slug=WINDOW.slug, ts_exec_ns=at(10)))
        await eventually(lambda: world.own_bus.calls[-1:] == ["asked"], "it waits for books")
        await world.say_books()
        await world.until_said(SubmitOrder, 2)
        await eventually(lambda: world.own_bus.calls[-1] == "asked", "it goes on")
    assert world.own_bus.calls[-3:] == ["gave", "orders", "asked"]


async def test_a_dead_reader_ends_the_window_though_the_market_is_loud(world: World) -> None:
    async with world.running() as task:
        await world.say_up()
        await world.until_said(CancelWindow, 1)
        await world.bus.destroy_group(WINDOW.slug, [USER])
        async with asyncio.timeout(10):
            while not task.done():
                await world.say_books()
                await asyncio.sleep(0.005)
        assert isinstance(task.exception(), TransportError)


def own_fill(world: World, number: int) -> FillReported:
    """Five Up shares, as an earlier run bought them."""
    return fill(Outcome.UP, "5", "0.47", trade_id=f"t{number}", at_ns=world.clock.now_ns())


def user_state(world: World, state: UserChannelState) -> UserChannelChanged:
    return UserChannelChanged(state=state, ts_recv_ns=world.clock.now_ns())


@pytest.mark.parametrize("older", [0, 2_000])
async def test_a_start_decides_nothing_before_it_has_read_what_stood_there(
    world: World, older: int
) -> None:
    """An old UP and an old WindowFlat come first, the own fill last."""
    await world.make_groups()
    foreign = replace(own_fill(world, 0), condition_id="0x" + "cd" * 32)
    await world.say_up()
    await world.say(USER, *[foreign] * older, own_fill(world, 1))
    await world.say(EXE, WindowFlat(slug=WINDOW.slug, ts_exec_ns=at(10)))
    await world.say_books()
    async with world.running():
        await world.until_said(CancelWindow, 1)
        engine = world.runner.engine
        assert engine.session.inventory.working.up.qty_u6 == 5_000_000
        assert not engine.session.flat_check.started_flat  # the old answer is none to this question
        await world.say(EXE, WindowFlat(slug=WINDOW.slug, ts_exec_ns=at(11)))
        await world.say_books()
        await world.until_said(SubmitOrder, 1)
        assert [s.outcome for s in world.commands(SubmitOrder)] == [Outcome.DOWN]  # type: ignore[union-attr] # filtered


async def test_a_doubt_that_ends_does_not_bring_an_older_state_back(world: World) -> None:
    async with world.running():
        user = world.runner.engine.session.user
        await world.say_up()
        await eventually(lambda: user.state is UserChannelState.UP, "up")
        await world.runner.user_trusted("service is not alive")
        await eventually(lambda: user.state is UserChannelState.DOWN, "not believed")
        said = user_state(world, UserChannelState.RECONCILING)
        envelope = Envelope(source="userws", run_id="u", seq=1, ts_pub_ns=0)
        vars(world.runner)["_queue"].put_nowait([Incoming(USER, "9-0", said, envelope)])
        await world.runner.user_trusted("")
        await eventually(lambda: user.state is UserChannelState.RECONCILING, "its newest word")
        await world.say(USER, user_state(world, UserChannelState.UP))
        await eventually(lambda: user.state is UserChannelState.UP, "up again")


async def test_own_events_that_are_missing_are_read_again(world: World) -> None:
    """A number that was skipped: bids go, and the stream is read once more from its beginning."""
    async with world.running():
        session = world.runner.engine.session
        await world.say_up()
        await eventually(lambda: session.user.state is UserChannelState.UP, "up")
        await world.say(USER, own_fill(world, 1))
        await eventually(lambda: len(session.inventory) == 1, "the first fill")
        await world.say(USER, own_fill(world, 2), own_fill(world, 3))
        await eventually(lambda: len(session.inventory) == 3, "the others")
        world.runner.engine.session.inventory = Inventory()  # as if the reader had lost them
        lost = Outgoing(USER, own_fill(world, 4))
        vars(world.bus)["_stamper"].entry(lost, 0)  # its number is used, and it never came
        await world.say(USER, own_fill(world, 5))
        await eventually(lambda: len(session.inventory) == 4, "all that stands in the stream")
        await eventually(lambda: session.user.state is UserChannelState.UP, "up again")


async def keep_early_checkpoint(world: World) -> None:
    """A checkpoint that stands before every entry of `md`."""
    known = BookCheckpoint(
        slug=WINDOW.slug,
        entry_id="0-0",
        state=FeedState.LIVE,
        up=None,
        down=None,
        tick_e4=100,
        ts_recv_ns=at(10),
    )
    stored = msgspec.json.encode(known)
    await world.bus.put_field(keys.checkpoints(WINDOW.series), WINDOW.slug, stored)


async def test_entries_missing_behind_the_checkpoint_are_looked_for_once(world: World) -> None:
    """A hole that Redis' own loss made: no checkpoint behind it will come, and books must wait."""
    async with world.running():
        feed = world.runner.engine.session.feed
        live = FeedStatusChanged(slug=WINDOW.slug, state=FeedState.LIVE, ts_recv_ns=at(10))
        await world.say(MD, live)
        vars(world.bus)["_stamper"].entry(Outgoing(MD, live), 0)  # its number is used, and lost
        await keep_early_checkpoint(world)
        await world.say(MD, live)
        await eventually(lambda: "checkpoint too" in feed.reason, "it waits for whole books")
        assert feed.state is FeedState.RESYNCING
        await world.say(MD, live)
        await eventually(lambda: feed.state is FeedState.LIVE, "the feed says that it is live")


async def test_a_feed_that_begins_anew_behind_a_hole_is_believed(world: World) -> None:
    """After a failover: the checkpoint is older than the hole; break, books and state follow.

    They come in one batch, so the hole is noticed for the second time in that batch.
    """
    async with world.running():
        feed = world.runner.engine.session.feed
        live = FeedStatusChanged(slug=WINDOW.slug, state=FeedState.LIVE, ts_recv_ns=at(10))
        await world.say(MD, live)
        await keep_early_checkpoint(world)
        vars(world.bus)["_stamper"].entry(Outgoing(MD, live), 0)  # its number is used, and lost
        up = book(Outcome.UP, "0.46", "0.48", at_ns=at(10), slug=WINDOW.slug)
        down = book(Outcome.DOWN, "0.51", "0.53", at_ns=at(10), slug=WINDOW.slug)
        broken, whole = replace(live, state=FeedState.RESYNCING), replace(live, reason="whole")
        await world.say(MD, broken, up, down, whole)

        def believed() -> bool:
            return "md_gap" in world.logs.getvalue() and feed.reason == "whole"

        await eventually(believed, "the state behind the hole")
        assert (feed.state, touch(world)) == (FeedState.LIVE, 5_100)


@pytest.mark.parametrize("begins", [True, False])
async def test_own_events_without_their_beginning_halt_the_series(
    tmp_path: Path, begins: bool
) -> None:
    """Redis came back empty: what userws told before is gone, and it does not tell it again."""
    met: list[Incoming] = []
    world = World(tmp_path, met)
    vars(world.bus)["_stamper"].entry(Outgoing(USER, own_fill(world, 1)), 0)
    first = UserChannelState.DOWN if begins else UserChannelState.UP
    async with world.running():
        await world.say(USER, user_state(world, first), own_fill(world, 2))
        await eventually(lambda: len(world.runner.engine.session.inventory) == 1, "a fill")
        assert [item.problem for item in met] == ([] if begins else ["headless"])


async def test_after_a_restart_rest_is_read_again_before_a_bid(world: World) -> None:
    """The earlier run's orders are forgotten; what they bought may not be told yet."""
    await world.make_groups()
    await world.bus.read(WINDOW.slug, "earlier", [USER], block_ms=0)
    async with world.running():
        session = world.runner.engine.session
        await world.say_up()
        await world.until_said(CancelWindow, 1)
        await world.say(EXE, WindowFlat(slug=WINDOW.slug, ts_exec_ns=at(11)))
        await eventually(lambda: session.flat_check.started_flat, "flat")
        await world.say_up()  # this read may have begun before
        waits = vars(vars(world.runner)["_channel"])
        await eventually(lambda: waits["_reads_awaited"] == 1, "one read")
        assert session.user.state is UserChannelState.RECONCILING
        assert "before this start" in session.user.reason
        await world.say_books()
        await world.say(USER, own_fill(world, 1))
        await world.say_up()
        await world.until_said(SubmitOrder, 1)
        assert [s.outcome for s in world.commands(SubmitOrder)] == [Outcome.DOWN]  # type: ignore[union-attr] # filtered


async def test_without_a_journal_the_window_goes_on(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("not a folder")
    world = World(tmp_path)
    async with world.running():
        await world.until_said(CancelWindow, 1)
    assert "journal_failed" in world.logs.getvalue()
