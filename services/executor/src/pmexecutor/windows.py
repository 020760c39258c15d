"""Windows of one series: learnt from `rot`, each read with its own group until it is over.

What `rot` says of a window is acknowledged only when the window was forgotten, so that a restart
finds it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from pmcore.engine.execution.io import AccountHeard, Command, SeriesLease, WindowEnded
from pmcore.machines.lease import MARGIN_NS, TTL_MS
from pmcore.messages.market_data import (
    BookDelta,
    BookSnapshot,
    FeedStatusChanged,
    TickSizeChanged,
    TradePrinted,
)
from pmcore.messages.orders import (
    CancelOrders,
    CancelWindow,
    CommandMessage,
    MergePairs,
    SubmitOrder,
)
from pmcore.messages.rotation import WindowAnnounced, WindowResolved
from pmcore.messages.user import FillReported, OrderUpdated
from pmcore.model.market import Window
from pmcore.model.units import NS_PER_MS, NS_PER_S
from pmcore.shell.clock import Clock, monotonic_s
from pmcore.shell.service.lease_keeper import RENEW_S, holder_of
from pmcore.shell.service.logs import Log
from pmcore.shell.service.tasks import (
    answered_at_once,
    cancel_and_wait,
    let_others_write,
    retry_until_answered,
)
from pmcore.wire import keys
from pmcore.wire.entry_ids import EntryId, parse_id
from pmcore.wire.ports import Ack, Bus, Incoming
from pmexecutor.driver import Driver
from pmexecutor.metrics import ExecutorMetrics
from pmexecutor.paper import PaperClob
from pmexecutor.recovery import LOOK_BACK_MS, Traces, read_traces, take_up

ROT_GROUP = "executor"
BLOCK_MS = 1_000
RESOLVED_GRACE_NS = 30 * NS_PER_S
LEASE_UNSEEN_S = (TTL_MS * NS_PER_MS - MARGIN_NS) / NS_PER_S
"""After so long without Redis' word the strategy itself would not place any more."""


@dataclass
class WindowHandle:
    """One window: what `rot` said of it, its readers, and when it may be forgotten.

    `heard_id` is the newest entry of `user` that was read, `named_id` the newest that a command
    named.
    """

    window: Window
    entry_ids: list[str]
    heard_id: EntryId = (0, 0)
    named_id: EntryId = (0, 0)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    over_ns: int | None = None


