"""The executor's engine at a synthetic world: what it asks arrives, and what it hears is true."""

from __future__ import annotations

from pmcore.engine.execution.engine import ExecutionEngine
from pmcore.engine.execution.io import LookUpResult, OpenOrdersAnswered, OrderLookedUp
from pmcore.messages.execution import (
    CancelFailed,
    OrderAccepted,
    OrderCancelled,
    OrderFailed,
    OrderSubmitting,
    WindowFlat,
)
from pmcore.messages.orders import CancelOrders, CancelWindow, CommandMessage, SubmitOrder
from pmcore.messages.user import FillReported, UserChannelChanged
from pmcore.model.errors import Reason
from pmcore.model.market import Outcome
from pmcore.model.units import NS_PER_MS, NS_PER_S
from pmresearch.world_exchange import WorldExchange
from pmsim.queue.paper_venue import PaperAnswer
from pmsim.run.paper_executor import ExecutorMessage, PaperExecutor
from pmsim.venue.ports import UserFrame
from support.sim_worlds import ME, WORLD_START_NS, synthetic

HALF_NS = 40 * NS_PER_MS


class Trader:
    """An executor without a process in a world of its own; `heard` is what it said, with times."""

    def __init__(self) -> None:
        self.world = synthetic(seed=4)
        self.window = self.world.listings()[0].window
        self.exchange = WorldExchange(self.world, ME, HALF_NS)
        self.executor = PaperExecutor(ExecutionEngine(), self.exchange, lambda _at, _notice: None)
        self.heard: list[tuple[int, ExecutorMessage]] = []
        self.hear(WORLD_START_NS, self.executor.add_window(WORLD_START_NS, self.window))

    def hear(self, at_ns: int, messages: list[ExecutorMessage]) -> None:
        self.heard += [(at_ns, message) for message in messages]

    def command(self, at_ns: int, command: CommandMessage) -> None:
        self.hear(at_ns, self.executor.command(at_ns, command))

    def until(self, to_ns: int) -> None:
        while (due_ns := self.next_ns()) <= to_ns:
            for event in self.world.advance(due_ns):
                if isinstance(event, UserFrame) and event.owner == ME.owner:
                    self.exchange.hear(event, due_ns)
            self.hear(due_ns, self.executor.advance(due_ns))

    def next_ns(self) -> int:
        times = (self.world.next_ns(), self.executor.next_ns())
        return max(self.world.now_ns, min(ns for ns in times if ns is not None))

    def bid(self, name: str, price_e4: int, *, at_ns: int) -> SubmitOrder:
        return SubmitOrder(
            client_order_id=name,
            slug=self.window.slug,
            outcome=Outcome.UP,
            price_e4=price_e4,
            size_u6=5_000_000,
            tick_e4=100,
            expires_at_ns=at_ns + NS_PER_S,
            ts_step_ns=at_ns,
        )

    def one(self, kind: type, name: str = "") -> tuple[int, ExecutorMessage]:
        """The only message of a kind, about an order if one is named."""
        (found,) = [
            (at_ns, message)
            for at_ns, message in self.heard
            if type(message) is kind and getattr(message, "client_order_id", "") in ("", name)
        ]
        return found


def cancel(trader: Trader, *names: str) -> CancelOrders:
    return CancelOrders(
        slug=trader.window.slug, client_order_ids=names, reason="requote", ts_step_ns=0
    )


def test_an_order_arrives_after_half_the_latency_and_is_answered_after_all_of_it() -> None:
    trader, sent_ns = Trader(), WORLD_START_NS + NS_PER_S
    assert trader.one(UserChannelChanged)[0] == WORLD_START_NS
    trader.until(sent_ns)
    trader.command(sent_ns, trader.bid("a", 100, at_ns=sent_ns))
    submitting = trader.one(OrderSubmitting, "a")[1]
    assert isinstance(submitting, OrderSubmitting)
    trader.until(sent_ns + HALF_NS - 1)
    assert trader.world.order(submitting.order_hash) is None
    trader.until(sent_ns + HALF_NS)
    record = trader.world.order(submitting.order_hash)
    assert record is not None
    assert record.price_e4 == 100
    trader.until(sent_ns + 2 * HALF_NS)
    assert trader.one(OrderAccepted, "a")[0] == sent_ns + 2 * HALF_NS
    trader.command(sent_ns + NS_PER_S, cancel(trader, "a"))
    trader.until(sent_ns + NS_PER_S + 2 * HALF_NS)
    assert trader.one(OrderCancelled, "a")[0] == sent_ns + NS_PER_S + 2 * HALF_NS


