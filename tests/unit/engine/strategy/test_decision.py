"""From a session to commands: what waits for what."""

from __future__ import annotations

from itertools import count

from pmcore.engine.strategy.decision import (
    approved,
    choose_targets,
    decide_commands,
    must_ask_flat,
    overdue_orders,
    place,
)
from pmcore.machines.order_lifecycle import OrderState
from pmcore.machines.quoting import Quote, QuoteMode
from pmcore.machines.rotation import WindowState
from pmcore.messages.execution import VenueMode
from pmcore.messages.orders import CancelOrders, CancelWindow, CommandMessage, SubmitOrder
from pmcore.messages.user import UserChannelState
from pmcore.model.market import Outcome, TakerSide
from pmcore.model.params import FirstLegParams, LimitParams, OfiParams, StrategyParams
from pmcore.model.units import NS_PER_S
from support.builders import at, book, fill, params, trade
from support.engine_driver import EngineDriver, quoting_driver

UP, DOWN = Outcome.UP, Outcome.DOWN


def decide(driver: EngineDriver, t: float) -> list[CommandMessage]:
    numbers = count(100)
    session = driver.session
    seen = session.side_views(at(t))
    return decide_commands(session, at(t), seen, lambda: f"n{next(numbers)}")


def started(strategy: StrategyParams | None = None) -> EngineDriver:
    """Flat, both books there, nothing quoted yet."""
    driver = EngineDriver(strategy)
    driver.start()
    for outcome, bid, ask in ((UP, "0.46", "0.48"), (DOWN, "0.51", "0.53")):
        driver.session.books.apply(book(outcome, bid, ask, at_ns=at(1)))
    return driver


def test_the_first_thing_is_to_ask_whether_we_are_flat_and_again_when_nobody_answers() -> None:
    driver = EngineDriver()
    driver.session.user.state = UserChannelState.UP
    driver.session.clock.advance(at(1))
    (asked,) = decide(driver, 1)
    assert isinstance(asked, CancelWindow)
    assert asked.reason == "start"
    assert decide(driver, 5.9) == []
    (again,) = decide(driver, 6)
    assert isinstance(again, CancelWindow)


def test_a_gate_that_closes_withdraws_both_bids_and_lets_a_hedge_go_on() -> None:
    gate = FirstLegParams(within_ns=3 * NS_PER_S)
    driver = quoting_driver(params(first_leg=gate))
    driver.batch(2.9)
    assert driver.cancels == []
    driver.batch(3)
    assert len(driver.cancels) == 2
    assert driver.session.decision.mode is QuoteMode.GATED
    hedging = quoting_driver(params(first_leg=gate))
    hedging.batch(2, fill(UP, "5", "0.465"))
    hedging.batch(3)
    assert hedging.session.decision.mode is QuoteMode.HEDGE
    assert hedging.cancels == []


def test_the_end_asks_for_a_flat_window_and_marks_all_orders_as_going() -> None:
    driver = quoting_driver()
    driver.session.clock.state = WindowState.CANCELLING
    (asked,) = decide(driver, 895)
    assert isinstance(asked, CancelWindow)
    assert asked.reason == "window end"
    assert [o.cancel_requested_ns for o in driver.session.orders.alive()] == [at(895)] * 2
    for state in (WindowState.AWAITING_RESOLUTION, WindowState.SETTLED):
        driver.session.clock.state = state
        assert not any(isinstance(c, CancelWindow) for c in decide(driver, 950))


def test_both_bids_take_their_slots_and_carry_their_times() -> None:
    driver = started()
    driver.session.cause.received_ns = at(0.9)
    commands = decide(driver, 1.1)
    assert [type(c) for c in commands] == [SubmitOrder, SubmitOrder]
    first = commands[0]
    assert isinstance(first, SubmitOrder)
    assert (first.client_order_id, first.outcome, first.price_e4) == ("n100", UP, 4700)
    assert (first.ts_cause_ns, first.ts_step_ns, first.expires_at_ns) == (at(0.9), at(1.1), at(2.1))
    assert driver.session.counters.quotes_submitted == 2
    assert decide(driver, 1.2) == []


def test_a_moved_target_cancels_first_and_counts_a_requote() -> None:
    driver = quoting_driver()
    driver.session.books.apply(book(UP, "0.40", "0.42", at_ns=at(2)))
    driver.session.books.apply(book(DOWN, "0.57", "0.59", at_ns=at(2)))
    (cancel,) = decide(driver, 2)
    assert isinstance(cancel, CancelOrders)
    assert len(cancel.client_order_ids) == 2
    assert driver.session.counters.requotes == 2
    assert decide(driver, 2.1) == []


