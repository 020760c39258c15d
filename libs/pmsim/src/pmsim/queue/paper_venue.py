"""The paper exchange: takes requests as a venue does, and fills orders from market data.

It knows orders by the venue's ids and nothing of commands: what is sent, and when an order is too
late to be sent, is for the execution engine to say. Used by `pm replay`
(`pmsim.run.paper_executor`) and by the executor in dry mode. Promises: a function of its inputs (no
clock, no chance); requests take effect after their latency, before any market data of that instant;
every request has exactly one answer; an order is filled only while it rests. An `at_ns` before the
last one counts as the last one. What a fill means here is in docs/modelling.md.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from typing import assert_never

import msgspec

from pmcore.engine.execution.io import (
    CancelAnswered,
    LookUpResult,
    OpenOrdersAnswered,
    OrderLookedUp,
    Posted,
    PostRejected,
)
from pmcore.machines.inventory import Position
from pmcore.messages.market_data import BookSnapshot, MarketDataMessage, TickSizeChanged
from pmcore.messages.orders import SubmitOrder
from pmcore.messages.user import (
    FillReported,
    OrderUpdated,
    OrderUpdateKind,
    TradeStatus,
    UserChannelChanged,
    UserChannelState,
    UserMessage,
)
from pmcore.model.check import invariant
from pmcore.model.errors import Reason
from pmcore.model.latency import Latencies, Travel
from pmcore.model.market import Outcome, Window
from pmcore.model.units import NS_PER_MS, PRICE_ONE_E4, QTY_GRID_U6, is_on_grid
from pmcore.venue.market_values import tick_shown_e4
from pmsim.queue.displayed import DisplayedMarket
from pmsim.queue.line import FillModel
from pmsim.queue.model import QueueModel
from pmsim.queue.model_profits import ModelProfit, ModelProfits
from pmsim.queue.paper_reports import MATCHED_TEXT, NOT_FOUND_TEXT, PaperOrder, matched, updated

VenueAnswer = Posted | PostRejected | CancelAnswered | OpenOrdersAnswered | OrderLookedUp


class PaperParams(msgspec.Struct, frozen=True, kw_only=True):
    """Latencies from a request to its effect and answer, and of what the user channel tells.

    Settlement delays follow each other, from the match on. `fills`: the model whose fills are told;
    the others keep ledgers of the same orders.
    """

    latencies: Latencies = Latencies()
    mined_delay_ms: int = 4_000
    confirmed_delay_ms: int = 20_000
    fills: FillModel = FillModel.CENTRAL


class PaperAnswer(msgspec.Struct, frozen=True):
    """The answer to a request, by the number that the request was given."""

    request_id: int
    answer: VenueAnswer


PaperMessage = PaperAnswer | UserMessage
AccountNews = FillReported | OrderUpdated


class _PaperMarket(msgspec.Struct):
    window: Window
    queue: QueueModel
    tick_e4: int
    orders: dict[str, PaperOrder] = msgspec.field(default_factory=dict)
    resolved: bool = False


class _Post(msgspec.Struct, frozen=True):
    order: PaperOrder


class _Delete(msgspec.Struct, frozen=True):
    order_hashes: tuple[str, ...]


class _ListOpen(msgspec.Struct, frozen=True):
    slug: str


class _LookUp(msgspec.Struct, frozen=True):
    order_hash: str


_Request = _Post | _Delete | _ListOpen | _LookUp


class _Arrival(msgspec.Struct, frozen=True):
    request_id: int
    request: _Request


class PaperVenue:
    """One account's paper orders over any number of windows."""

    def __init__(
        self, params: PaperParams, *, displayed: Mapping[str, DisplayedMarket] | None = None
    ) -> None:
        self._params = params
        self._displayed = displayed or {}  # by window, where it is shared with other venues
        self._markets: dict[str, _PaperMarket] = {}
        self._profits = ModelProfits()
        self._due: list[tuple[int, int, _Arrival | AccountNews]] = []
        self._told_ns = 0  # when the newest message of the user channel arrives
        self._scheduled = 0
        self._requests = 0
        self._channel = [UserChannelState.DOWN]  # states that are still to be said
        self._now_ns = 0

    def add_window(self, window: Window) -> None:
        """Trade a window from now on.

        The first one brings the user channel up. Each new one says so again, so that a reader finds
        it in a stream of which the beginning was trimmed.
        """
        if window.slug not in self._markets:
            market = self._displayed.get(window.slug)
            queue = QueueModel(window, self._params.fills, others=tuple(FillModel), market=market)
            self._markets[window.slug] = _PaperMarket(window, queue, window.tick_e4)
            self._channel.append(UserChannelState.UP)

    def drop_window(self, slug: str) -> None:
        """Forget a window and its orders; trades already matched still settle."""
        market = self._markets.pop(slug, None)
        if market is not None and not market.resolved:
            self._profits.add(market.window.close_ns, market.queue.ledgers, None)

    def resolve(self, slug: str, winner: Outcome) -> None:
        """The winner of a window is known; said again, or of an unknown window, it counts once."""
        market = self._markets.get(slug)
        if market is not None and not market.resolved:
            market.resolved = True
            self._profits.add(market.window.close_ns, market.queue.ledgers, winner)

    def open_orders(self, slug: str | None = None) -> tuple[str, ...]:
        """Ids of the orders that rest now, in one window or in all."""
        return tuple(
            order_hash
            for market in self._markets.values()
            if slug in {None, market.window.slug}
            for order_hash, order in market.orders.items()
            if order.resting
        )

    def ledgers(self) -> dict[str, dict[FillModel, Position]]:
        """What each model has bought by now, by window."""
        return {slug: dict(market.queue.ledgers) for slug, market in self._markets.items()}

    def profits(self, at_ns: int) -> dict[FillModel, ModelProfit]:
        """By model: the UTC day of `at_ns`, of windows added since the start; open ones count."""
        open_ones = [one.queue.ledgers for one in self._markets.values() if not one.resolved]
        return self._profits.of_day(at_ns, open_ones)

    def next_ns(self) -> int | None:
        """When the next request or settlement is due."""
        return self._due[0][0] if self._due else None

    # ---- requests: each returns its number; the answer comes out of `advance` or `market` --------

    def post(self, at_ns: int, command: SubmitOrder, order_hash: str) -> int:
        """Send the order of a command, whenever that command expires."""
        order = PaperOrder(command=command, order_hash=order_hash)
        return self._send(at_ns, Travel.ORDER, order_hash, _Post(order))

    def delete(self, at_ns: int, order_hashes: tuple[str, ...]) -> int:
        """Cancel by ids."""
        return self._send(at_ns, Travel.CANCEL, ",".join(order_hashes), _Delete(order_hashes))

    def list_open(self, at_ns: int, slug: str) -> int:
        """Ask for the open orders of a window."""
        return self._send(at_ns, Travel.QUERY, f"list {self._requests}", _ListOpen(slug))

    def look_up(self, at_ns: int, order_hash: str) -> int:
        """Ask what became of an order."""
        return self._send(at_ns, Travel.QUERY, f"look {self._requests}", _LookUp(order_hash))

    # ---- time and market data --------------------------------------------------------------------

    def market(
        self, at_ns: int, message: MarketDataMessage, *, unseen_trade_e4: int | None = None
    ) -> list[PaperMessage]:
        """Apply market data; what is due by `at_ns` happens first."""
        out = self.advance(at_ns)
        at_ns = self._now_ns
        market = self._markets.get(message.slug)
        if market is None:
            return out
        if isinstance(message, TickSizeChanged):
            market.tick_e4 = min(market.tick_e4, message.new_tick_e4)
        elif isinstance(message, BookSnapshot):
            market.tick_e4 = tick_shown_e4(message, market.tick_e4)
        fills = market.queue.on_market(message, unseen_trade_e4=unseen_trade_e4)
        for order_hash, qty_u6, price_e4 in fills:
            out += self._fill(at_ns, market, market.orders[order_hash], qty_u6, price_e4)
        return out

    def advance(self, at_ns: int) -> list[PaperMessage]:
        """Let requests and settlements up to `at_ns` happen, in order of time."""
        at_ns = max(at_ns, self._now_ns)
        out: list[PaperMessage] = []
        if self._channel:
            out += [
                UserChannelChanged(state=state, reason="paper", ts_recv_ns=at_ns)
                for state in self._channel
            ]
            self._channel.clear()
        while self._due and self._due[0][0] <= at_ns:
            self._now_ns, _, due = heapq.heappop(self._due)
            if isinstance(due, _Arrival):
                out += self._arrive(self._now_ns, due)
            else:
                out.append(due)
        self._now_ns = at_ns
        return out

    def _arrive(self, at_ns: int, arrival: _Arrival) -> list[PaperMessage]:
        news: list[AccountNews] = []
        request = arrival.request
        answer: VenueAnswer
        match request:
            case _Post():
                answer = self._enter(at_ns, request.order, news)
            case _Delete():
                answer = self._cancel(at_ns, request.order_hashes, news)
            case _ListOpen():
                answer = OpenOrdersAnswered(request.slug, self.open_orders(request.slug))
            case _LookUp():
                answer = self._found(request.order_hash)
            case _:
                assert_never(request)
        return [PaperAnswer(arrival.request_id, answer), *self._tell(at_ns, news)]

    def _enter(self, at_ns: int, order: PaperOrder, news: list[AccountNews]) -> VenueAnswer:
        command = order.command
        market = self._markets.get(command.slug)
        if market is None:
            return PostRejected(command.client_order_id, Reason.MARKET_CLOSED, "paper")
        if reason := _refusal(market, order):
            return PostRejected(command.client_order_id, reason, "paper")
        market.orders[order.order_hash] = order
        order.resting = True
        market.queue.add(
            order.order_hash, command.outcome, command.price_e4, command.size_u6, at_ns
        )
        news.append(updated(at_ns, market.window, order, OrderUpdateKind.PLACEMENT))
        return Posted(command.client_order_id)

    def _cancel(
        self, at_ns: int, order_hashes: tuple[str, ...], news: list[AccountNews]
    ) -> CancelAnswered:
        canceled: list[str] = []
        not_canceled: dict[str, str] = {}
        for order_hash in order_hashes:
            market, order = self._find(order_hash)
            if market is not None and order is not None and order.resting:
                market.queue.remove(order_hash)
                order.resting = False
                canceled.append(order_hash)
                news.append(updated(at_ns, market.window, order, OrderUpdateKind.CANCELLATION))
            elif order is not None and order.filled:
                not_canceled[order_hash] = MATCHED_TEXT
            elif order_hash not in canceled:
                not_canceled[order_hash] = NOT_FOUND_TEXT
        return CancelAnswered(order_hashes, tuple(canceled), not_canceled)

    def _found(self, order_hash: str) -> OrderLookedUp:
        """Orders of an earlier run of the process ended with it: cancelled, fills unknown."""
        _, order = self._find(order_hash)
        if order is None:
            return OrderLookedUp(order_hash, LookUpResult.CANCELED)
        result = LookUpResult.MATCHED if order.filled else LookUpResult.CANCELED
        if order.resting:
            result = LookUpResult.LIVE
        return OrderLookedUp(order_hash, result, order.matched_u6)

    def _find(self, order_hash: str) -> tuple[_PaperMarket | None, PaperOrder | None]:
        for market in self._markets.values():
            if (order := market.orders.get(order_hash)) is not None:
                return market, order
        return None, None

    def _fill(
        self, at_ns: int, market: _PaperMarket, order: PaperOrder, qty_u6: int, price_e4: int
    ) -> list[PaperMessage]:
        order.matched_u6 += qty_u6
        order.fills += 1
        invariant(order.matched_u6 <= order.command.size_u6, "filled beyond the order's size")
        order.resting = not order.filled
        fill = matched(at_ns, market.window, order, qty_u6, price_e4)
        update = updated(at_ns, market.window, order, OrderUpdateKind.UPDATE)
        out = self._tell(at_ns, [fill, update])
        mined_ns = max(at_ns + self._params.mined_delay_ms * NS_PER_MS, self._told_ns)
        confirmed_ns = mined_ns + self._params.confirmed_delay_ms * NS_PER_MS
        self._schedule_settlement(mined_ns, fill, TradeStatus.MINED)
        self._schedule_settlement(confirmed_ns, fill, TradeStatus.CONFIRMED)
        return [*out]

    def _tell(self, at_ns: int, news: Sequence[AccountNews]) -> list[UserMessage]:
        """What of it arrives at once; the rest when it is due. The channel keeps its order."""
        now: list[UserMessage] = []
        for message in news:
            name = f"{message.order_hash} {type(message).__name__} {message.ts_event_ns}"
            due_ns = at_ns + self._params.latencies.draw_ns(Travel.REPORT, name)
            due_ns = self._told_ns = max(due_ns, self._told_ns)
            if due_ns <= at_ns:
                now.append(message)
            else:
                self._schedule(due_ns, msgspec.structs.replace(message, ts_recv_ns=due_ns))
        return now

    def _schedule_settlement(self, at_ns: int, fill: FillReported, status: TradeStatus) -> None:
        later = msgspec.structs.replace(fill, status=status, ts_event_ns=at_ns, ts_recv_ns=at_ns)
        self._schedule(at_ns, later)

    def _send(self, at_ns: int, travel: Travel, name: str, request: _Request) -> int:
        self._requests += 1
        arrival_ns = max(at_ns, self._now_ns) + self._params.latencies.draw_ns(travel, name)
        self._schedule(arrival_ns, _Arrival(self._requests, request))
        return self._requests

    def _schedule(self, at_ns: int, due: _Arrival | AccountNews) -> None:
        self._scheduled += 1
        heapq.heappush(self._due, (at_ns, self._scheduled, due))


def _refusal(market: _PaperMarket, order: PaperOrder) -> Reason | None:
    command = order.command
    if order.order_hash in market.orders:
        return Reason.DUPLICATE
    if not is_on_grid(command.price_e4, market.tick_e4):
        return Reason.TICK
    if command.size_u6 < market.window.min_size_u6:
        return Reason.MIN_SIZE
    if command.size_u6 % QTY_GRID_U6:
        return Reason.INVALID_ORDER
    own_cross = any(
        other.resting
        and other.command.outcome is command.outcome.complement
        and other.command.price_e4 + command.price_e4 >= PRICE_ONE_E4
        for other in market.orders.values()
    )
    if own_cross or market.queue.crosses(command.outcome, command.price_e4):
        return Reason.POST_ONLY_CROSSES
    return None
