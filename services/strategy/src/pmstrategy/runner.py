"""One window, live: three readers feed one queue, one loop steps the engine and answers.

Facts (`exe`, `user`) are acknowledged in the transaction that carries the answers to them; `md`
is state and never pending. A restart starts from the book checkpoint and reads `user` from its
beginning, so that inventory is rebuilt from the ledger of trades.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import msgspec

from pmcore.engine.journal import JournalEnd, JournalEntry, JournalHeader, encode_line
from pmcore.engine.strategy import Output, WindowEngine
from pmcore.messages.control import Halt
from pmcore.messages.market_data import BookCheckpoint, FeedStatusChanged
from pmcore.messages.notices import Notice
from pmcore.messages.timers import BatchEnded, Tick
from pmcore.messages.union import EngineEvent
from pmcore.messages.user import UserChannelChanged, UserChannelState
from pmcore.model.errors import TransportError
from pmcore.shell.journal import JournalWriter
from pmcore.shell.service import ServiceContext
from pmcore.shell.strategy_settings import StrategySettings
from pmcore.shell.tasks import Backoff
from pmcore.wire import keys
from pmcore.wire.ports import Ack, Incoming, Outgoing
from pmstrategy.telemetry import StrategyTelemetry

TICK_MS = 100
BLOCK_MS = 1000
MAX_QUEUED_BATCHES = 256

Batch = Sequence[Incoming] | Sequence[EngineEvent]


class WindowRunner:
    """Drives one `WindowEngine` until it is finished."""

    def __init__(
        self,
        context: ServiceContext[StrategySettings],
        header: JournalHeader,
        telemetry: StrategyTelemetry,
    ) -> None:
        self.window = header.window
        self.engine: WindowEngine = header.make_engine()
        self._header = header
        self._context = context
        self._telemetry = telemetry
        self._bus, self._clock = context.bus, context.clock
        self._queue: asyncio.Queue[Batch] = asyncio.Queue(MAX_QUEUED_BATCHES)
        self._group = keys.window_group(self.window.slug)
        series, account = self.window.series, context.settings.account
        self._md, self._exe, self._cmd = keys.md(series), keys.exe(series), keys.cmd(series)
        self._user = keys.user(account)
        self._stepped = asyncio.Event()
        self._at_ns = 0
        self._user_said: UserChannelChanged | None = None
        self._user_alive = True
        self._journal: JournalWriter | None = None

    async def run(self) -> None:
        """Join, then read and step until settled; then destroy the window's groups."""
        self._open_journal()
        try:
            await self._join()
            readers = [
                asyncio.create_task(self._read(self._md, noack=True)),
                asyncio.create_task(self._read(self._exe, noack=False)),
                asyncio.create_task(self._read(self._user, noack=False)),
            ]
            try:
                await self._loop(readers)
            finally:
                for reader in readers:
                    reader.cancel()
                await asyncio.gather(*readers, return_exceptions=True)
            await self._bus.destroy_group(self._group, [self._md, self._exe, self._user])
        finally:
            if self._journal is not None:
                self._journal.write(encode_line(JournalEnd(self.engine.fingerprint)))
                self._journal.close()

    async def inject(self, events: Sequence[EngineEvent]) -> None:
        """Hand over events that do not come through the window's own streams."""
        await self._queue.put(list(events))

    async def user_alive(self, *, alive: bool) -> None:
        """The user channel's service lives or not; its own word counts again once it is back."""
        if alive == self._user_alive:
            return
        self._user_alive = alive
        now_ns = self._clock.now_ns()
        if not alive:
            down = UserChannelState.DOWN
            event = UserChannelChanged(state=down, reason="service is not alive", ts_recv_ns=now_ns)
            await self.inject([event])
        elif self._user_said is not None:
            await self.inject([self._user_said])

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

    def flush(self) -> None:
        """Make the journal safe on disk up to here."""
        if self._journal is not None:
            self._journal.flush()

    async def _join(self) -> None:
        checkpoint = (await self._bus.get_fields(keys.checkpoints(self.window.series))).get(
            self.window.slug
        )
        start: list[EngineEvent] = []
        if checkpoint is not None:
            known = msgspec.json.decode(checkpoint, type=BookCheckpoint)
            await self._bus.set_group_id(self._group, self._md, known.entry_id)
            start += [book for book in (known.up, known.down) if book is not None]
            start.append(
                FeedStatusChanged(
                    slug=known.slug,
                    state=known.state,
                    reason="checkpoint",
                    ts_recv_ns=known.ts_recv_ns,
                )
            )
        await self._bus.set_group_id(self._group, self._user, "0-0")
        consumer = self._context.settings.consumer
        pending = await self._bus.recover(self._group, consumer, [self._exe])
        old = await self._bus.recover(self._group, consumer, [self._user])
        await self._bus.ack([Ack(i.stream, self._group, i.entry_id) for i in (*pending, *old)])
        await self._queue.put(start)

    async def _read(self, stream: str, *, noack: bool) -> None:
        consumer = self._context.settings.consumer
        backoff = Backoff(first_s=0.05, most_s=1.0)
        while True:
            try:
                batch = await self._bus.read(
                    self._group, consumer, [stream], block_ms=BLOCK_MS, noack=noack
                )
            except TransportError as error:
                if not error.retryable:
                    raise
                await asyncio.sleep(backoff.next_s())
                continue
            backoff.reset()
            if batch:
                await self._queue.put(batch)

    async def _loop(self, readers: Sequence[asyncio.Task[None]]) -> None:
        while not self.engine.finished:
            batch = await self._next_batch(readers)
            await self._step(batch)

    async def _next_batch(
        self, readers: Sequence[asyncio.Task[None]]
    ) -> list[Incoming | EngineEvent]:
        """All that is there, or a tick's worth of nothing."""
        taken: list[Incoming | EngineEvent] = []
        try:
            async with asyncio.timeout(self._clock.real_s(TICK_MS)):
                taken += await self._queue.get()
        except TimeoutError:
            for reader in readers:
                if reader.done():
                    reader.result()
        while not self._queue.empty():
            taken += self._queue.get_nowait()
        return taken

    async def _step(self, batch: Sequence[Incoming | EngineEvent]) -> None:
        at_ns = self._at_ns = max(self._clock.now_ns(), self._at_ns)
        acks: list[Ack] = []
        outputs: list[Output] = []
        for item in batch:
            event = self._event_of(item, acks) if isinstance(item, Incoming) else item
            if event is not None:
                outputs += self._feed(at_ns, event)
        if not batch:
            outputs += self._feed(at_ns, Tick())
        cause_ns = self.engine.session.cause_ns
        if cause_ns:
            self._context.metrics.hop("md_to_decision", at_ns - cause_ns)
        outputs += self._feed(at_ns, BatchEnded())
        commands = [Outgoing(self._cmd, o) for o in outputs if not isinstance(o, Notice)]
        if commands or acks:
            await self._bus.publish(commands, acks)
        for output in outputs:
            if isinstance(output, Notice):
                self._tell(output)
        self._stepped.set()

    def _feed(self, at_ns: int, event: EngineEvent) -> list[Output]:
        if self._journal is not None:
            self._journal.write(encode_line(JournalEntry(at_ns, event)))
        return self.engine.step(at_ns, event)

    def _event_of(self, item: Incoming, acks: list[Ack]) -> EngineEvent | None:
        if item.stream != self._md:
            acks.append(Ack(item.stream, self._group, item.entry_id))
        if item.message is None:
            self._context.log.warning(
                "entry_unusable", stream=item.stream, id=item.entry_id, problem=item.problem
            )
            return None
        if isinstance(item.message, UserChannelChanged):
            self._user_said = item.message
            if not self._user_alive:
                return None
        return cast(EngineEvent, item.message)

    def _tell(self, notice: Notice) -> None:
        self._telemetry.notice(notice)
        self._context.log.info(
            notice.kind.value, slug=notice.slug, reason=notice.reason, detail=notice.detail
        )

    def _open_journal(self) -> None:
        settings = self._context.settings
        if settings.journal:
            folder = settings.data_dir / "journal"
            name = f"{self.window.slug}.{self._header.run_id}"
            self._journal = JournalWriter(folder, name)
            self._journal.write(encode_line(self._header))