def test_a_hold_cancels_and_is_no_requote() -> None:
    driver = quoting_driver()
    driver.session.halt.reason = "drill"
    (cancel,) = decide(driver, 2)
    assert isinstance(cancel, CancelOrders)
    assert cancel.reason == "halted: drill"
    assert driver.session.counters.requotes == 0
    assert driver.session.decision.mode is QuoteMode.HOLD


def test_toxic_flow_cancels_under_its_own_name() -> None:
    driver = quoting_driver(params(ofi=OfiParams(threshold_u6=1_000_000)))
    flow = driver.session.flows[UP]
    printed = trade(UP, TakerSide.BUY, "2", at_ns=at(2))
    flow.trade(at(2), printed.taker_side, printed.size_u6, tick_e4=10)
    (cancel,) = decide(driver, 2)
    assert isinstance(cancel, CancelOrders)
    assert cancel.reason == QuoteMode.TOXIC.value


def test_one_bid_without_a_price_holds_both() -> None:
    driver = started()
    driver.session.books.apply(book(UP, "0.001", "0.004", at_ns=at(1)))
    driver.session.books.apply(book(DOWN, "0.996", "0.999", at_ns=at(1)))
    driver.session.sides[UP].extra_ticks = 5
    targets = choose_targets(driver.session, at(1.1), driver.session.side_views(at(1.1)))
    assert (targets.up, targets.down) == (None, None)
    assert "no first leg without a second" in driver.session.decision.hold_reason


def test_a_first_leg_must_leave_room_for_the_second() -> None:
    driver = started(params(limits=LimitParams(max_position_value_u6=2_500_000)))
    targets = choose_targets(driver.session, at(1.1), driver.session.side_views(at(1.1)))
    assert targets.mode is QuoteMode.RISK
    assert "position_value" in driver.session.decision.hold_reason
    assert decide(driver, 1.1) == []


def test_the_risk_of_the_pair_is_found_anew_after_a_fill_and_after_an_order() -> None:
    limits = LimitParams(max_position_value_u6=6_000_000)
    driver = quoting_driver(params(limits=limits))

    def mode(t: float) -> QuoteMode:
        return choose_targets(driver.session, at(t), driver.session.side_views(at(t))).mode

    assert mode(1.3) is QuoteMode.BALANCED
    for outcome, trade_id in ((UP, "1"), (DOWN, "2")):
        driver.session.inventory.apply(fill(outcome, "8", "0.465", trade_id=trade_id), outcome)
    assert mode(1.3) is QuoteMode.RISK
    up = driver.session.orders.slot(UP)
    down = driver.session.orders.slot(DOWN)
    assert up is not None
    assert down is not None
    up.filled_u6, down.filled_u6 = up.size_u6, down.size_u6
    assert mode(1.3) is QuoteMode.BALANCED


def test_the_targets_are_found_anew_when_a_book_moves() -> None:
    driver = quoting_driver()

    def prices_e4() -> list[int]:
        targets = choose_targets(driver.session, at(1.3), driver.session.side_views(at(1.3)))
        return [quote.price_e4 for quote in (targets.up, targets.down) if quote]

    assert prices_e4() == prices_e4() == [4700, 5200]
    driver.session.books.apply(book(UP, "0.44", "0.46", at_ns=at(1.2)))
    driver.session.books.apply(book(DOWN, "0.53", "0.55", at_ns=at(1.2)))
    assert prices_e4() == [4500, 5400]


def test_what_rests_stands_for_its_target_in_the_pair() -> None:
    driver = quoting_driver()
    assert (
        choose_targets(driver.session, at(1.3), driver.session.side_views(at(1.3))).mode
        is QuoteMode.BALANCED
    )


def test_a_single_order_is_approved_on_both_views_and_on_orders_that_are_going() -> None:
    limits = LimitParams(max_net_diff_u6=10_000_000, max_position_value_u6=100_000_000)
    driver = quoting_driver(params(limits=limits))
    going = driver.session.orders.slot(UP)
    assert going is not None
    going.state = OrderState.GONE_REST  # may still turn out to be filled
    quote = Quote(4700, 5_000_000)
    assert approved(driver.session, at(2), UP, quote) is None
    assert driver.session.decision.hold_reason == "up bid could break net_diff"

    settled = started(params(limits=limits))
    settled.session.inventory.settled = settled.session.inventory.settled.with_buy(
        UP, 4700, 5_000_000
    )
    assert approved(settled.session, at(2), UP, quote) is None


def test_an_approved_order_is_the_one_that_is_placed() -> None:
    session = started().session
    approval = approved(session, at(2), DOWN, Quote(5100, 6_000_000))
    assert approval is not None
    assert session.orders.slot(DOWN) is None, "an approval alone takes no slot"
    submit = place(session, at(2), approval, lambda: "x")
    assert (submit.outcome, submit.price_e4, submit.size_u6) == (DOWN, 5100, 6_000_000)
    order = session.orders.slot(DOWN)
    assert order is not None
    assert (order.client_order_id, order.price_e4, order.size_u6) == ("x", 5100, 6_000_000)