def test_a_bid_that_would_take_is_refused_and_a_fill_is_the_worlds() -> None:
    trader, sent_ns = Trader(), WORLD_START_NS + NS_PER_S
    trader.until(sent_ns)
    trader.command(sent_ns, trader.bid("a", 9_900, at_ns=sent_ns))
    trader.until(sent_ns + 2 * HALF_NS)
    failed = trader.one(OrderFailed, "a")[1]
    assert isinstance(failed, OrderFailed)
    assert failed.reason is Reason.POST_ONLY_CROSSES
    at_ns = trader.world.now_ns
    book = trader.world.book(trader.window.up_token_id)
    assert book is not None
    asks = book["asks"]
    assert isinstance(asks, list)
    below_e4 = min(round(float(level["price"]) * 10_000) for level in asks) - 100
    trader.command(at_ns, trader.bid("b", below_e4, at_ns=at_ns))
    trader.until(trader.window.close_ns)
    fills = [m for _, m in trader.heard if isinstance(m, FillReported)]
    bought_u6 = trader.world.balance_u6(ME.owner, trader.window.up_token_id)
    assert {fill.order_hash for fill in fills} == {trader.one(OrderAccepted, "b")[1].order_hash}  # type: ignore[union-attr] # it has one
    trades = {(fill.trade_id, fill.size_u6) for fill in fills}
    assert sum(size_u6 for _, size_u6 in trades) == bought_u6 == 5_000_000
    trader.command(trader.world.now_ns, cancel(trader, "b"))
    too_late = trader.one(CancelFailed, "b")[1]
    assert isinstance(too_late, CancelFailed)
    assert too_late.reason is Reason.ALREADY_MATCHED


def test_the_window_is_flat_when_the_world_lists_no_order() -> None:
    trader, sent_ns = Trader(), WORLD_START_NS + NS_PER_S
    trader.until(sent_ns)
    trader.command(sent_ns, trader.bid("a", 100, at_ns=sent_ns))
    trader.until(sent_ns + 2 * HALF_NS)
    trader.command(
        sent_ns + NS_PER_S, CancelWindow(slug=trader.window.slug, reason="close", ts_step_ns=0)
    )
    trader.until(sent_ns + 3 * NS_PER_S)
    assert isinstance(trader.one(WindowFlat)[1], WindowFlat)
    assert trader.world.open_orders(ME.owner) == []


def answers(exchange: WorldExchange, at_ns: int) -> list[object]:
    """What was asked at a time, answered."""
    assert exchange.advance(at_ns + 2 * HALF_NS - 1) == []
    told = exchange.advance(at_ns + 2 * HALF_NS)
    return [message.answer for message in told if isinstance(message, PaperAnswer)]


def test_questions_are_answered_by_the_worlds_own_records() -> None:
    trader, sent_ns = Trader(), WORLD_START_NS + NS_PER_S
    trader.until(sent_ns)
    trader.command(sent_ns, trader.bid("a", 100, at_ns=sent_ns))
    trader.until(sent_ns + 2 * HALF_NS)
    order_hash = trader.one(OrderAccepted, "a")[1].order_hash  # type: ignore[union-attr] # it has one
    exchange, at_ns = trader.exchange, trader.world.now_ns + NS_PER_S
    exchange.advance(at_ns)
    exchange.list_open(at_ns, trader.window.slug)
    exchange.look_up(at_ns, order_hash)
    exchange.look_up(at_ns, "0xunknown")
    assert answers(exchange, at_ns) == [
        OpenOrdersAnswered(trader.window.slug, (order_hash,)),
        OrderLookedUp(order_hash, LookUpResult.LIVE, 0),
        OrderLookedUp("0xunknown", LookUpResult.ABSENT),
    ]
    trader.world.cancel(ME.owner, [order_hash], at_ns)
    exchange.look_up(at_ns + NS_PER_S, order_hash)
    assert answers(exchange, at_ns + NS_PER_S) == [
        OrderLookedUp(order_hash, LookUpResult.CANCELED, 0)
    ]
