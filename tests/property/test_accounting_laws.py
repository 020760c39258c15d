"""What the venue matched counts, whoever says so first, and however late the trade is told.

The strategy's engine meets a venue that tells the truth in any order, late, or in part never:
order events, answers to cancels, look-ups and trades. Laws: at every moment the venue's own
|net| stays inside the strict limit; only trades change the inventory; and once everything was
told, nothing is owed, no dead order keeps a slot, and quoting goes on.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from pmcore.messages.execution import CancelFailed, OrderCancelled, OrderFailed
from pmcore.messages.notices import NoticeKind
from pmcore.messages.orders import CancelOrders, SubmitOrder
from pmcore.messages.union import EngineEvent
from pmcore.messages.user import OrderUpdated, OrderUpdateKind
from pmcore.model.errors import Reason
from pmcore.model.market import Outcome
from pmcore.model.params import LimitParams
from support.builders import at, params
from support.engine_driver import EngineDriver, hash_of

LIMITS = LimitParams(max_position_value_u6=100_000_000)
UPDATE, GONE = OrderUpdateKind.UPDATE, OrderUpdateKind.CANCELLATION
U6 = 1_000_000


@dataclass
class VenueOrder:
    """The truth about one order."""

    submit: SubmitOrder
    matched_u6: int = 0
    is_open: bool = True


class AccountingMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.driver = EngineDriver(params(limits=LIMITS))
        self.t = 1.0
        self.driver.start(self.t)
        self.venue: dict[str, VenueOrder] = {}
        self.on_its_way: list[SubmitOrder] = []
        self.asked: list[str] = []
        self.trades: list[EngineEvent] = []
        self.events: list[OrderUpdated] = []
        self.booked = 0
        self.mid = 47
        self.look()

    def hear(self, *events: EngineEvent) -> None:
        self.driver.batch(self.t, *events)
        self.collect()

    def collect(self) -> None:
        for output in self.driver.outputs:
            if isinstance(output, SubmitOrder):
                self.on_its_way.append(output)
            elif isinstance(output, CancelOrders):
                self.asked += output.client_order_ids

    def look(self) -> None:
        up, down = self.mid, 99 - self.mid
        texts = [f"0.{mid - 1:02}/0.{mid + 1:02}" for mid in (up, down)]
        self.driver.books(self.t, *texts)
        self.collect()

    # ---- the world ---------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.1, 1.0, 3.0, 12.0]), mid=st.sampled_from([40, 44, 47, 51, 55]))
    def time_passes_and_the_price_moves(self, seconds: float, mid: int) -> None:
        self.t += seconds
        self.mid = mid
        self.look()

    @precondition(lambda self: self.on_its_way)
    @rule()
    def an_order_comes_to_rest(self) -> None:
        submit = self.on_its_way.pop(0)
        self.venue[submit.client_order_id] = VenueOrder(submit)
        self.driver.accept(self.t, submit)
        self.collect()

    @precondition(lambda self: self.on_its_way)
    @rule()
    def an_order_is_matched_before_it_is_named(self) -> None:
        submit = self.on_its_way.pop(0)
        self.venue[submit.client_order_id] = VenueOrder(submit)
        self.match(submit.client_order_id, submit.size_u6)
        self.tell_events()
        self.driver.accept(self.t, submit)
        self.collect()

    @precondition(lambda self: self.on_its_way)
    @rule()
    def an_order_is_refused(self) -> None:
        submit = self.on_its_way.pop(0)
        failed: OrderFailed = self.driver.failed(submit.client_order_id, Reason.BALANCE, self.t)
        self.hear(failed)

    @precondition(lambda self: any(o.is_open for o in self.venue.values()))
    @rule(index=st.integers(0, 99), shares_u6=st.sampled_from([2 * U6, 4_997_714, 5 * U6]))
    def the_venue_matches(self, index: int, shares_u6: int) -> None:
        open_ = [key for key, order in self.venue.items() if order.is_open]
        self.match(open_[index % len(open_)], shares_u6)

    def match(self, key: str, shares_u6: int) -> None:
        order = self.venue[key]
        size_u6 = order.submit.size_u6
        part_u6 = min(shares_u6, size_u6 - order.matched_u6)
        order.matched_u6 += part_u6
        order.is_open = size_u6 - order.matched_u6 >= 10_000
        shares, price = f"{part_u6 / U6:.6f}", f"{order.submit.price_e4 / 10_000:.4f}"
        self.trades.append(self.driver.filled(self.t, key, order.submit.outcome, shares, price))
        self.say(key, UPDATE, "live" if order.is_open else "matched")

    def say(self, key: str, kind: OrderUpdateKind, status: str) -> None:
        order = self.venue[key]
        event = self.driver.user_order(self.t, key, kind, matched=order.matched_u6)
        token_id = self.driver.window.token_id(order.submit.outcome)
        price_e4, size_u6 = order.submit.price_e4, order.submit.size_u6
        self.events.append(
            replace(event, status=status, token_id=token_id, price_e4=price_e4, original_u6=size_u6)
        )

    @rule(
        outcome=st.sampled_from(list(Outcome)),
        shares_u6=st.sampled_from([4_900_000, 5 * U6]),
        events=st.booleans(),
        amount=st.booleans(),
    )
    def rounds_in_which_no_trade_is_told(
        self, outcome: Outcome, shares_u6: int, events: bool, amount: bool
    ) -> None:
        """One side is matched again and again while the price moves and cancels are answered."""
        for mid in (44, 51, 44, 51):
            self.a_round(outcome, shares_u6, mid, events=events, amount=amount)

    def a_round(
        self, outcome: Outcome, shares_u6: int, mid: int, *, events: bool, amount: bool
    ) -> None:
        while self.on_its_way:
            self.an_order_comes_to_rest()
        for key, order in self.venue.items():
            if order.is_open and order.submit.outcome is outcome:
                self.match(key, shares_u6)
        self.time_passes_and_the_price_moves(1.5, mid)
        if events:
            self.tell_events()
        while self.asked:
            self.a_cancel_is_answered(amount)
        self.time_passes_and_the_price_moves(1.5, mid)
        while self.on_its_way:
            self.an_order_comes_to_rest()

    # ---- what is told ------------------------------------------------------------------------

    @precondition(lambda self: self.trades)
    @rule(index=st.integers(0, 99))
    def a_trade_is_told(self, index: int) -> None:
        self.booked += 1
        self.hear(self.trades.pop(index % len(self.trades)))

    @precondition(lambda self: self.events)
    @rule(index=st.integers(0, 99))
    def an_order_event_is_told(self, index: int) -> None:
        self.hear(self.events.pop(index % len(self.events)))

    @precondition(lambda self: self.events)
    @rule()
    def an_order_event_is_lost(self) -> None:
        self.events.pop(0)

    def tell_events(self) -> None:
        while self.events:
            self.hear(self.events.pop(0))

    @precondition(lambda self: self.asked)
    @rule(amount=st.booleans())
    def a_cancel_is_answered(self, amount: bool) -> None:
        key = self.asked.pop(0)
        order = self.venue.get(key)
        if order is None:
            return  # still on its way
        named = {"slug": self.driver.window.slug, "client_order_id": key, "ts_exec_ns": at(self.t)}
        filled_u6 = order.matched_u6 if amount else None
        if order.is_open:
            order.is_open = False
            self.say(key, GONE, "canceled")
            self.hear(OrderCancelled(order_hash=hash_of(key), filled_u6=filled_u6, **named))  # type: ignore[arg-type] # one dict for both
            return
        full = order.matched_u6 > order.submit.size_u6 - 10_000
        reason = Reason.ALREADY_MATCHED if full else Reason.NOT_FOUND
        self.hear(CancelFailed(reason=reason, filled_u6=filled_u6, **named))  # type: ignore[arg-type] # one dict for both

    # ---- the laws ----------------------------------------------------------------------------

    @invariant()
    def the_venues_net_stays_inside_the_limit(self) -> None:
        net_u6 = sum(
            order.matched_u6 * (1 if order.submit.outcome is Outcome.UP else -1)
            for order in self.venue.values()
        )
        assert abs(net_u6) < LIMITS.max_net_diff_u6

    @invariant()
    def only_trades_are_inventory(self) -> None:
        assert len(self.driver.session.inventory) == self.booked
        assert not self.driver.notices(NoticeKind.INVALID_TRANSITION)

    def teardown(self) -> None:
        """Everything is told, look-ups included: the account is trusted and no slot is dead."""
        for _ in range(80):
            while self.trades:
                self.a_trade_is_told(0)
            self.tell_events()
            while self.on_its_way:
                self.an_order_comes_to_rest()
            self.asked += self.dead_slots()  # the executor's comparison with the venue's list
            while self.asked:
                self.a_cancel_is_answered(amount=True)
            self.t += 1.0
            self.look()
        session = self.driver.session
        assert session.trust.doubt == ""
        assert session.orders.owed() == []
        assert self.dead_slots() == []

    def dead_slots(self) -> list[str]:
        """Slots that are taken by orders that the venue has no more."""
        taken = [self.driver.resting(outcome) for outcome in Outcome]
        keys = [slot[0] for slot in taken if slot is not None]
        return [key for key in keys if key in self.venue and not self.venue[key].is_open]


TestAccounting = AccountingMachine.TestCase
TestAccounting.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