def test_a_venue_that_takes_no_orders_gets_none() -> None:
    driver = started()
    driver.session.venue_mode.mode = VenueMode.CANCEL_ONLY
    assert decide(driver, 1.1) == []


def test_an_order_that_nobody_answered_for_is_cancelled() -> None:
    driver = started()
    decide(driver, 1.1)
    first, second = driver.session.orders.alive()
    second.state = OrderState.RESTING
    assert overdue_orders(driver.session, at(6.0)) == []
    assert overdue_orders(driver.session, at(6.1)) == [first]
    for outcome, bid, ask in ((UP, "0.46", "0.48"), (DOWN, "0.51", "0.53")):
        driver.session.books.apply(book(outcome, bid, ask, at_ns=at(6)))
    (cancel,) = decide(driver, 6.1)
    assert isinstance(cancel, CancelOrders)
    assert cancel.client_order_ids == (first.client_order_id,)
    assert overdue_orders(driver.session, at(11.0)) == []
    assert overdue_orders(driver.session, at(11.1)) == [first]


def test_an_overdue_order_without_a_target_is_cancelled_once() -> None:
    driver = started()
    decide(driver, 1.1)
    driver.session.halt.reason = "drill"
    (cancel,) = decide(driver, 6.1)
    assert isinstance(cancel, CancelOrders)
    assert len(cancel.client_order_ids) == len(set(cancel.client_order_ids)) == 2


def test_a_hedge_alone_needs_no_second_leg() -> None:
    driver = started()
    driver.session.inventory.apply(fill(UP, "5", "0.4"), UP)
    targets = choose_targets(driver.session, at(1.1), driver.session.side_views(at(1.1)))
    assert targets.mode is QuoteMode.HEDGE
    assert targets.up is None
    assert targets.down is not None


def test_a_requote_carries_its_own_reason_and_not_the_refusal_of_the_other_side() -> None:
    limits = LimitParams(max_net_diff_u6=10_000_000, max_position_value_u6=100_000_000)
    driver = quoting_driver(params(limits=limits))
    going = driver.session.orders.slot(UP)
    assert going is not None
    going.state = OrderState.GONE_REST  # counts in the worst case: the next up bid is refused
    driver.session.books.apply(book(UP, "0.46", "0.48", at_ns=at(2)))
    driver.session.books.apply(book(DOWN, "0.49", "0.53", at_ns=at(2)))
    (cancel,) = decide(driver, 2)
    assert driver.session.decision.hold_reason == "up bid could break net_diff"
    assert isinstance(cancel, CancelOrders)
    assert cancel.reason == QuoteMode.BALANCED.value


def test_a_command_without_market_data_in_its_batch_has_no_cause() -> None:
    driver = quoting_driver()
    driver.batch(2, book(UP, "0.40", "0.42", at_ns=at(2)), book(DOWN, "0.57", "0.59", at_ns=at(2)))
    (requote,) = (o for o in driver.outputs if isinstance(o, CancelOrders))
    assert requote.ts_cause_ns == at(2)
    driver.confirm_cancel(2.5)
    assert [order.ts_cause_ns for order in driver.submits] == [0, 0]


def test_a_window_that_is_over_is_not_asked_about_though_it_never_started() -> None:
    driver = EngineDriver()
    for state in (WindowState.AWAITING_RESOLUTION, WindowState.SETTLED):
        driver.session.clock.state = state
        assert not must_ask_flat(driver.session, at(950))


def test_the_bound_on_orders_ends_new_risk_with_its_reason_but_not_the_hedge() -> None:
    driver = quoting_driver(params(max_orders_per_window=2))
    driver.books(2, "0.48/0.50", "0.49/0.51")
    driver.confirm_cancel(2.1)
    assert driver.submits == []
    assert (
        driver.session.decision.hold_reason == "2 orders were placed in this window: hedging only"
    )
    hedging = quoting_driver(params(max_orders_per_window=2))
    up = hedging.resting(UP)
    assert up
    hedging.batch(2, hedging.filled(2, up[0], UP, "5", "0.47"))
    hedging.books(2.5, "0.43/0.45", "0.53/0.55")
    hedging.books(3, "0.56/0.58", "0.41/0.43")
    hedging.confirm_cancel(3.1)
    assert [s.outcome for s in hedging.submits] == [DOWN]


def test_a_mode_in_which_the_venue_takes_no_orders_is_the_reason_shown() -> None:
    driver = quoting_driver()
    driver.session.venue_mode.mode = VenueMode.CANCEL_ONLY
    driver.books(2, "0.48/0.50", "0.49/0.51")
    driver.confirm_cancel(2.1)
    assert driver.session.decision.hold_reason == "the venue is cancel_only"
