"""Everybody around the strategy, on a real Redis: a feed, an executor and a user channel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pmcore.messages.execution import (
    OrderAccepted,
    OrderCancelled,
    OrderSubmitting,
    WindowFlat,
)
from pmcore.messages.orders import (
    CancelOrders,
    CancelWindow,
    CommandMessage,
    MergePairs,
    SubmitOrder,
)
from pmcore.messages.rotation import WindowAnnounced, WindowResolved
from pmcore.messages.union import StreamMessage
from pmcore.messages.user import (
    FillReported,
    OrderUpdated,
    OrderUpdateKind,
    TradeStatus,
    UserChannelChanged,
    UserChannelState,
)
from pmcore.model.market import Outcome, Window
from pmcore.model.units import NS_PER_S
from pmcore.shell.bus.redis_bus import RedisBus
from pmcore.shell.clock import Clock, real_now_ns
from pmcore.wire import keys
from pmcore.wire.codec import Stamper
from pmcore.wire.ports import Ack, Outgoing
from support.builders import book, fill

SERIES, PREFIX = "btc-15m", "btc-updown-15m"
ACCOUNT = "main"
_STARTS_NS = (1_790_766_900 + 10) * NS_PER_S
GATE_OPEN = b'{"ready":true,"placing":{"open":true}}'


class StrategyWorld:
    """Times are the clock's; the clock starts ten seconds into a window and runs at `speed`."""

    def __init__(
        self, redis_url: str, speed: float = 1.0, *, before: StrategyWorld | None = None
    ) -> None:
        """With `before`: everybody was started again; time goes on, each run has a new id."""
        self.clock: Clock = before.clock if before else Clock(_STARTS_NS, real_now_ns(), speed)
        self.run_id: int = before.run_id + 1 if before else 1
        self.bus = RedisBus.connect(
            redis_url, source="world", run_id=str(self.run_id), clock_ns=self.clock.now_ns
        )
        self._stamper: Stamper = vars(self.bus)["_stamper"]
        self.windows: list[Window] = []
        self.commands: list[CommandMessage] = []
        self.answers_flat = True
        self.url = redis_url

    def variables(self) -> dict[str, str]:
        return {
            "PM_REDIS_URL": self.url,
            "PM_VENUE": "sim",
            "PM_CLOCK": self.clock.spec(),
            "POLYMARKET_MARKET_SLUG": PREFIX,
            "PM_BID_SIZE": "5",
            "PM_SETTLE_GRACE_S": "1",
        }

    def window(self, start_s: int = 1_790_766_900) -> Window:
        return Window(
            series=SERIES,
            slug=f"{PREFIX}-{start_s}",
            condition_id="0x" + f"{start_s:064x}",
            up_token_id=f"1{start_s}",
            down_token_id=f"2{start_s}",
            open_ns=start_s * NS_PER_S,
            close_ns=(start_s + 900) * NS_PER_S,
            tick_e4=10,
            min_size_u6=5_000_000,
        )

    async def announce(self, window: Window) -> None:
        """As the feed does: groups first, the announcement with the last of them."""
        slug = window.slug
        await self.bus.create_group(slug, [keys.user(ACCOUNT)], announce=None)
        executor = keys.window_group(slug, "executor")
        await self.bus.create_group(executor, [keys.cmd(SERIES)], announce=None)
        said = WindowAnnounced(window=window, ts_recv_ns=self.clock.now_ns())
        await self.bus.create_group(
            slug, [keys.md(SERIES), keys.exe(SERIES)], announce=Outgoing(keys.rot(SERIES), said)
        )
        self.windows.append(window)

    async def resolve(self, window: Window) -> None:
        said = WindowResolved(slug=window.slug, winner=Outcome.UP, ts_recv_ns=self.clock.now_ns())
        await self.bus.publish([Outgoing(keys.rot(SERIES), said)])

    async def tell_user(self, *messages: FillReported | OrderUpdated | UserChannelChanged) -> None:
        await self.bus.publish([Outgoing(keys.user(ACCOUNT), m) for m in messages])

    def lose_a_sequence_number(self) -> None:
        """As if an entry on `md` had been published and never came."""
        lost = book(Outcome.UP, "0.46", "0.48", at_ns=0, slug="lost")
        self._stamper.entry(Outgoing(keys.md(SERIES), lost), 0)

    def fill_of(self, submit: SubmitOrder, window: Window) -> FillReported:
        one = fill(
            submit.outcome,
            "5",
            "0.5",
            trade_id=f"trade-{submit.client_order_id}",
            order_hash=_hash(submit.client_order_id),
            status=TradeStatus.MATCHED,
            at_ns=self.clock.now_ns(),
        )
        return FillReported(
            **{
                **{name: getattr(one, name) for name in one.__struct_fields__},
                "condition_id": window.condition_id,
                "token_id": window.token_id(submit.outcome),
                "price_e4": submit.price_e4,
            }
        )

    def submits(self) -> list[SubmitOrder]:
        return [c for c in self.commands if isinstance(c, SubmitOrder)]

    def cancels(self) -> list[str]:
        return [i for c in self.commands if isinstance(c, CancelOrders) for i in c.client_order_ids]

    @asynccontextmanager
    async def living(self) -> AsyncIterator[None]:
        """A feed with books, an executor that takes everything, a user channel that is up.

        The channel says so all the time, as after each reading of REST.
        """
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(self._feed()), tasks.create_task(self._execute())]
            try:
                yield
            finally:
                for task in running:
                    task.cancel()
        await self.bus.close()

    async def _feed(self) -> None:
        while True:
            await self.bus.put(keys.alive(ACCOUNT, "userws"), b"{}", ttl_ms=3000)
            await self.bus.put(keys.alive(ACCOUNT, "executor"), GATE_OPEN, ttl_ms=3000)
            now_ns = self.clock.now_ns()
            await self.tell_user(UserChannelChanged(state=UserChannelState.UP, ts_recv_ns=now_ns))
            books: list[StreamMessage] = []
            for window in self.windows:
                for outcome, bid, ask in (
                    (Outcome.UP, "0.46", "0.48"),
                    (Outcome.DOWN, "0.51", "0.53"),
                ):
                    books.append(book(outcome, bid, ask, at_ns=now_ns, slug=window.slug))
            if books:
                await self.bus.publish([Outgoing(keys.md(SERIES), message) for message in books])
            await asyncio.sleep(0.1)

    async def _execute(self) -> None:
        """One pass over each window's commands, again and again."""
        while True:
            for window in tuple(self.windows):
                group = keys.window_group(window.slug, "executor")
                batch = await self.bus.read(group, "one", [keys.cmd(SERIES)], block_ms=20)
                acks = [Ack(item.stream, group, item.entry_id) for item in batch]
                said: list[StreamMessage] = []
                for item in batch:
                    message = item.message
                    if not isinstance(message, SubmitOrder | CancelOrders | CancelWindow):
                        continue
                    if message.slug == window.slug:
                        self.commands.append(message)
                        said += self._answer(message)
                outgoing = [
                    Outgoing(
                        keys.user(ACCOUNT) if isinstance(m, OrderUpdated) else keys.exe(SERIES), m
                    )
                    for m in said
                ]
                if outgoing or acks:
                    await self.bus.publish(outgoing, acks)
            await asyncio.sleep(0.01)

    def _answer(self, command: CommandMessage) -> list[StreamMessage]:
        now_ns = self.clock.now_ns()
        match command:
            case SubmitOrder(client_order_id=order_id, slug=slug):
                order_hash = _hash(order_id)
                return [
                    OrderSubmitting(
                        slug=slug,
                        client_order_id=order_id,
                        order_hash=order_hash,
                        ts_exec_ns=now_ns,
                    ),
                    OrderAccepted(
                        slug=slug,
                        client_order_id=order_id,
                        order_hash=order_hash,
                        ts_exec_ns=now_ns,
                    ),
                ]
            case CancelOrders(client_order_ids=order_ids, slug=slug):
                return [m for i in order_ids for m in self._cancelled(slug, i, now_ns)]
            case CancelWindow(slug=slug):
                return [WindowFlat(slug=slug, ts_exec_ns=now_ns)] if self.answers_flat else []
            case MergePairs():
                raise AssertionError("nothing is merged here")

    def _cancelled(self, slug: str, order_id: str, now_ns: int) -> list[StreamMessage]:
        window = next(w for w in self.windows if w.slug == slug)
        return [
            OrderCancelled(
                slug=slug, client_order_id=order_id, order_hash=_hash(order_id), ts_exec_ns=now_ns
            ),
            OrderUpdated(
                kind=OrderUpdateKind.CANCELLATION,
                order_hash=_hash(order_id),
                condition_id=window.condition_id,
                token_id=window.up_token_id,
                price_e4=1,
                original_u6=5_000_000,
                matched_u6=0,
                ts_event_ns=now_ns,
                ts_recv_ns=now_ns,
            ),
        ]


def _hash(order_id: str) -> str:
    return f"0x{order_id}"
