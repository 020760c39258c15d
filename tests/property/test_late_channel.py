"""The engine against a venue that fills whatever it wants, and a user channel that tells it late.

What is held and what rests at the venue never reaches the net limit, whatever the engine is told,
and when: the channel is silent, or up to 60 s late, in any order; order events come or do not.
The answers of the executor are true, as it gives them today: a cancel does not say how much was
filled, "already matched" neither, and a look-up does, or does not know a matched order any more.
"""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from pmcore.engine.strategy.engine import Output
from pmcore.messages.execution import (
    CancelFailed,
    OrderAccepted,
    OrderCancelled,
    OrderSubmitting,
    OrderUnknown,
    WindowFlat,
)
from pmcore.messages.orders import CancelOrders, CancelWindow, SubmitOrder
from pmcore.messages.union import EngineEvent
from pmcore.messages.user import OrderUpdated, OrderUpdateKind, TradeStatus
from pmcore.model.errors import Reason
from pmcore.model.market import Outcome
from support.builders import at, book, fill
from support.engine_driver import EngineDriver, hash_of

STEP_S = 0.25
SILENT_S = 1e9
LIMIT_U6 = 10_000_000


class VenueOrder(msgspec.Struct):
    """An order as the venue has it."""

    submit: SubmitOrder
    matched_u6: int = 0
    open: bool = True
    asked: int = 0


