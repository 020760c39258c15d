"""Paper trading as a venue: the simulated exchange on live market data; no order leaves.

The one live module that may use `pmsim`, and only its shell: the exchange itself is the one that
`pm replay` uses. Requests and answers take the exchange's latencies; what it says on the user
channel goes to `on_user`, in the order in which it happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from pmcore.engine.execution.io import (
    CancelAnswered,
    MergeAnswered,
    OpenOrdersAnswered,
    OrderLookedUp,
    Posted,
    PostRejected,
    SubmitMerge,
)
from pmcore.machines.inventory import Position
from pmcore.messages.execution import MergeStatus
from pmcore.messages.market_data import MarketDataMessage
from pmcore.messages.orders import SubmitOrder
from pmcore.messages.user import UserMessage
from pmcore.model.latency import Latencies
from pmcore.model.market import Outcome, Window
from pmcore.model.units import NS_PER_MS, PRICE_ONE_E4, SHARE_U6
from pmcore.shell.clock import Clock
from pmexecutor.ports import CancelAnswer, HeartbeatAnswer, PostAnswer, PreparedOrder
from pmsim.queue.line import FillModel
from pmsim.queue.paper_reports import MERGE_NS, order_hash_of
from pmsim.queue.paper_venue import (
    PaperAnswer,
    PaperMessage,
    PaperParams,
    PaperVenue,
    VenueAnswer,
)

MAX_IDLE_MS = 100.0


class PaperClob:
    """`Venue` over `PaperVenue`. Fills and settlements need `run`; a call waits by itself."""

    def __init__(
        self,
        latencies: Latencies,
        clock: Clock,
        on_user: Callable[[Sequence[UserMessage]], None],
        fills: str = FillModel.CENTRAL,
    ) -> None:
        self._paper = PaperVenue(
            PaperParams(
                latencies=latencies,
                fills=FillModel(fills),
            )
        )
        self._clock = clock
        self._on_user = on_user
        self._woken = asyncio.Event()
        self._waiting: dict[int, asyncio.Future[VenueAnswer]] = {}

    @property
    def has_heartbeat(self) -> bool:
        """Paper orders end with the process."""
        return False

    def add_window(self, window: Window) -> None:
        """Trade a window from now on."""
        self._paper.add_window(window)
        self._woken.set()

    def drop_window(self, slug: str) -> None:
        """Forget a window and its orders; requests under way are answered all the same."""
        self._paper.drop_window(slug)

    def resolve(self, slug: str, winner: Outcome) -> None:
        """The winner of a window is known."""
        self._paper.resolve(slug, winner)

    def ledgers(self) -> dict[str, dict[str, dict[str, float]]]:
        """What each fill model bought with the same orders, by window, in shares and dollars."""
        return {
            slug: {model.value: _figures(bought) for model, bought in ledgers.items()}
            for slug, ledgers in self._paper.ledgers().items()
        }

    def profits(self) -> dict[str, dict[str, float]]:
        """What each fill model won today with the same orders, since the start, in dollars."""
        return {
            model.value: {
                "profit_today": won.profit_u6 / SHARE_U6,
                "worst_case_profit_today": won.worst_u6 / SHARE_U6,
            }
            for model, won in self._paper.profits(self._clock.now_ns()).items()
        }

    def market(self, message: MarketDataMessage) -> None:
        """Market data of a window."""
        self._take(self._paper.market(self._clock.now_ns(), message))

    async def run(self) -> None:
        """Let latencies and settlements take effect when they are due."""
        while True:
            self._take(self._paper.advance(self._clock.now_ns()))
            self._woken.clear()
            try:
                async with asyncio.timeout(self._until_due_s()):
                    await self._woken.wait()
            except TimeoutError:
                continue

    def sign(self, command: SubmitOrder, window: Window) -> PreparedOrder:
        """Nothing to sign; the id is the paper exchange's."""
        del window
        return PreparedOrder(command, order_hash_of(command), b"")

    async def post(self, prepared: PreparedOrder) -> PostAnswer:
        """Answered after the entry latency."""
        now_ns = self._clock.now_ns()
        answer = await self._ask(self._paper.post(now_ns, prepared.command, prepared.order_hash))
        assert isinstance(answer, Posted | PostRejected)
        return answer

    async def delete(self, order_hashes: tuple[str, ...]) -> CancelAnswer:
        """Answered after the cancel latency."""
        answer = await self._ask(self._paper.delete(self._clock.now_ns(), order_hashes))
        assert isinstance(answer, CancelAnswered)
        return answer

    async def delete_all(self) -> None:
        """By ids; nothing is sent when nothing rests."""
        if order_hashes := await self.all_open_orders():
            await self.delete(order_hashes)

    async def open_orders(self, window: Window) -> OpenOrdersAnswered:
        """What rests in a window."""
        answer = await self._ask(self._paper.list_open(self._clock.now_ns(), window.slug))
        assert isinstance(answer, OpenOrdersAnswered)
        return answer

    async def all_open_orders(self) -> tuple[str, ...]:
        """What rests anywhere, without latency."""
        return self._paper.open_orders()

    async def look_up(self, window: Window, order_hash: str) -> OrderLookedUp:
        """What became of an order; orders of an earlier run are gone with it."""
        del window
        answer = await self._ask(self._paper.look_up(self._clock.now_ns(), order_hash))
        assert isinstance(answer, OrderLookedUp)
        return answer

    async def merge(self, window: Window, request: SubmitMerge) -> MergeAnswered:
        """Merged, after the time that a transaction takes. Nothing that is held says no."""
        del window
        await self._clock.sleep_ms(MERGE_NS / NS_PER_MS)
        return MergeAnswered(request.slug, request.merge_id, MergeStatus.MERGED)

    async def beat(self, heartbeat_id: str) -> HeartbeatAnswer:
        """Nothing to keep alive."""
        return HeartbeatAnswer(accepted=True, heartbeat_id=heartbeat_id)

    async def close(self) -> None:
        """Nothing to close."""

    async def _ask(self, request_id: int) -> VenueAnswer:
        """Wait for the answer to a request, also before `run` is started and after it ended."""
        future: asyncio.Future[VenueAnswer] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = future
        self._woken.set()
        try:
            while True:
                self._take(self._paper.advance(self._clock.now_ns()))
                if future.done():
                    return future.result()
                await asyncio.wait([future], timeout=self._until_due_s())
        finally:
            self._waiting.pop(request_id, None)

    def _until_due_s(self) -> float:
        next_ns = self._paper.next_ns()
        wait_ms = MAX_IDLE_MS if next_ns is None else (next_ns - self._clock.now_ns()) / 1e6
        return self._clock.real_s(max(0.0, min(wait_ms, MAX_IDLE_MS)))

    def _take(self, messages: Sequence[PaperMessage]) -> None:
        """Answers go to the waiting calls; messages of the user channel go out in order."""
        news: list[UserMessage] = []
        for message in messages:
            if not isinstance(message, PaperAnswer):
                news.append(message)
                continue
            future = self._waiting.pop(message.request_id, None)
            if future is not None and not future.done():
                future.set_result(message.answer)
        if news:
            self._on_user(news)


def _figures(bought: Position) -> dict[str, float]:
    up, down = bought.up, bought.down
    return {
        "up": up.qty_u6 / SHARE_U6,
        "down": down.qty_u6 / SHARE_U6,
        "paid": (up.cost_e4u6 + down.cost_e4u6) / PRICE_ONE_E4 / SHARE_U6,
        "worst_case_profit": -bought.worst_loss_u6 / SHARE_U6,
    }