@dataclass(kw_only=True)
class SeriesWindows:
    """All windows of a series; `linger_ns`: how long an unresolved one is kept past its close."""

    series: str
    bus: Bus
    driver: Driver
    consumer: str
    clock: Clock
    log: Log
    metrics: ExecutorMetrics
    linger_ns: int
    account: str
    paper: PaperClob | None
    handles: dict[str, WindowHandle] = field(default_factory=dict)
    _tasks: asyncio.TaskGroup | None = None
    _lease_token: int | None = None

    async def run(self) -> None:
        """Recover, then follow the rotation, until cancelled."""
        await self._look_at_lease()
        rot = keys.rot(self.series)
        await retry_until_answered(
            partial(self.bus.create_group, ROT_GROUP, [rot], start="0", announce=None)
        )
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(self._watch_lease())
            left = await retry_until_answered(
                partial(self.bus.recover, ROT_GROUP, self.consumer, [rot])
            )
            await self._hear_rotation(left, left_by_earlier_run=True)
            tasks.create_task(self._close_over_handles())
            await self._follow(ROT_GROUP, rot, self._hear_rotation)

    async def _follow(
        self,
        group: str,
        stream: str,
        hear: Callable[[Sequence[Incoming]], Awaitable[None]],
        *,
        noack: bool = False,
    ) -> None:
        read = partial(
            self.bus.read, group, self.consumer, [stream], block_ms=BLOCK_MS, noack=noack
        )
        while True:
            await hear(await retry_until_answered(read))

    # ---- who may command ---------------------------------------------------------------------

    async def _watch_lease(self) -> None:
        seen_s = monotonic_s()
        while True:
            await asyncio.sleep(RENEW_S)
            if await answered_at_once(self._read_lease, lambda _error: None):
                seen_s = monotonic_s()
            elif monotonic_s() - seen_s >= LEASE_UNSEEN_S:
                self._set_lease(0, "Redis does not tell who holds it")

    async def _look_at_lease(self) -> None:
        await retry_until_answered(self._read_lease)

    async def _read_lease(self) -> None:
        holder = await holder_of(self.bus, keys.lease(self.series))
        self._set_lease(holder.token if holder is not None else 0, "nobody holds it")

    def _set_lease(self, token: int, why_none: str) -> None:
        if token == self._lease_token:
            return
        if not token:
            self.log.warning("series_without_strategy", series=self.series, why=why_none)
        self._lease_token = token
        self.driver.feed(SeriesLease(self.series, token))

    # ---- rotation ----------------------------------------------------------------------------

    async def _hear_rotation(
        self, batch: Sequence[Incoming], *, left_by_earlier_run: bool = False
    ) -> None:
        done: list[Ack] = []
        known = frozenset(self.handles)
        for item in batch:
            match item.message:
                case WindowAnnounced(window=window) if left_by_earlier_run or not self._is_stale(
                    window
                ):  # of one that an earlier run had joined each order still gets its end
                    self._announced(item, window)
                case WindowAnnounced(window=window):
                    await self._destroy_groups(window.slug)
                    done.append(Ack(item.stream, ROT_GROUP, item.entry_id))
                case WindowResolved(slug=slug, winner=winner) if slug in self.handles:
                    if self.paper is not None and winner is not None:
                        self.paper.resolve(slug, winner)
                    self._end_by(slug, RESOLVED_GRACE_NS)
                    self.handles[slug].entry_ids.append(item.entry_id)
                case message:
                    if not isinstance(message, WindowResolved):
                        self._drop(item)
                    done.append(Ack(item.stream, ROT_GROUP, item.entry_id))
        await self._ack(done)
        for slug, handle in tuple(self.handles.items()):
            if slug not in known:
                await self._join(handle, left_by_earlier_run=left_by_earlier_run)

    def _is_stale(self, window: Window) -> bool:
        known = window.slug in self.handles
        return not known and self.clock.now_ns() >= window.close_ns + self.linger_ns

    def _announced(self, item: Incoming, window: Window) -> None:
        handle = self.handles.get(window.slug)
        if handle is not None:
            handle.entry_ids.append(item.entry_id)
            return
        self.handles[window.slug] = WindowHandle(window, [item.entry_id])
        self.driver.join(window)
        self.log.info("window_joined", slug=window.slug)

    def _end_by(self, slug: str, grace_ns: int) -> None:
        handle = self.handles.get(slug)
        if handle is not None:
            handle.over_ns = max(self.clock.now_ns(), handle.window.close_ns) + grace_ns

    async def _close_over_handles(self) -> None:
        while True:
            await self.clock.sleep_ms(1_000)
            now_ns = self.clock.now_ns()
            for handle in tuple(self.handles.values()):
                by_ns = handle.over_ns or handle.window.close_ns + self.linger_ns
                if now_ns >= by_ns:
                    self.driver.feed(WindowEnded(handle.window.slug))
                    if handle.window.slug not in self.driver.engine.slugs:
                        await self._close(handle)

    async def _close(self, handle: WindowHandle) -> None:
        slug = handle.window.slug
        for task in handle.tasks:
            await cancel_and_wait(task)
        await self._destroy_groups(slug)
        rot = keys.rot(self.series)
        await self._ack([Ack(rot, ROT_GROUP, entry_id) for entry_id in handle.entry_ids])
        del self.handles[slug]
        self.driver.leave(slug)
        self.log.info("window_left", slug=slug)

    async def _destroy_groups(self, slug: str) -> None:
        group = keys.window_group(slug, "executor")
        streams = [keys.cmd(self.series), keys.md(self.series), keys.user(self.account)]
        await retry_until_answered(partial(self.bus.destroy_group, group, streams))

    # ---- one window --------------------------------------------------------------------------

    async def _join(self, handle: WindowHandle, *, left_by_earlier_run: bool) -> None:
        """Settle what an earlier run left, then read on."""
        group = keys.window_group(handle.window.slug, "executor")
        first = min(handle.entry_ids, key=parse_id)
        if left_by_earlier_run and await self._was_left(handle.window, group):
            self._end_by(handle.window.slug, 0)
            return
        left = await retry_until_answered(
            partial(self.bus.recover, group, self.consumer, [keys.cmd(self.series)])
        )
        if left or left_by_earlier_run:
            traces = await retry_until_answered(
                partial(read_traces, self.bus, keys.exe(self.series), self.consumer, first)
            )
            own = {key: t for key, t in traces.items() if t.slug == handle.window.slug}
            await self._recover_commands(handle, left, own)
        self._start_reading(handle, first)

    async def _was_left(self, window: Window, group: str) -> bool:
        """The earlier run ended while it left: each order had its end, the groups went first."""
        if self.clock.now_ns() < window.close_ns:
            return False
        groups = partial(self.bus.groups, keys.cmd(self.series))
        return group not in {known.name for known in await retry_until_answered(groups)}

    async def _recover_commands(
        self, handle: WindowHandle, left: Sequence[Incoming], traces: Traces
    ) -> None:
        group = keys.window_group(handle.window.slug, "executor")
        stream = keys.cmd(self.series)
        pending: list[tuple[str, CommandMessage]] = []
        for item in left:
            if (message := self._own_command(item, handle.window.slug)) is not None:
                self.driver.track_ack(_token(group, item), Ack(stream, group, item.entry_id))
                pending.append((_token(group, item), message))
            else:
                await self._ack([Ack(stream, group, item.entry_id)])
        events, answered = take_up(pending, traces)
        for event in events:
            self.driver.feed(event)
        for token in answered:
            if (ack := self.driver.drop_ack(token)) is not None:
                await self._ack([ack])
        if events or answered:
            self.log.warning(
                "recovered", slug=handle.window.slug, commands=len(pending), orders=len(events)
            )

    def _start_reading(self, handle: WindowHandle, announced_id: str) -> None:
        tasks = self._tasks
        if tasks is None:
            return
        slug = handle.window.slug
        handle.tasks.append(tasks.create_task(self._follow_account(slug, announced_id)))
        handle.tasks.append(tasks.create_task(self._read_commands(slug)))
        if self.paper is not None:
            handle.tasks.append(tasks.create_task(self._read_market(slug, self.paper)))

    async def _read_commands(self, slug: str) -> None:
        group = keys.window_group(slug, "executor")
        stream = keys.cmd(self.series)

        async def hear(batch: Sequence[Incoming]) -> None:
            foreign: list[Ack] = []
            at_ns = self.clock.now_ns()
            for item in batch:
                ack = Ack(stream, group, item.entry_id)
                message = self._own_command(item, slug)
                if message is None:
                    foreign.append(ack)
                    continue
                # perhaps of a holder since the last look
                if message.lease_token != self._lease_token:
                    await self._look_at_lease()
                token = _token(group, item)
                self.driver.track_ack(token, ack)
                self.metrics.received(message, at_ns)
                self.driver.feed(Command(token, message))
                self._judge_if_heard(slug, message)
            await let_others_write()
            await self._ack(foreign)

        await self._follow(group, stream, hear)

    async def _begin_account(self, handle: WindowHandle, announced_id: str) -> None:
        """The user channel from the window's announcement on: what it tells is not kept here."""
        group, user = keys.window_group(handle.window.slug, "executor"), keys.user(self.account)
        start_ms = max(0, parse_id(announced_id)[0] - LOOK_BACK_MS)
        await retry_until_answered(partial(self.bus.destroy_group, group, [user]))
        await retry_until_answered(
            partial(self.bus.create_group, group, [user], start=f"{start_ms}-0", announce=None)
        )
        handle.heard_id = (start_ms, 0)  # what was before is of no order here

    def _judge_if_heard(self, slug: str, command: CommandMessage) -> None:
        """What its strategy knew of the account is mostly known here too: nobody is asked then."""
        if not isinstance(command, SubmitOrder | MergePairs):
            return
        handle, named = self.handles[slug], command.account_entry_id
        handle.named_id = max(handle.named_id, named)
        if named <= handle.heard_id:
            our_id = (
                command.merge_id if isinstance(command, MergePairs) else command.client_order_id
            )
            self.driver.feed(AccountHeard(slug, (our_id,)))

    async def _follow_account(self, slug: str, announced_id: str) -> None:
        """Hear the account as it speaks, and judge what waited for that.

        Apart from the commands: its stream may be on a server that is away, and a cancel, which
        needs nothing of it, must not wait.
        """
        handle = self.handles[slug]
        await self._begin_account(handle, announced_id)
        while True:
            asked, named = self.driver.engine.unheard(slug), handle.named_id
            behind = bool(asked) or named > handle.heard_id
            if await self._hear_account(handle, block_ms=0 if behind else BLOCK_MS):
                continue  # perhaps there is more
            if asked:
                self.driver.feed(AccountHeard(slug, asked))
            handle.heard_id = max(handle.heard_id, named)  # Redis has lost what it did not give

    async def _hear_account(self, handle: WindowHandle, *, block_ms: int) -> bool:
        """Read once; whether there was anything."""
        slug, condition_id = handle.window.slug, handle.window.condition_id
        group, stream = keys.window_group(slug, "executor"), keys.user(self.account)
        read = partial(self.bus.read, group, self.consumer, [stream], block_ms=block_ms)
        batch = await retry_until_answered(read)
        for item in batch:
            message = item.message
            if isinstance(message, FillReported | OrderUpdated) and (
                message.condition_id == condition_id
            ):
                self.driver.feed(message)
            handle.heard_id = max(handle.heard_id, parse_id(item.entry_id))
        await self._ack([Ack(stream, group, item.entry_id) for item in batch])
        return bool(batch)

    async def _ack(self, acks: Sequence[Ack]) -> None:
        if acks:
            await retry_until_answered(partial(self.bus.ack, acks))

    def _own_command(self, item: Incoming, slug: str) -> CommandMessage | None:
        message = item.message
        if not isinstance(message, SubmitOrder | CancelOrders | CancelWindow | MergePairs):
            self._drop(item)
            return None
        return message if message.slug == slug else None

    async def _read_market(self, slug: str, paper: PaperClob) -> None:
        async def hear(batch: Sequence[Incoming]) -> None:
            for item in batch:
                match item.message:
                    case (
                        BookSnapshot()
                        | BookDelta()
                        | TradePrinted()
                        | TickSizeChanged()
                        | FeedStatusChanged()
                    ) if item.message.slug == slug:
                        paper.market(item.message)
                    case _:
                        pass

        group = keys.window_group(slug, "executor")
        await self._follow(group, keys.md(self.series), hear, noack=True)

    def _drop(self, item: Incoming) -> None:
        reason = item.problem or "unexpected"
        self.metrics.dropped(reason)
        self.log.warning("input_dropped", stream=item.stream, entry=item.entry_id, reason=reason)


def _token(group: str, item: Incoming) -> str:
    return f"{group} {item.entry_id}"