class TrueVenue:
    """The venue, the executor before it, and the user channel behind it; all chance by seed."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)
        self.driver = EngineDriver()
        self.orders: dict[str, VenueOrder] = {}
        self.held_u6 = dict.fromkeys(Outcome, 0)
        self.coming: list[tuple[float, EngineEvent]] = []
        self.late_s = self.dice.choice([0.0, 1.0, 6.0, 20.0, 60.0, SILENT_S])
        self.tells_orders = self.dice.random() < 0.5
        self.failing = self.dice.random() < 0.3
        self.trades = 0
        self.read = 0

    def run(self, seconds: float) -> None:
        self.driver.start()
        up_bid = 46
        for step in range(int(seconds / STEP_S)):
            t = 2 + step * STEP_S
            if self.dice.random() < 0.3:
                up_bid = self.dice.randint(40, 52)
            self.driver.batch(t, *self.due(t), *self.books(t, up_bid))
            self.executor(t)
            self.match(t)
            self.check(t)

    def due(self, t: float) -> list[EngineEvent]:
        now = [event for when, event in self.coming if when <= t]
        self.coming = [(when, event) for when, event in self.coming if when > t]
        return now

    def books(self, t: float, up_bid: int) -> list[EngineEvent]:
        down_bid = 97 - up_bid
        return [
            book(Outcome.UP, f"0.{up_bid}", f"0.{up_bid + 2}", at_ns=at(t)),
            book(Outcome.DOWN, f"0.{down_bid}", f"0.{down_bid + 2}", at_ns=at(t)),
        ]

    def later(self, t: float, least_s: float, most_s: float, event: EngineEvent) -> None:
        self.coming.append((t + self.dice.uniform(least_s, most_s), event))

    def executor(self, t: float) -> None:
        said: list[Output] = self.driver.all[self.read :]
        self.read = len(self.driver.all)
        for command in said:
            match command:
                case SubmitOrder():
                    self.post(t, command)
                case CancelOrders():
                    for client_order_id in command.client_order_ids:
                        self.cancel(t, client_order_id)
                case CancelWindow():
                    for order in self.orders.values():
                        order.open = False
                    flat = WindowFlat(slug=command.slug, ts_exec_ns=at(t))
                    self.later(t, 0, 1, flat)
                case _:
                    pass

    def post(self, t: float, submit: SubmitOrder) -> None:
        self.orders[submit.client_order_id] = VenueOrder(submit)
        named = {
            "slug": submit.slug,
            "client_order_id": submit.client_order_id,
            "order_hash": hash_of(submit.client_order_id),
            "ts_exec_ns": at(t),
        }
        self.driver.batch(t, OrderSubmitting(**named))  # type: ignore[arg-type] # one dict for three
        if self.dice.random() < 0.1:
            lost = OrderUnknown(**named, reason=Reason.TIMEOUT)  # type: ignore[arg-type] # one dict for three
            self.later(t, 0, 1, lost)
        else:
            self.later(t, 0, 1, OrderAccepted(**named))  # type: ignore[arg-type] # one dict for three
        self.tell_order(t, submit.client_order_id, OrderUpdateKind.PLACEMENT)

    def cancel(self, t: float, client_order_id: str) -> None:
        order = self.orders[client_order_id]
        slug, name = order.submit.slug, client_order_id
        order.asked += 1
        amount = order.matched_u6 if order.asked > 1 else None
        if order.open or order.matched_u6 < order.submit.size_u6:
            if order.open:
                self.tell_order(t, name, OrderUpdateKind.CANCELLATION)
            answer: EngineEvent = OrderCancelled(
                slug=slug,
                client_order_id=name,
                order_hash=hash_of(name),
                filled_u6=amount,
                ts_exec_ns=at(t),
            )
        else:
            forgotten = amount is not None and self.dice.random() < 0.5
            answer = CancelFailed(
                slug=slug,
                client_order_id=name,
                reason=Reason.NOT_FOUND if forgotten else Reason.ALREADY_MATCHED,
                filled_u6=0 if forgotten else amount,
                ts_exec_ns=at(t),
            )
        order.open = False
        self.later(t, 0, 1, answer)

    def match(self, t: float) -> None:
        for name, order in self.orders.items():
            left_u6 = order.submit.size_u6 - order.matched_u6
            if not order.open or self.dice.random() > 0.2:
                continue
            size_u6 = left_u6 if self.dice.random() < 0.6 else left_u6 // 2 // 10_000 * 10_000
            if not size_u6:
                continue
            order.matched_u6 += size_u6
            order.open = order.matched_u6 < order.submit.size_u6
            self.held_u6[order.submit.outcome] += size_u6
            self.tell_trade(t, name, size_u6)
            self.tell_order(t, name, OrderUpdateKind.UPDATE)

    def tell_trade(self, t: float, name: str, size_u6: int) -> None:
        self.trades += 1
        submit = self.orders[name].submit
        told = fill(
            submit.outcome,
            f"{size_u6 / 1_000_000:.6f}",
            f"{submit.price_e4 / 10_000:.4f}",
            trade_id=f"t{self.trades}",
            order_hash=hash_of(name),
            at_ns=at(t),
        )
        fails = self.failing and self.dice.random() < 0.3
        if fails:
            self.held_u6[submit.outcome] -= size_u6  # the chain will not take it
        last = TradeStatus.FAILED if fails else TradeStatus.MINED
        if self.late_s < SILENT_S:
            self.later(t, 0, self.late_s, told)
            self.later(t, self.late_s, self.late_s + 5, msgspec.structs.replace(told, status=last))

    def tell_order(self, t: float, name: str, kind: OrderUpdateKind) -> None:
        order = self.orders[name]
        if not self.tells_orders:
            return
        whole = order.matched_u6 == order.submit.size_u6
        said = OrderUpdated(
            kind=kind,
            order_hash=hash_of(name),
            condition_id=self.driver.window.condition_id,
            token_id=self.driver.window.token_id(order.submit.outcome),
            price_e4=order.submit.price_e4,
            original_u6=order.submit.size_u6,
            matched_u6=order.matched_u6,
            status="matched" if whole else "live",
            ts_event_ns=at(t),
            ts_recv_ns=at(t),
        )
        self.later(t, 0, min(self.late_s, 60), said)

    def check(self, t: float) -> None:
        resting_u6 = dict.fromkeys(Outcome, 0)
        for order in self.orders.values():
            if order.open:
                resting_u6[order.submit.outcome] += order.submit.size_u6 - order.matched_u6
        for outcome in Outcome:
            net_u6 = self.held_u6[outcome] - self.held_u6[outcome.complement]
            assert net_u6 + resting_u6[outcome] < LIMIT_U6, f"{outcome} at {t} s"


@pytest.mark.parametrize("first", range(0, 200, 20))
def test_what_is_held_and_rests_never_reaches_the_limit(first: int) -> None:
    matched = 0
    for seed in range(first, first + 20):
        venue = TrueVenue(seed)
        venue.run(120)
        matched += venue.trades
    assert matched > 20  # the venue did something
