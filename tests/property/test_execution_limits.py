"""The executor's limits against a strategy that commands anything, judged at the venue.

Orders may fill in any order, trades settle or fail, and reports of both come late.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pmcore.engine.execution.io import (
    CancelAnswered,
    DeleteOrders,
    ExecutionEvent,
    LookUpOrder,
    LookUpResult,
    OrderLookedUp,
    Posted,
    PostOrder,
    PostUnknown,
    Recorded,
    Signed,
    SignOrder,
)
from pmcore.messages.orders import SubmitOrder
from pmcore.messages.user import FillReported, OrderUpdated, OrderUpdateKind, TradeStatus
from pmcore.model.errors import Reason
from pmcore.model.market import Outcome
from pmcore.model.params import OrderCaps
from pmcore.model.units import PRICE_ONE_E4, SHARE_U6
from support.builders import window
from support.executions import Bench, hash_of

NET_U6, VALUE_U6 = 20 * SHARE_U6, 12 * SHARE_U6
CAPS = OrderCaps(
    bid_size_u6=7 * SHARE_U6,
    max_position_value_u6=VALUE_U6,
    pair_target_e4=9_900,
    max_net_diff_u6=NET_U6,
)


@dataclass
class VenueOrder:
    """An order that the venue has, or will have: its POST may still be on its way."""

    command: SubmitOrder
    open: bool = True
    filled_u6: int = 0
    failed: bool = False

    @property
    def held_u6(self) -> int:
        return 0 if self.failed else self.filled_u6


class Limits(RuleBasedStateMachine):
    awaits_account = False

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(caps=CAPS, awaits_account=self.awaits_account)
        self.commands = 0
        self.orders: dict[str, VenueOrder] = {}
        self.reports: list[FillReported | OrderUpdated] = []
        self.told: list[FillReported | OrderUpdated] = []
        self.lose_answers = False

    def act(self, event: ExecutionEvent | None = None, wait_ms: float = 0) -> None:
        """Step, and answer what it asks at once."""
        outputs = self.bench.wait(wait_ms) if event is None else self.bench.step(event)
        for output in outputs:
            match output:
                case PostOrder(client_order_id=order) if self.lose_answers:
                    self.act(PostUnknown(order, Reason.TIMEOUT))
                case PostOrder(client_order_id=order):
                    self.act(Posted(order))
                case DeleteOrders(order_hashes=hashes):
                    self.act(self.cancel(hashes))
                case LookUpOrder(order_hash=order_hash):
                    self.act(self.look_up(order_hash))
                case _:
                    pass

    def cancel(self, hashes: tuple[str, ...]) -> CancelAnswered:
        gone = tuple(key for key in hashes if self.orders[key].open)
        for key in gone:
            self.orders[key].open = False
            self.report(key, self.orders[key].filled_u6)
        refused = {key: "the order is already matched" for key in hashes if key not in gone}
        return CancelAnswered(hashes, gone, refused)

    def look_up(self, order_hash: str) -> OrderLookedUp:
        order = self.orders[order_hash]
        whole = order.filled_u6 == order.command.size_u6
        finding = LookUpResult.MATCHED if whole else LookUpResult.CANCELED
        finding = LookUpResult.LIVE if order.open else finding
        return OrderLookedUp(order_hash, finding, order.filled_u6)

    def report(self, order_hash: str, matched_u6: int) -> None:
        command = self.orders[order_hash].command
        self.reports.append(
            OrderUpdated(
                kind=OrderUpdateKind.CANCELLATION,
                order_hash=order_hash,
                condition_id=window().condition_id,
                token_id=window().token_id(command.outcome),
                price_e4=command.price_e4,
                original_u6=command.size_u6,
                matched_u6=matched_u6,
                ts_event_ns=0,
                ts_recv_ns=0,
            )
        )

    def tell_fill(self, order_hash: str, status: TradeStatus) -> None:
        order = self.orders[order_hash]
        self.reports.append(
            FillReported(
                trade_id=f"t{order_hash}",
                order_hash=order_hash,
                condition_id=window().condition_id,
                token_id=window().token_id(order.command.outcome),
                price_e4=order.command.price_e4,
                size_u6=order.filled_u6,
                status=status,
                ts_event_ns=0,
                ts_recv_ns=0,
            )
        )

    @rule(
        outcome=st.sampled_from(Outcome),
        price=st.integers(1, 99),
        size=st.integers(5, 8),
        lose=st.booleans(),
    )
    def command_anything(self, outcome: Outcome, price: int, size: int, lose: bool) -> None:
        self.lose_answers = lose
        order = f"o{self.commands}"
        self.commands += 1
        before = len(self.bench.all)
        self.bench.place(order, outcome=outcome, price_e4=price * 100, size_u6=size * SHARE_U6)
        self.send(before)

    def send(self, before: int) -> None:
        """Sign, record and post what has been admitted since."""
        for output in tuple(self.bench.all[before:]):
            if isinstance(output, SignOrder):
                order = output.command.client_order_id
                self.orders[hash_of(order)] = VenueOrder(output.command)
                self.act(Signed(order, hash_of(order)))
                self.act(Recorded(order))

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def cancel_one(self, data: st.DataObject) -> None:
        order = data.draw(st.sampled_from(sorted(self.orders)))
        before = len(self.bench.all)
        self.bench.cancel(order.removeprefix("0x"))
        for output in tuple(self.bench.all[before:]):
            if isinstance(output, DeleteOrders):
                self.act(self.cancel(output.order_hashes))

    @precondition(lambda self: any(order.open for order in self.orders.values()))
    @rule(data=st.data())
    def fill_one(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(k for k, o in self.orders.items() if o.open)))
        order = self.orders[key]
        order.open, order.filled_u6 = False, order.command.size_u6
        self.tell_fill(key, TradeStatus.MATCHED)

    @precondition(lambda self: any(order.held_u6 for order in self.orders.values()))
    @rule(data=st.data(), fails=st.booleans())
    def settle_one(self, data: st.DataObject, fails: bool) -> None:
        key = data.draw(st.sampled_from(sorted(k for k, o in self.orders.items() if o.held_u6)))
        if any(r.order_hash == key and _mined(r) for r in [*self.reports, *self.told]):
            return  # what the chain took stays
        self.orders[key].failed = fails
        self.tell_fill(key, TradeStatus.FAILED if fails else TradeStatus.MINED)

    @precondition(lambda self: self.reports)
    @rule()
    def hear_one(self) -> None:
        report = self.reports.pop(0)
        self.told.append(report)
        self.act(report)

    @rule(wait_ms=st.sampled_from([100, 1_000, 4_000]))
    def time_passes(self, wait_ms: int) -> None:
        self.act(wait_ms=wait_ms)

    @invariant()
    def net_and_value_stay_below_their_limits(self) -> None:
        for outcome in Outcome:
            mine = [o for o in self.orders.values() if o.command.outcome is outcome]
            other = [o for o in self.orders.values() if o.command.outcome is not outcome]
            most_u6 = sum(o.command.size_u6 if o.open else o.held_u6 for o in mine)
            assert most_u6 - sum(o.held_u6 for o in other) < NET_U6
            cost = sum(
                o.command.price_e4 * (o.command.size_u6 if o.open else o.held_u6) for o in mine
            )
            assert cost < VALUE_U6 * PRICE_ONE_E4


def _mined(report: FillReported | OrderUpdated) -> bool:
    return isinstance(report, FillReported) and report.status is TradeStatus.MINED


class AwaitingLimits(Limits):
    """Orders are judged apart, after whatever came meanwhile."""

    awaits_account = True

    @rule()
    def account_is_heard(self) -> None:
        before = len(self.bench.all)
        self.bench.hear()
        self.send(before)


TestLimits = Limits.TestCase
TestLimits.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAwaitingLimits = AwaitingLimits.TestCase
TestAwaitingLimits.settings = TestLimits.settings
