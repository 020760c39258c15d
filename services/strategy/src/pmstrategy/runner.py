"""One window, live: three readers feed one queue, one loop steps the engine and answers.

Facts (`exe`, `user`) are acknowledged in the transaction that carries the answers to them; `md`
is state and never pending. A start reads `user` from its beginning, so that inventory is rebuilt
from the ledger of trades, and decides nothing before it has read all that stood there and in `exe`
when it joined: an old "up" or "flat" is followed by what happened since. Then it takes the book
checkpoint.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import cast

import msgspec

from pmcore.engine.journal import JournalEnd
from pmcore.engine.strategy.engine import Output, WindowEngine
from pmcore.engine.strategy.journal import JournalEntry, JournalHeader, encode_line
from pmcore.machines.rotation import WindowState
from pmcore.messages.control import Halt
from pmcore.messages.dead_letter import DeadLetter
from pmcore.messages.execution import WindowFlat
from pmcore.messages.market_data import BookCheckpoint, FeedState, FeedStatusChanged
from pmcore.messages.notices import Notice
from pmcore.messages.orders import CommandMessage, MergePairs, SubmitOrder
from pmcore.messages.timers import BatchEnded, Tick
from pmcore.messages.union import EngineEvent
from pmcore.messages.user import UserChannelChanged, UserChannelState
from pmcore.model.units import NS_PER_S
from pmcore.shell.engine_journal import EngineJournal
from pmcore.shell.service.process import ServiceContext
from pmcore.shell.service.tasks import let_others_write, retry_until_answered
from pmcore.shell.settings.common import Mode
from pmcore.shell.settings.strategy import StrategySettings
from pmcore.wire import keys
from pmcore.wire.entry_ids import EntryId, parse_id
from pmcore.wire.ports import Ack, Incoming, Outgoing
from pmstrategy.metrics import StrategyMetrics
from pmstrategy.sequence import Arrival, SequenceWatch
from pmstrategy.user_channel import UserChannelBelief

TICK_MS = 100
BLOCK_MS = 1000
MAX_QUEUED_BATCHES = 256
HEADLESS = "headless"
"""The problem of an own event of which those before it are missing; a start of userws tells all."""
NO_FILLS_BEFORE_OPEN_NS = 3600 * NS_PER_S
"""Nothing older than the window's open, less this, is about the window. Clocks differ by less."""
ANSWERS_BY_NS = 10 * NS_PER_S
"""So long past the close an executor that is there has told that nothing rests."""

Batch = Sequence[Incoming] | Sequence[EngineEvent]


