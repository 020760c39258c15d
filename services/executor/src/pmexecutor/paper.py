"""Paper trading as a venue: the simulated exchange on live market data; no order leaves.

The one live module that may use `pmsim`. Commands and answers take the exchange's latencies;
what it says on the user channel goes to `on_user`, in the order in which it happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from pmcore.engine.execution.io import (
    CancelAnswered,
    LookUpResult,
    OpenOrdersAnswered,
    OrderLookedUp,
    Posted,
    PostRejected,
)
from pmcore.messages.execution import CancelFailed, OrderAccepted, OrderCancelled, OrderFailed
from pmcore.messages.market_data import MarketDataMessage
from pmcore.messages.orders import CancelOrders, SubmitOrder
from pmcore.messages.user import (
    FillReported,
    OrderUpdated,
    OrderUpdateKind,
    UserChannelChanged,
    UserMessage,
)
from pmcore.model.errors import Reason
from pmcore.model.market import Window
from pmcore.shell.clock import Clock
from pmexecutor.ports import CancelAnswer, HeartbeatAnswer, PostAnswer, PreparedOrder
from pmsim.queue.paper import PaperMessage, PaperParams, PaperVenue
from pmsim.queue.paper_reports import digest

MAX_IDLE_MS = 100.0
_CANCELLED = ""


class PaperClob:
    """`Venue` over `PaperVenue`. `run` must be running for anything to happen."""

    def __init__(
        self, latency_ms: int, clock: Clock, on_user: Callable[[Sequence[UserMessage]], None]
    ) -> None:
        self._paper = PaperVenue(
            PaperParams(entry_latency_ms=latency_ms, cancel_latency_ms=latency_ms)
        )
        self._clock = clock
        self._on_user = on_user
        self._woken = asyncio.Event()
        self._orders: dict[str, _PaperEntry] = {}
        self._hashes: dict[tuple[str, str], str] = {}

    @property
    def has_heartbeat(self) -> bool:
        """Paper orders end with the process."""
        return False

    def add_window(self, window: Window) -> None:
        """Trade a window from now on."""
        self._paper.add_window(window)
        self._woken.set()

    def drop_window(self, slug: str) -> None:
        """Forget a window and its orders."""
        self._paper.drop_window(slug)
        gone = [key for key in self._hashes if key[0] == slug]
        for key in gone:
            del self._orders[self._hashes.pop(key)]

    def market(self, message: MarketDataMessage) -> None:
        """Market data of a window."""
        self._take(self._paper.market(self._clock.now_ns(), message))

    async def run(self) -> None:
        """Let latencies and settlements take effect when they are due."""
        while True:
            now_ns = self._clock.now_ns()
            self._take(self._paper.advance(now_ns))
            next_ns = self._paper.next_ns()
            wait_ms = MAX_IDLE_MS if next_ns is None else (next_ns - now_ns) / 1e6
            self._woken.clear()
            try:
                async with asyncio.timeout(self._clock.real_s(min(wait_ms, MAX_IDLE_MS))):
                    await self._woken.wait()
            except TimeoutError:
                continue

    def sign(self, command: SubmitOrder, window: Window) -> PreparedOrder:
        """The paper exchange's id of an order is a function of our own."""
        order_hash = digest("order", window.slug, command.client_order_id)
        self._hashes[command.slug, command.client_order_id] = order_hash
        self._orders[order_hash] = _PaperEntry(command)
        return PreparedOrder(command, order_hash, b"")

    async def post(self, prepared: PreparedOrder) -> PostAnswer:
        """Answered after the entry latency."""
        entry = self._orders[prepared.order_hash]
        answer: asyncio.Future[PostAnswer] = asyncio.get_running_loop().create_future()
        entry.posted = answer
        self._take(self._paper.command(self._clock.now_ns(), prepared.command))
        self._woken.set()
        return await answer

    async def delete(self, order_hashes: tuple[str, ...]) -> CancelAnswer:
        """Answered after the cancel latency."""
        canceled: list[str] = []
        not_canceled: dict[str, str] = {}
        pending: dict[str, asyncio.Future[str]] = {}
        now_ns = self._clock.now_ns()
        for order_hash in order_hashes:
            entry = self._orders.get(order_hash)
            if entry is None:
                not_canceled[order_hash] = "Order not found"
                continue
            pending[order_hash] = entry.cancelled_future()
            if len(entry.waiting) == 1:
                ids = (entry.command.client_order_id,)
                cancel = CancelOrders(
                    slug=entry.command.slug,
                    client_order_ids=ids,
                    reason="paper",
                    ts_step_ns=now_ns,
                )
                self._take(self._paper.command(now_ns, cancel))
        self._woken.set()
        for order_hash, future in pending.items():
            text = await future
            if text == _CANCELLED:
                canceled.append(order_hash)
            else:
                not_canceled[order_hash] = text
        return CancelAnswered(order_hashes, tuple(canceled), not_canceled)

    async def delete_all(self) -> None:
        """By ids."""
        await self.delete(await self.all_open_orders())

    async def open_orders(self, window: Window) -> OpenOrdersAnswered:
        """What rests in a window."""
        resting = tuple(
            order_hash
            for order_hash, entry in self._orders.items()
            if entry.resting and entry.command.slug == window.slug
        )
        return OpenOrdersAnswered(window.slug, resting)

    async def all_open_orders(self) -> tuple[str, ...]:
        """What rests anywhere."""
        return tuple(order_hash for order_hash, entry in self._orders.items() if entry.resting)

    async def look_up(self, window: Window, order_hash: str) -> OrderLookedUp:
        """What became of an order; orders of an earlier run are gone with it."""
        del window
        entry = self._orders.get(order_hash)
        if entry is None:
            return OrderLookedUp(order_hash, LookUpResult.CANCELED)
        if entry.resting:
            return OrderLookedUp(order_hash, LookUpResult.LIVE, entry.matched_u6)
        filled = entry.matched_u6 == entry.command.size_u6
        return OrderLookedUp(
            order_hash, LookUpResult.MATCHED if filled else LookUpResult.CANCELED, entry.matched_u6
        )

    async def beat(self, heartbeat_id: str) -> HeartbeatAnswer:
        """Nothing to keep alive."""
        return HeartbeatAnswer(accepted=True, heartbeat_id=heartbeat_id)

    async def close(self) -> None:
        """Nothing to close."""

    def _take(self, messages: Sequence[PaperMessage]) -> None:
        """Answers go to the waiting calls; messages of the user channel go out in order."""
        news: list[UserMessage] = []
        for message in messages:
            match message:
                case OrderUpdated():
                    self._update(message)
                    news.append(message)
                case FillReported() | UserChannelChanged():
                    news.append(message)
                case OrderAccepted() | OrderFailed():
                    self._answer_post(message)
                case OrderCancelled() | CancelFailed():
                    self._answer_cancel(message)
                case _:
                    pass  # OrderSubmitting and WindowFlat are the engine's to say
        if news:
            self._on_user(news)

    def _update(self, update: OrderUpdated) -> None:
        entry = self._orders.get(update.order_hash)
        if entry is not None:
            entry.matched_u6 = update.matched_u6 or 0
            cancelled = update.kind is OrderUpdateKind.CANCELLATION
            entry.resting = not cancelled and entry.matched_u6 < update.original_u6

    def _entry(self, slug: str, client_order_id: str) -> _PaperEntry | None:
        return self._orders.get(self._hashes.get((slug, client_order_id), ""))

    def _answer_post(self, message: OrderAccepted | OrderFailed) -> None:
        entry = self._entry(message.slug, message.client_order_id)
        if entry is None or entry.posted is None or entry.posted.done():
            return
        if isinstance(message, OrderAccepted):
            entry.resting = True
            entry.posted.set_result(Posted(message.client_order_id))
        else:
            entry.posted.set_result(
                PostRejected(message.client_order_id, message.reason, message.text)
            )

    def _answer_cancel(self, message: OrderCancelled | CancelFailed) -> None:
        entry = self._entry(message.slug, message.client_order_id)
        if entry is None:
            return
        text = _CANCELLED
        if isinstance(message, CancelFailed):
            matched = message.reason is Reason.ALREADY_MATCHED
            text = "Order already matched" if matched else "Order not found"
        for future in entry.waiting:
            if not future.done():
                future.set_result(text)
        entry.waiting.clear()


class _PaperEntry:
    """What we know of one paper order, and the calls that wait for its answers."""

    __slots__ = ("command", "matched_u6", "posted", "resting", "waiting")

    def __init__(self, command: SubmitOrder) -> None:
        self.command = command
        self.matched_u6 = 0
        self.resting = False
        self.posted: asyncio.Future[PostAnswer] | None = None
        self.waiting: list[asyncio.Future[str]] = []

    def cancelled_future(self) -> asyncio.Future[str]:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.waiting.append(future)
        return future
