"""The paper exchange: answers order commands from recorded or live market data, without a venue.

Used by replay. Promises: a function of its inputs (no clock, no
chance); commands take effect after their latency, before any market data of that instant; every
`SubmitOrder` ends in exactly one of accepted, rejected or denied; a fill comes after its order's
acceptance. An `at_ns` before the last one counts as the last one. What a fill means here is in
docs/modelling.md.
"""

from __future__ import annotations

import heapq
from typing import assert_never

import msgspec

from pmcore.messages.execution import (
    ExecutionMessage,
    FailureStage,
    OrderAccepted,
    OrderSubmitting,
    WindowFlat,
)
from pmcore.messages.market_data import MarketDataMessage, TickSizeChanged
from pmcore.messages.orders import CancelOrders, CancelWindow, CommandMessage, SubmitOrder
from pmcore.messages.user import (
    FillReported,
    OrderUpdateKind,
    TradeStatus,
    UserChannelChanged,
    UserChannelState,
    UserMessage,
)
from pmcore.model.check import invariant
from pmcore.model.errors import Reason
from pmcore.model.market import Window
from pmcore.model.units import NS_PER_MS, PRICE_ONE_E4, QTY_GRID_U6, is_on_grid
from pmsim.queue.model import QueueModel
from pmsim.queue.paper_reports import (
    PaperOrder,
    cancel_failed,
    cancelled,
    digest,
    failed,
    matched,
    updated,
)
from pmsim.queue.paper_venue import PaperParams

CommandAnswer = ExecutionMessage | UserMessage


class _CommandMarket(msgspec.Struct, kw_only=True):
    window: Window
    queue: QueueModel
    tick_e4: int
    orders: dict[str, PaperOrder] = msgspec.field(default_factory=dict)


class _Enter(msgspec.Struct, frozen=True):
    slug: str
    client_order_id: str


class _Cancel(msgspec.Struct, frozen=True):
    slug: str
    client_order_id: str


class _Flatten(msgspec.Struct, frozen=True):
    slug: str


_Due = _Enter | _Cancel | _Flatten | FillReported


