"""Feeds the execution engine and does what it asks for: sign, record, send, publish.

What an event leads to in Redis goes out as one item for each series, with the acknowledgements of
the commands that it answers. A POST goes out only after its id stands in `exe`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import assert_never

from pmcore.engine.execution.engine import ExecutionEngine
from pmcore.engine.execution.io import (
    AllCancelled,
    CancelAll,
    CancelAllFailed,
    DeleteOrders,
    ExecutionEvent,
    ExecutionOutput,
    Finished,
    ListOpenOrders,
    LookUpOrder,
    PostOrder,
    PostRejected,
    Recorded,
    Signed,
    SignOrder,
    SubmitMerge,
    VenueRequest,
)
from pmcore.engine.execution.journal import EXECUTION_JOURNAL, ExecutionJournalEntry
from pmcore.messages.execution import ExecutionMessage, OrderFailed, OrderSubmitting
from pmcore.messages.notices import Notice
from pmcore.messages.rotation import WindowAnnounced
from pmcore.model.check import invariant
from pmcore.model.errors import Reason, TransportError
from pmcore.model.market import Window
from pmcore.shell.clock import Clock
from pmcore.shell.engine_journal import EngineJournal
from pmcore.shell.service.logs import Log
from pmcore.wire import keys
from pmcore.wire.ports import Ack, Outgoing
from pmcore.wire.transactions import by_hash_tag
from pmexecutor.metrics import ExecutorMetrics
from pmexecutor.ports import PairMerger, PostAnswer, PreparedOrder, Venue
from pmexecutor.publisher import Publisher


class Driver:
    """Carries out the engine's requests.

    It steps the engine synchronously, signing included. Each order then has one task, which waits
    for its entry in `exe`, posts, and hands in the answer; every other request has its own.
    """

    def __init__(
        self,
        engine: ExecutionEngine,
        venue: Venue,
        publisher: Publisher,
        *,
        clock: Clock,
        log: Log,
        metrics: ExecutorMetrics,
        post_concurrency: int,
        refuses: Callable[[], str] = lambda: "",
    ) -> None:
        self.engine = engine
        self.windows: dict[str, Window] = {}
        self._venue = venue
        self._publisher = publisher
        self._clock = clock
        self._log = log
        self._metrics = metrics
        self._refuses = refuses
        self._merger: PairMerger | None = None
        self._journal: EngineJournal | None = None
        self._posts = asyncio.Semaphore(post_concurrency)
        self._prepared: dict[str, PreparedOrder] = {}
        self._acks: dict[str, Ack] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._none_open = asyncio.Event()
        self._flat = asyncio.Event()
        self._failure: BaseException | None = None

    def start(
        self,
        tasks: asyncio.TaskGroup,
        journal: EngineJournal | None = None,
        merger: PairMerger | None = None,
    ) -> None:
        """From now on requests go to the venue; those of before were answered by the start-up."""
        self._tasks = tasks
        self._journal = journal
        self._merger = merger

    def stop(self) -> None:
        """No request goes out any more."""
        self._tasks = None

    @property
    def running(self) -> bool:
        """Whether requests go to the venue."""
        return self._tasks is not None

    def join(self, window: Window) -> None:
        """A window may be traded: here, at the venue and in the engine."""
        self.windows[window.slug] = window
        self._venue.add_window(window)
        self.feed(WindowAnnounced(window=window, ts_recv_ns=self._clock.now_ns()))

    def leave(self, slug: str) -> None:
        """A window that the engine has forgotten is over: nothing more is asked or said of it."""
        self.windows.pop(slug, None)
        self._venue.drop_window(slug)

    def track_ack(self, token: str, ack: Ack) -> None:
        """The entry to acknowledge when the engine finishes a command."""
        self._acks[token] = ack

    def drop_ack(self, token: str) -> Ack | None:
        """The entry of a command that had its answer in an earlier run."""
        return self._acks.pop(token, None)

    async def until_none_open(self) -> None:
        """Wait until the venue has confirmed the end of every order that it may have."""
        await self._none_open.wait()

    async def until_flat(self) -> None:
        """Wait until nothing rests, is on its way or is being asked."""
        await self._flat.wait()

    def feed(self, event: ExecutionEvent) -> None:
        """Step the engine, and send what it asks for.

        After one failure every later call fails too: the service's tick then ends the process.
        """
        for request in self._step(event):
            self._send(request)

    def _step(self, event: ExecutionEvent) -> list[VenueRequest]:
        """Step the engine, and with whatever follows at once; return what is to be sent."""
        if self._failure is not None:
            raise self._failure
        events: deque[ExecutionEvent] = deque([event])
        requests: list[VenueRequest] = []
        try:
            while events:
                at_ns, now = self._clock.now_ns(), events.popleft()
                if self._journal is not None:
                    entry = ExecutionJournalEntry(at_ns, now, self.engine.fingerprint)
                    self._journal.write(at_ns, EXECUTION_JOURNAL.encode(entry))
                self._handle(self.engine.step(at_ns, now), events, requests)
        except BaseException as error:
            self._failure = error
            raise
        _show(self._none_open, holds=self.engine.open_orders == 0)
        _show(self._flat, holds=self.engine.flat)
        return requests

    def _handle(
        self,
        outputs: Sequence[ExecutionOutput],
        events: deque[ExecutionEvent],
        requests: list[VenueRequest],
    ) -> None:
        outgoing: list[Outgoing] = []
        acks: list[Ack] = []
        submitting: dict[str, list[str]] = {}
        for output in outputs:
            match output:
                case Finished(token=token):
                    ack = self._acks.pop(token, None)
                    acks += [] if ack is None else [ack]
                case Notice():
                    self._metrics.notice(output)
                    self._log.warning(
                        output.kind.value,
                        slug=output.slug,
                        reason=output.reason,
                        detail=output.detail,
                    )
                case SignOrder(command=command):
                    prepared = self._venue.sign(command, self.windows[command.slug])
                    self._prepared[command.client_order_id] = prepared
                    events.append(Signed(command.client_order_id, prepared.order_hash))
                case (
                    PostOrder()
                    | DeleteOrders()
                    | CancelAll()
                    | LookUpOrder()
                    | ListOpenOrders()
                    | SubmitMerge()
                ):
                    requests.append(output)
                case _:
                    self._say(output, outgoing)
                    if isinstance(output, OrderSubmitting):
                        series = self.windows[output.slug].series
                        submitting.setdefault(series, []).append(output.client_order_id)
                    elif isinstance(output, OrderFailed):
                        self._prepared.pop(output.client_order_id, None)
        for part in by_hash_tag(outgoing, acks):
            done = self._publisher.put(part.outgoing, part.acks)
            if self._tasks is not None:
                for client_order_id in submitting.get(part.tag, ()):
                    self._tasks.create_task(self._submit(client_order_id, done))

    def _say(self, message: ExecutionMessage, outgoing: list[Outgoing]) -> None:
        window = self.windows.get(message.slug)
        self._metrics.message(message)
        if window is not None:
            outgoing.append(Outgoing(keys.exe(window.series), message))
        else:
            self._log.warning("message_without_window", slug=message.slug, message=repr(message))

    async def _submit(self, client_order_id: str, recorded: asyncio.Future[None]) -> None:
        """One order, from its entry in `exe` to the venue's answer."""
        await recorded
        if not self.running:
            return
        post: PostOrder | None = None
        for request in self._step(Recorded(client_order_id)):
            if isinstance(request, PostOrder):
                post = request
            else:
                self._send(request)
        if post is not None:
            self.feed(await self._post(post))

    def _send(self, request: VenueRequest) -> None:
        if self._tasks is not None:
            self._tasks.create_task(self._ask(request))

    async def _ask(self, request: VenueRequest) -> None:
        match request:
            case DeleteOrders():
                self.feed(await self._venue.delete(request.order_hashes))
            case LookUpOrder():
                window = self.windows[request.slug]
                self.feed(await self._venue.look_up(window, request.order_hash))
            case ListOpenOrders():
                self.feed(await self._venue.open_orders(self.windows[request.slug]))
            case SubmitMerge():
                invariant(self._merger is not None, "merging is off: the engine refuses it")
                assert self._merger is not None
                window = self.windows[request.slug]
                self.feed(await self._merger.merge(window, request))
            case CancelAll(number=number):
                self.feed(await self._cancel_all(number))
            case SignOrder() | PostOrder():
                invariant(condition=False, text="an order is signed and posted in its own way")
            case _:
                assert_never(request)

    async def _cancel_all(self, number: int) -> AllCancelled | CancelAllFailed:
        try:
            await self._venue.delete_all()
            return AllCancelled(number, tuple(await self._venue.all_open_orders()))
        except TransportError as error:
            return CancelAllFailed(number, Reason.TRANSPORT, str(error))

    async def _post(self, request: PostOrder) -> PostAnswer:
        prepared = self._prepared.pop(request.client_order_id)
        async with self._posts:
            sent_ns = self._clock.now_ns()
            if sent_ns >= prepared.command.expires_at_ns:
                text = "too late after waiting for a connection"
                return PostRejected(request.client_order_id, Reason.EXPIRED, text)
            if why := self._refuses():
                return PostRejected(request.client_order_id, Reason.NO_HEARTBEAT, why)
            if refusal := self.engine.last_refusal(request.client_order_id):
                return PostRejected(request.client_order_id, *refusal)
            self._metrics.sending(prepared.command, sent_ns)
            answer = await self._venue.post(prepared)
        self._metrics.answered(prepared.command.client_order_id, self._clock.now_ns())
        return answer


def _show(event: asyncio.Event, *, holds: bool) -> None:
    if holds:
        event.set()
    else:
        event.clear()