class WindowRunner:
    """Drives one `WindowEngine` until it is finished."""

    def __init__(
        self,
        context: ServiceContext[StrategySettings],
        header: JournalHeader,
        metrics: StrategyMetrics,
        meet_unreadable: Callable[[Incoming], Awaitable[bool]],
        lease_token: Callable[[], int],
    ) -> None:
        self.window = header.window
        self.engine: WindowEngine = header.make_engine()
        self._header = header
        self._context = context
        self._metrics = metrics
        self._bus, self._clock = context.bus, context.clock
        self._meet_unreadable = meet_unreadable
        self._lease_token = lease_token
        self._held: list[EngineEvent] = []
        self._missed: list[EngineEvent] = []
        self._queue: asyncio.Queue[Batch] = asyncio.Queue(MAX_QUEUED_BATCHES)
        self._group = keys.window_group(self.window.slug)
        series, account = self.window.series, context.settings.account
        self._md, self._exe, self._cmd = keys.md(series), keys.exe(series), keys.cmd(series)
        self._user = keys.user(account)
        self._stepped = asyncio.Event()
        self._sequence = SequenceWatch()
        self._sequence.expect_whole(self._user, self.window.open_ns - NO_FILLS_BEFORE_OPEN_NS)
        self._md_gap = False
        self._md_gap_id = ""
        self._user_gap = False
        self._account_id: EntryId = (0, 0)
        self._at_ns = 0
        self._channel = UserChannelBelief()
        self._catching_up = False
        self._journal: EngineJournal | None = None

    async def run(self) -> None:
        """Join, then read and step until settled; `destroy_groups` is for after it was kept."""
        self._open_journal()
        try:
            await self._join()
            readers = {
                stream: self._start_reader(stream) for stream in (self._md, self._exe, self._user)
            }
            try:
                await self._loop(readers)
            finally:
                for reader in readers.values():
                    reader.cancel()
                await asyncio.gather(*readers.values(), return_exceptions=True)
        finally:
            if self._journal is not None:
                self._journal.close(encode_line(JournalEnd(self.engine.fingerprint)))

    async def inject(self, events: Sequence[EngineEvent]) -> None:
        """Hand over events that do not come through the window's own streams."""
        await self._queue.put(list(events))

    def hold(self, halt: Halt) -> None:
        """Take a halt into the next step; may be called from within one."""
        self._held.append(halt)

    async def user_trusted(self, doubt: str) -> None:
        """Why the user channel is not believed now, or "": then its own word counts again."""
        if bool(doubt) == bool(self._channel.doubt):
            return
        self._channel.set_doubt(doubt)
        if doubt:
            self._context.log.warning("user_channel_doubted", slug=self.window.slug, why=doubt)
            await self.inject([self._channel_down(doubt)])

    def _channel_down(self, reason: str) -> UserChannelChanged:
        down = UserChannelState.DOWN
        return UserChannelChanged(state=down, reason=reason, ts_recv_ns=self._clock.now_ns())

    async def withdraw(self, reason: str, timeout_s: float) -> None:
        """Stop quoting: the engine cancels everything; wait until its orders are gone."""
        halt = Halt(reason=reason, by="strategy", ts_recv_ns=self._clock.now_ns())
        await self.inject([halt])
        try:
            async with asyncio.timeout(timeout_s):
                while self._queue.qsize() or self.engine.session.orders.alive():
                    self._stepped.clear()
                    await self._stepped.wait()
        except TimeoutError:
            alive = len(self.engine.session.orders.alive())
            self._context.log.warning("orders_not_confirmed_gone", slug=self._group, orders=alive)

    async def look_for_executor(self) -> None:
        """Say in its place that nothing rests, when it has let the window go long ago.

        It destroys its group only after each order had its end; nobody answers a command then.
        """
        waits = self.engine.session.clock.state is WindowState.CANCELLING
        now_ns = self._clock.now_ns()
        if not waits or now_ns < self.window.close_ns + ANSWERS_BY_NS:
            return
        groups = partial(self._bus.groups, keys.cmd(self.window.series))
        names = {group.name for group in await retry_until_answered(groups)}
        if keys.window_group(self.window.slug, "executor") not in names:
            await self.inject([WindowFlat(slug=self.window.slug, ts_exec_ns=now_ns)])

    async def _join(self) -> None:
        consumer = self._context.settings.consumer
        if self._context.settings.mode is not Mode.DRY and await self._had_a_reader():
            self._channel.await_reads()
        for stream in (self._exe, self._user):
            old = await retry_until_answered(
                partial(self._bus.recover, self._group, consumer, [stream])
            )
            acks = [Ack(i.stream, self._group, i.entry_id) for i in old]
            await retry_until_answered(partial(self._bus.ack, acks))
        await self._catch_up(self._exe)
        await self._read_user_again()
        await self._queue.put(await self._from_checkpoint())

    async def _had_a_reader(self) -> bool:
        """Whether an earlier run joined this window."""
        groups = await retry_until_answered(partial(self._bus.groups, self._user))
        return any(group.name == self._group and group.consumers for group in groups)

    async def _read_user_again(self) -> None:
        """Read `user` from its beginning, up to what is there now; decide nothing meanwhile."""
        await retry_until_answered(partial(self._bus.set_group_id, self._group, self._user, "0-0"))
        self._sequence.forget(self._user)
        await self._catch_up(self._user)
        self._user_gap = False  # a number that is missing now is not in the stream at all

    async def _catch_up(self, stream: str) -> None:
        """Apply what stands in a stream at this moment, without a decision."""
        tail = parse_id(await retry_until_answered(partial(self._bus.tail_id, stream)))
        consumer = self._context.settings.consumer
        read = partial(self._bus.read, self._group, consumer, [stream], block_ms=0)
        self._catching_up = True
        while batch := await retry_until_answered(read):
            await self._step(batch, decide=False)
            if parse_id(batch[-1].entry_id) >= tail:
                break
        self._catching_up = False

    async def _from_checkpoint(self) -> list[EngineEvent]:
        """Set the group behind the newest checkpoint and return what it says.

        Without one the next whole books decide; the feed counts as live until its first message.
        """
        checkpoints = keys.checkpoints(self.window.series)
        stored = await retry_until_answered(partial(self._bus.get_fields, checkpoints))
        if self.window.slug not in stored:
            return [self._feed_state(FeedState.LIVE, "no checkpoint")]
        known = msgspec.json.decode(stored[self.window.slug], type=BookCheckpoint)
        await retry_until_answered(
            partial(self._bus.set_group_id, self._group, self._md, known.entry_id)
        )
        books = [book for book in (known.up, known.down) if book is not None]
        return [*books, self._feed_state(known.state, "checkpoint")]

    def _feed_state(self, state: FeedState, reason: str) -> FeedStatusChanged:
        now_ns = self._clock.now_ns()
        return FeedStatusChanged(
            slug=self.window.slug, state=state, reason=reason, ts_recv_ns=now_ns
        )

    def _miss_md(self, item: Incoming) -> None:
        """Entries are missing before this one, or it cannot be read.

        Start again behind the checkpoint, once. If the same is missing there too, the books wait
        for whole ones: the checkpoint stays where it is while no feed writes a newer one. They may
        follow in the same batch.
        """
        if item.entry_id == self._md_gap_id:
            text = "entries are missing on the bus, behind the checkpoint too"
            self._missed.append(self._feed_state(FeedState.RESYNCING, text))
        else:
            self._md_gap_id = item.entry_id
            self._md_gap = True

    async def _resync_md(self, readers: dict[str, asyncio.Task[None]]) -> None:
        """Entries are missing: drop the books, and start again behind the newest checkpoint."""
        self._context.log.warning("md_gap", slug=self.window.slug)
        readers[self._md].cancel()
        await asyncio.wait({readers[self._md]})
        waiting: list[Incoming | EngineEvent] = []
        while not self._queue.empty():
            waiting += self._queue.get_nowait()
        kept = [i for i in waiting if not (isinstance(i, Incoming) and i.stream == self._md)]
        self._sequence.forget(self._md)
        self._md_gap = False
        gap = self._feed_state(FeedState.RESYNCING, "entries are missing on the bus")
        await self._step([*kept, gap])
        await self._step(await self._from_checkpoint())
        readers[self._md] = self._start_reader(self._md)

    async def _resync_user(self, readers: dict[str, asyncio.Task[None]]) -> None:
        """Own events are missing: withdraw the bids, and read all of them once more."""
        readers[self._user].cancel()
        await asyncio.wait({readers[self._user]})
        reason = "own events are missing on the bus: reading all again"
        await self._step([self._channel_down(reason)])
        await self._read_user_again()
        self._channel.tell_again()
        readers[self._user] = self._start_reader(self._user)

    def _start_reader(self, stream: str) -> asyncio.Task[None]:
        return asyncio.create_task(self._read(stream, noack=stream == self._md))

    async def _read(self, stream: str, *, noack: bool) -> None:
        consumer = self._context.settings.consumer
        read = partial(
            self._bus.read, self._group, consumer, [stream], block_ms=BLOCK_MS, noack=noack
        )
        while True:
            if batch := await retry_until_answered(read):
                await self._queue.put(batch)
                await let_others_write()

    async def _loop(self, readers: dict[str, asyncio.Task[None]]) -> None:
        while not self.engine.finished:
            await self._step(await self._next_batch(readers))
            if self._md_gap:
                await self._resync_md(readers)
            if self._user_gap:
                await self._resync_user(readers)

    async def _next_batch(
        self, readers: dict[str, asyncio.Task[None]]
    ) -> list[Incoming | EngineEvent]:
        """All events that have come, or none after the time of a tick.

        Raise the error of a failed reader.
        """
        for reader in readers.values():
            if reader.done():
                reader.result()
        taken: list[Incoming | EngineEvent] = []
        try:
            async with asyncio.timeout(self._clock.real_s(TICK_MS)):
                taken += await self._queue.get()
        except TimeoutError:
            pass
        while not self._queue.empty():
            taken += self._queue.get_nowait()
        return taken

    async def _step(self, batch: Sequence[Incoming | EngineEvent], *, decide: bool = True) -> None:
        at_ns = self._at_ns = max(self._clock.now_ns(), self._at_ns)
        acks: list[Ack] = []
        letters: list[Outgoing] = []
        events: list[EngineEvent] = []
        for item in batch:
            if not isinstance(item, Incoming):
                events.append(item)
            elif (event := await self._event_of(item, acks, letters)) is not None:
                events.append(event)
            events += self._missed
            self._missed = []
        events += self._held
        self._held = []
        if decide and (said := self._channel.to_tell()) is not None:
            events.append(said)
        outputs: list[Output] = []
        for event in events:
            outputs += self._feed(at_ns, event)
        if decide:
            outputs += self._decide(at_ns, tick=not batch)
        commands = [
            Outgoing(self._cmd, self._under_lease(output))
            for output in outputs
            if not isinstance(output, Notice)
        ]
        if commands or acks or letters:
            # a command that waited for Redis too long expires; a repeated one is known by its id
            await retry_until_answered(partial(self._bus.publish, [*commands, *letters], acks))
        for output in outputs:
            if isinstance(output, Notice):
                self._tell(output)
        self._stepped.set()

    def _under_lease(self, command: CommandMessage) -> CommandMessage:
        """With the lease under which it is sent, and how much of the account it rests on."""
        token = self._lease_token()
        if isinstance(command, SubmitOrder | MergePairs):
            return msgspec.structs.replace(
                command, lease_token=token, account_entry_id=self._account_id
            )
        return msgspec.structs.replace(command, lease_token=token)

    def _decide(self, at_ns: int, *, tick: bool) -> list[Output]:
        outputs = self._feed(at_ns, Tick()) if tick else []
        cause_ns = self.engine.session.cause.received_ns
        if cause_ns:
            self._context.metrics.hop("md_to_decision", at_ns - cause_ns)
        return outputs + self._feed(at_ns, BatchEnded())

    def _feed(self, at_ns: int, event: EngineEvent) -> list[Output]:
        if self._journal is not None:
            self._journal.write(at_ns, encode_line(JournalEntry(at_ns, event)))
        return self.engine.step(at_ns, event)

    async def _event_of(
        self, item: Incoming, acks: list[Ack], letters: list[Outgoing]
    ) -> EngineEvent | None:
        if item.stream != self._md:
            acks.append(Ack(item.stream, self._group, item.entry_id))
        if item.stream == self._user:
            self._account_id = max(self._account_id, parse_id(item.entry_id))
        arrival = self._sequence.judge(item)
        if arrival is Arrival.REPEAT:
            return None
        if item.message is None:
            await self._unusable(item, letters)
            return None
        if arrival is Arrival.GAP and item.stream == self._md:
            self._miss_md(item)
        elif arrival is Arrival.GAP:
            # a producer that published again after Redis was away; facts are acknowledged and
            # said again under a new number, and orders without an answer are cancelled anyway.
            # It may also be ours, so `user` is read once more
            self._context.log.warning("sequence_gap", stream=item.stream, id=item.entry_id)
            self._user_gap |= item.stream == self._user
        elif arrival is Arrival.HEADLESS and not _begins_a_run(item):
            await self._unusable(msgspec.structs.replace(item, problem=HEADLESS), letters)
        if isinstance(item.message, UserChannelChanged):
            flat = self.engine.session.flat_check.started_flat and not self._catching_up
            return self._channel.heard(item.message, flat=flat)
        return cast(EngineEvent, item.message)

    async def _unusable(self, item: Incoming, letters: list[Outgoing]) -> None:
        """Market data recovers by itself.

        For streams about money we stop and leave it to a person.
        """
        if item.stream == self._md:
            self._miss_md(item)
        elif not await self._meet_unreadable(item):
            return
        self._context.log.error(
            "entry_unusable", stream=item.stream, id=item.entry_id, problem=item.problem
        )
        if item.stream == self._md:
            return
        letters.append(
            Outgoing(
                keys.dlq(self.window.series),
                DeadLetter(
                    stream=item.stream,
                    entry_id=item.entry_id,
                    group=self._group,
                    problem=item.problem,
                    raw=item.raw.decode(errors="replace"),
                    ts_recv_ns=self._clock.now_ns(),
                ),
            )
        )

    def _tell(self, notice: Notice) -> None:
        self._metrics.notice(notice)
        self._context.log.info(
            notice.kind.value, slug=notice.slug, reason=notice.reason, detail=notice.detail
        )

    def _open_journal(self) -> None:
        settings = self._context.settings
        if settings.journal:
            folder = settings.data_dir / "journal"
            name = f"{self.window.slug}.{self._header.run_id}"
            header = encode_line(self._header)
            self._journal = EngineJournal(folder, name, header, self._context.log)


def _begins_a_run(item: Incoming) -> bool:
    """Whether nothing but refused writes can have come before it.

    The first that userws and the paper exchange say is "down". Both say again, in order, what
    Redis did not take.
    """
    first = item.message
    return isinstance(first, UserChannelChanged) and first.state is UserChannelState.DOWN
