"""Feeds the execution engine and does what it asks for: sign, record, send, publish.

Everything an event leads to in Redis goes out as one item, with the acknowledgements of the
commands that it answers. A POST goes out only after its id stands in `exe`.
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
    VenueRequest,
)
from pmcore.messages.execution import ExecutionMessage, OrderFailed, OrderSubmitting
from pmcore.messages.notices import Notice
from pmcore.messages.rotation import WindowAnnounced
from pmcore.model.check import invariant
from pmcore.model.errors import Reason, TransportError
from pmcore.model.market import Window
from pmcore.shell.clock import Clock
from pmcore.shell.service.logs import Log
from pmcore.wire import keys
from pmcore.wire.ports import Ack, Outgoing
from pmexecutor.metrics import ExecutorMetrics
from pmexecutor.ports import PreparedOrder, Venue
from pmexecutor.publisher import Publisher

_REQUESTS = (SignOrder, PostOrder, DeleteOrders, CancelAll, LookUpOrder, ListOpenOrders)


class Driver:
    """Carries out the engine's requests.

    It steps the engine synchronously; requests become tasks.
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
        self._posts = asyncio.Semaphore(post_concurrency)
        self._prepared: dict[str, PreparedOrder] = {}
        self._acks: dict[str, Ack] = {}
        self._events: deque[ExecutionEvent] = deque()
        self._tasks: asyncio.TaskGroup | None = None
        self._flat = asyncio.Event()
        self._failure: BaseException | None = None

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """From now on requests go to the venue; those of before were answered by the start-up."""
        self._tasks = tasks

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

    async def until_flat(self) -> None:
        """Wait until nothing rests, is on its way or is being asked."""
        await self._flat.wait()

    def feed(self, event: ExecutionEvent) -> None:
        """Step the engine, and with whatever follows at once.

        After one failure every later call fails too: the service's tick then ends the process.
        """
        if self._failure is not None:
            raise self._failure
        self._events.append(event)
        if len(self._events) > 1:
            return  # the loop below is at it
        try:
            while self._events:
                self._handle(self.engine.step(self._clock.now_ns(), self._events[0]))
                self._events.popleft()
        except BaseException as error:
            self._failure = error
            raise
        if self.engine.flat:
            self._flat.set()
        else:
            self._flat.clear()

    def _handle(self, outputs: Sequence[ExecutionOutput]) -> None:
        outgoing: list[Outgoing] = []
        acks: list[Ack] = []
        recorded: list[str] = []
        requests: list[VenueRequest] = []
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
                case _ if isinstance(output, _REQUESTS):
                    requests.append(output)
                case _:
                    self._say(output, outgoing)
                    if isinstance(output, OrderSubmitting):
                        recorded.append(output.client_order_id)
                    elif isinstance(output, OrderFailed):
                        self._prepared.pop(output.client_order_id, None)
        if outgoing or acks:
            done = self._publisher.put(outgoing, acks)
            if recorded:
                done.add_done_callback(self._after_record(recorded))
        for request in requests:
            self._request(request)

    def _say(self, message: ExecutionMessage, outgoing: list[Outgoing]) -> None:
        window = self.windows.get(message.slug)
        self._metrics.message(message)
        if window is not None:
            outgoing.append(Outgoing(keys.exe(window.series), message))
        else:
            self._log.warning("message_without_window", slug=message.slug, message=repr(message))

    def _after_record(self, recorded: list[str]) -> Callable[[asyncio.Future[None]], None]:
        def on_done(done: asyncio.Future[None]) -> None:
            if done.cancelled() or not self.running:
                return
            for client_order_id in recorded:
                self.feed(Recorded(client_order_id))

        return on_done

    def _request(self, request: VenueRequest) -> None:
        if isinstance(request, SignOrder):
            command = request.command
            prepared = self._venue.sign(command, self.windows[command.slug])
            self._prepared[command.client_order_id] = prepared
            self._events.append(Signed(command.client_order_id, prepared.order_hash))
        elif self._tasks is not None:
            self._tasks.create_task(self._carry_out(request))

    async def _carry_out(self, request: VenueRequest) -> None:
        match request:
            case PostOrder():
                await self._post(request)
            case DeleteOrders():
                self.feed(await self._venue.delete(request.order_hashes))
            case LookUpOrder():
                window = self.windows[request.slug]
                self.feed(await self._venue.look_up(window, request.order_hash))
            case ListOpenOrders():
                self.feed(await self._venue.open_orders(self.windows[request.slug]))
            case CancelAll(number=number):
                self.feed(await self._cancel_all(number))
            case SignOrder():
                invariant(condition=False, text="signing is done at once")
            case _:
                assert_never(request)

    async def _cancel_all(self, number: int) -> AllCancelled | CancelAllFailed:
        try:
            await self._venue.delete_all()
            return AllCancelled(number, tuple(await self._venue.all_open_orders()))
        except TransportError as error:
            return CancelAllFailed(number, Reason.TRANSPORT, str(error))

    async def _post(self, request: PostOrder) -> None:
        prepared = self._prepared.pop(request.client_order_id)
        async with self._posts:
            sent_ns = self._clock.now_ns()
            if sent_ns >= prepared.command.expires_at_ns:
                text = "too late after waiting for a connection"
                self.feed(PostRejected(request.client_order_id, Reason.EXPIRED, text))
                return
            if why := self._refuses():
                self.feed(PostRejected(request.client_order_id, Reason.NO_HEARTBEAT, why))
                return
            self._metrics.sending(prepared.command, sent_ns)
            answer = await self._venue.post(prepared)
        self._metrics.answered(prepared.command.client_order_id, self._clock.now_ns())
        self.feed(answer)