class CommandVenue:
    """One account's paper orders over any number of windows."""

    def __init__(self, params: PaperParams) -> None:
        self._params = params
        self._markets: dict[str, _CommandMarket] = {}
        self._due: list[tuple[int, int, _Due]] = []
        self._scheduled = 0
        self._channel_up = False
        self._now_ns = 0

    def add_window(self, window: Window) -> None:
        """Trade a window from now on. The first one brings the user channel up."""
        self._markets.setdefault(
            window.slug,
            _CommandMarket(window=window, queue=QueueModel(window), tick_e4=window.tick_e4),
        )

    def drop_window(self, slug: str) -> None:
        """Forget a window and its orders; trades already matched still settle."""
        self._markets.pop(slug, None)

    def open_orders(self, slug: str) -> int:
        """Orders that rest now."""
        market = self._markets.get(slug)
        return sum(order.resting for order in market.orders.values()) if market else 0

    def next_ns(self) -> int | None:
        """When the next latency or settlement is due."""
        return self._due[0][0] if self._due else None

    def command(self, at_ns: int, command: CommandMessage) -> list[CommandAnswer]:
        """Accept a command; what is due by `at_ns` happens first."""
        out = self.advance(at_ns)
        at_ns = self._now_ns
        match command:
            case SubmitOrder():
                out += self._submit(at_ns, command)
            case CancelOrders():
                for client_order_id in command.client_order_ids:
                    due_ns = self._cancel_due_ns(at_ns, command.slug, client_order_id)
                    self._schedule(due_ns, _Cancel(command.slug, client_order_id))
            case CancelWindow():
                market = self._markets.get(command.slug)
                arrivals = (
                    [order.effective_ns for order in market.orders.values()] if market else []
                )
                cancel_ns = at_ns + self._params.cancel_latency_ms * NS_PER_MS
                self._schedule(max([cancel_ns, *arrivals]), _Flatten(command.slug))
            case _:
                assert_never(command)
        return out

    def market(
        self, at_ns: int, message: MarketDataMessage, *, unseen_trade_e4: int | None = None
    ) -> list[CommandAnswer]:
        """Apply market data; what is due by `at_ns` happens first."""
        out = self.advance(at_ns)
        at_ns = self._now_ns
        market = self._markets.get(message.slug)
        if market is None:
            return out
        if isinstance(message, TickSizeChanged):
            market.tick_e4 = message.new_tick_e4
        fills = market.queue.on_market(message, unseen_trade_e4=unseen_trade_e4)
        for order_id, qty_u6, price_e4 in fills:
            out += self._fill(at_ns, market, market.orders[order_id], qty_u6, price_e4)
        return out

    def advance(self, at_ns: int) -> list[CommandAnswer]:
        """Let latencies and settlements up to `at_ns` take effect, in order of time."""
        at_ns = max(at_ns, self._now_ns)
        out: list[CommandAnswer] = []
        if self._markets and not self._channel_up:
            self._channel_up = True
            state = UserChannelState.UP
            out.append(UserChannelChanged(state=state, reason="paper", ts_recv_ns=at_ns))
        while self._due and self._due[0][0] <= at_ns:
            due_ns, _, due = heapq.heappop(self._due)
            self._now_ns = due_ns
            out += self._happen(due_ns, due)
        self._now_ns = at_ns
        return out

    def _happen(self, at_ns: int, due: _Due) -> list[CommandAnswer]:
        if isinstance(due, FillReported):
            return [due]
        market = self._markets.get(due.slug)
        if market is None:
            return (
                [WindowFlat(slug=due.slug, ts_exec_ns=at_ns)] if isinstance(due, _Flatten) else []
            )
        match due:
            case _Enter():
                entering = market.orders.get(due.client_order_id)
                return self._enter(at_ns, market, entering) if entering else []
            case _Cancel():
                order = market.orders.get(due.client_order_id)
                if order is not None and order.resting:
                    return self._cancel(at_ns, market, order)
                return [cancel_failed(at_ns, due.slug, due.client_order_id, order)]
            case _Flatten():
                out: list[CommandAnswer] = []
                for order in market.orders.values():
                    if order.resting:
                        out += self._cancel(at_ns, market, order)
                return [*out, WindowFlat(slug=due.slug, ts_exec_ns=at_ns)]
            case _:
                assert_never(due)

    def _submit(self, at_ns: int, command: SubmitOrder) -> list[CommandAnswer]:
        market = self._markets.get(command.slug)
        if market is None:
            return [failed(at_ns, command, FailureStage.DENIED, Reason.MARKET_CLOSED)]
        if command.client_order_id in market.orders:
            return [failed(at_ns, command, FailureStage.DENIED, Reason.DUPLICATE_COMMAND)]
        if at_ns > command.expires_at_ns:
            return [failed(at_ns, command, FailureStage.DENIED, Reason.EXPIRED)]
        effective_ns = at_ns + self._params.entry_latency_ms * NS_PER_MS
        order = PaperOrder(
            command=command,
            order_hash=digest("order", command.slug, command.client_order_id),
            effective_ns=effective_ns,
        )
        market.orders[command.client_order_id] = order
        self._schedule(effective_ns, _Enter(command.slug, command.client_order_id))
        return [
            OrderSubmitting(
                slug=command.slug,
                client_order_id=command.client_order_id,
                order_hash=order.order_hash,
                ts_exec_ns=at_ns,
            )
        ]

    def _enter(self, at_ns: int, market: _CommandMarket, order: PaperOrder) -> list[CommandAnswer]:
        command = order.command
        if reason := self._refusal(market, command):
            return [
                failed(at_ns, command, FailureStage.REJECTED, reason, order_hash=order.order_hash)
            ]
        order.resting = True
        market.queue.add(
            command.client_order_id, command.outcome, command.price_e4, command.size_u6, at_ns
        )
        accepted = OrderAccepted(
            slug=command.slug,
            client_order_id=command.client_order_id,
            order_hash=order.order_hash,
            ts_exec_ns=at_ns,
        )
        return [accepted, updated(at_ns, market.window, order, OrderUpdateKind.PLACEMENT)]

    def _refusal(self, market: _CommandMarket, command: SubmitOrder) -> Reason | None:
        if not is_on_grid(command.price_e4, market.tick_e4):
            return Reason.TICK
        if command.size_u6 < market.window.min_size_u6:
            return Reason.MIN_SIZE
        if command.size_u6 % QTY_GRID_U6:
            return Reason.INVALID_ORDER
        own_cross = any(
            order.resting
            and order.command.outcome is command.outcome.complement
            and order.command.price_e4 + command.price_e4 >= PRICE_ONE_E4
            for order in market.orders.values()
        )
        if own_cross or market.queue.crosses(command.outcome, command.price_e4):
            return Reason.POST_ONLY_CROSSES
        return None

    def _cancel(self, at_ns: int, market: _CommandMarket, order: PaperOrder) -> list[CommandAnswer]:
        market.queue.remove(order.command.client_order_id)
        order.resting = False
        return [
            cancelled(at_ns, order),
            updated(at_ns, market.window, order, OrderUpdateKind.CANCELLATION),
        ]

    def _fill(
        self, at_ns: int, market: _CommandMarket, order: PaperOrder, qty_u6: int, price_e4: int
    ) -> list[CommandAnswer]:
        order.matched_u6 += qty_u6
        order.fills += 1
        invariant(order.matched_u6 <= order.command.size_u6, "filled beyond the order's size")
        order.resting = order.matched_u6 < order.command.size_u6
        fill = matched(at_ns, market.window, order, qty_u6, price_e4)
        mined_ns = at_ns + self._params.mined_delay_ms * NS_PER_MS
        confirmed_ns = mined_ns + self._params.confirmed_delay_ms * NS_PER_MS
        self._schedule_settlement(mined_ns, fill, TradeStatus.MINED)
        self._schedule_settlement(confirmed_ns, fill, TradeStatus.CONFIRMED)
        return [fill, updated(at_ns, market.window, order, OrderUpdateKind.UPDATE)]

    def _cancel_due_ns(self, at_ns: int, slug: str, client_order_id: str) -> int:
        """A cancel never overtakes its order's entry."""
        due_ns = at_ns + self._params.cancel_latency_ms * NS_PER_MS
        market = self._markets.get(slug)
        order = market.orders.get(client_order_id) if market else None
        return max(due_ns, order.effective_ns) if order else due_ns

    def _schedule_settlement(self, at_ns: int, fill: FillReported, status: TradeStatus) -> None:
        later = msgspec.structs.replace(fill, status=status, ts_event_ns=at_ns, ts_recv_ns=at_ns)
        self._schedule(at_ns, later)

    def _schedule(self, at_ns: int, due: _Due) -> None:
        self._scheduled += 1
        heapq.heappush(self._due, (at_ns, self._scheduled, due))
