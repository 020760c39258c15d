"""The execution engine over an exchange in virtual time: an executor without a process.

What the executor's driver does with tasks and Redis is done here in one call: the engine is
stepped, its requests go to the exchange with their latency, the answers come back to the engine,
and what it says goes to the caller. So an order's life is decided by the same code as a live one's.
An id counts as recorded as soon as it was said: here nothing can lose it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from pmcore.engine.execution.engine import ExecutionEngine
from pmcore.engine.execution.io import (
    CancelAll,
    Command,
    DeleteOrders,
    ExecutionEvent,
    ExecutionOutput,
    Finished,
    ListOpenOrders,
    LookUpOrder,
    MergeAnswered,
    PostOrder,
    Recorded,
    Signed,
    SignOrder,
    SubmitMerge,
)
from pmcore.messages.execution import ExecutionMessage, MergeStatus, OrderSubmitting
from pmcore.messages.market_data import MarketDataMessage
from pmcore.messages.notices import Notice
from pmcore.messages.orders import CommandMessage, SubmitOrder
from pmcore.messages.rotation import WindowAnnounced
from pmcore.messages.timers import Tick
from pmcore.messages.user import FillReported, OrderUpdated, UserMessage
from pmcore.model.check import invariant
from pmcore.model.market import Window
from pmcore.model.units import NS_PER_MS
from pmsim.queue.paper_reports import MERGE_NS, order_hash_of
from pmsim.queue.paper_venue import PaperAnswer, PaperMessage

TICK_NS = 100 * NS_PER_MS
ExecutorMessage = ExecutionMessage | UserMessage


class VirtualExchange(Protocol):
    """What takes the requests: `PaperVenue`, or a simulated world (`pmresearch.world_exchange`).

    Each request has exactly one answer, which comes out of `advance` or `market`.
    """

    def next_ns(self) -> int | None:
        """When something is due, None when nothing is."""
        ...

    def add_window(self, window: Window) -> None:
        """Trade a window from now on."""
        ...

    def post(self, at_ns: int, command: SubmitOrder, order_hash: str) -> int:
        """Send an order; the number of the request."""
        ...

    def delete(self, at_ns: int, order_hashes: tuple[str, ...]) -> int:
        """Cancel by ids."""
        ...

    def list_open(self, at_ns: int, slug: str) -> int:
        """Ask for the open orders of a window."""
        ...

    def look_up(self, at_ns: int, order_hash: str) -> int:
        """Ask what became of an order."""
        ...

    def market(
        self, at_ns: int, message: MarketDataMessage, *, unseen_trade_e4: int | None = None
    ) -> Sequence[PaperMessage]:
        """Apply market data; what is due by `at_ns` happens first."""
        ...

    def advance(self, at_ns: int) -> Sequence[PaperMessage]:
        """Let what is due by `at_ns` happen."""
        ...


class PaperExecutor:
    """Commands and market data in; execution and user-channel messages out, in order of time.

    Call `advance` whenever `next_ns` is due. The engine sees the time pass each 100 ms while an
    order of it may be open or a window is being cancelled. `at_ns` may not run backwards.
    `on_notice` hears what the engine wants a person to know. There are no halts here.
    """

    def __init__(
        self,
        engine: ExecutionEngine,
        venue: VirtualExchange,
        on_notice: Callable[[int, Notice], None],
    ) -> None:
        self._engine = engine
        self._venue = venue
        self._on_notice = on_notice
        self._signed: dict[str, SubmitOrder] = {}
        self._merges: deque[tuple[int, SubmitMerge]] = deque()  # when each is on the chain
        self._stepped_ns = 0

    def next_ns(self) -> int | None:
        """When something at the venue, on the way from or to it, or in the engine is due."""
        due_ns = self._venue.next_ns()
        if self._merges:
            merged_ns = self._merges[0][0]
            due_ns = merged_ns if due_ns is None else min(due_ns, merged_ns)
        if self._engine.flat:
            return due_ns
        tick_ns = self._stepped_ns + TICK_NS
        return tick_ns if due_ns is None else min(due_ns, tick_ns)

    def add_window(self, at_ns: int, window: Window) -> list[ExecutorMessage]:
        """Trade a window from now on."""
        self._venue.add_window(window)
        out = self._step(at_ns, WindowAnnounced(window=window, ts_recv_ns=at_ns))
        return out + self.advance(at_ns)

    def command(self, at_ns: int, command: CommandMessage) -> list[ExecutorMessage]:
        """Obey a command; what is due by `at_ns` happens first."""
        out = self.advance(at_ns)
        return out + self._step(at_ns, Command("", command))

    def market(
        self, at_ns: int, message: MarketDataMessage, *, unseen_trade_e4: int | None = None
    ) -> list[ExecutorMessage]:
        """Apply market data; what is due by `at_ns` happens first."""
        out = self.advance(at_ns)
        return out + self._take(
            at_ns, self._venue.market(at_ns, message, unseen_trade_e4=unseen_trade_e4)
        )

    def advance(self, at_ns: int) -> list[ExecutorMessage]:
        """Let time pass up to `at_ns`.

        Each answer is obeyed at its own time, so that what follows it is due from then on.
        """
        out: list[ExecutorMessage] = []
        while (due_ns := self.next_ns()) is not None and due_ns <= at_ns:
            out += self._take(due_ns, self._venue.advance(due_ns))
            while self._merges and self._merges[0][0] <= due_ns:
                _, merge = self._merges.popleft()
                merged = MergeAnswered(merge.slug, merge.merge_id, MergeStatus.MERGED)
                out += self._step(due_ns, merged)
            if due_ns >= self._stepped_ns + TICK_NS:
                out += self._step(due_ns, Tick())
        return out + self._take(at_ns, self._venue.advance(at_ns))

    def _take(self, at_ns: int, messages: Sequence[PaperMessage]) -> list[ExecutorMessage]:
        out: list[ExecutorMessage] = []
        for message in messages:
            if isinstance(message, PaperAnswer):
                out += self._step(at_ns, message.answer)
            else:
                out.append(message)
                if isinstance(message, FillReported | OrderUpdated):
                    out += self._step(at_ns, message)
        return out

    def _step(self, at_ns: int, event: ExecutionEvent) -> list[ExecutorMessage]:
        self._stepped_ns = at_ns
        events: deque[ExecutionEvent] = deque([event])
        out: list[ExecutorMessage] = []
        while events:
            for output in self._engine.step(at_ns, events.popleft()):
                self._carry_out(at_ns, output, events, out)
        return out

    def _carry_out(
        self,
        at_ns: int,
        output: ExecutionOutput,
        events: deque[ExecutionEvent],
        out: list[ExecutorMessage],
    ) -> None:
        match output:
            case SignOrder(command=command):
                self._signed[command.client_order_id] = command
                events.append(Signed(command.client_order_id, order_hash_of(command)))
            case PostOrder():
                command = self._signed.pop(output.client_order_id)
                self._venue.post(at_ns, command, output.order_hash)
            case DeleteOrders():
                self._venue.delete(at_ns, output.order_hashes)
            case CancelAll():
                invariant(condition=False, text="only a halt cancels everything")
            case LookUpOrder():
                self._venue.look_up(at_ns, output.order_hash)
            case ListOpenOrders():
                self._venue.list_open(at_ns, output.slug)
            case SubmitMerge():
                self._merges.append((at_ns + MERGE_NS, output))
            case Finished():
                pass  # no entry of a stream waits for it
            case Notice():
                self._on_notice(at_ns, output)
            case _:
                out.append(output)
                if isinstance(output, OrderSubmitting):
                    events.append(Recorded(output.client_order_id))
