"""The bookkeeper of our orders: names, slots, exposures, ends."""

from __future__ import annotations

from pmcore.engine.orders import OrderBookkeeper
from pmcore.machines.order_lifecycle import OrderState, OrderTrigger, OwnOrder
from pmcore.model.market import Outcome
from pmcore.model.units import NS_PER_S
from support.builders import params

UP, DOWN = Outcome.UP, Outcome.DOWN


def keeper_with(*outcomes: Outcome) -> tuple[OrderBookkeeper, list[OwnOrder]]:
    """Orders of five shares at 0.47, just asked for."""
    keeper = OrderBookkeeper(params())
    orders = [
        OwnOrder(
            client_order_id=f"o{number}",
            outcome=outcome,
            price_e4=4700,
            size_u6=5_000_000,
        )
        for number, outcome in enumerate(outcomes)
    ]
    for order in orders:
        keeper.add(order)
    return keeper, orders


def test_an_order_is_found_by_both_names() -> None:
    keeper, (order,) = keeper_with(UP)
    assert len(keeper) == 1
    assert keeper.get("o0") is order
    assert keeper.get("o1") is None
    assert keeper.by_hash("0x0") is None
    keeper.identify(order, "0x0", 2_000_000)
    assert keeper.by_hash("0x0") is order
    assert order.filled_u6 == 2_000_000
    keeper.identify(order, "0x0", 1_000_000)
    assert order.filled_u6 == 2_000_000  # never unlearnt


def test_the_table_moves_an_order_and_refuses_without_a_trace() -> None:
    keeper, (order,) = keeper_with(UP)
    assert keeper.trigger(order, OrderTrigger.ACCEPTED, 5) == ""
    assert (order.state, order.changed_ns) == (OrderState.RESTING, 5)
    assert keeper.trigger(order, OrderTrigger.ACCEPTED, 9) == ""
    assert order.changed_ns == 5  # no change, no new time
    assert "o0: resting cannot take submitting" in keeper.trigger(order, OrderTrigger.SUBMITTING, 9)
    assert order.state is OrderState.RESTING


def test_a_slot_is_a_sides_and_free_once_the_order_is_going() -> None:
    keeper, (up, down) = keeper_with(UP, DOWN)
    assert (keeper.slot(UP), keeper.slot(DOWN)) == (up, down)
    keeper.trigger(up, OrderTrigger.ACCEPTED, 1)
    keeper.trigger(up, OrderTrigger.REST_GONE, 2)
    assert keeper.slot(UP) is None
    assert keeper.alive() == (up, down)
    assert [e.outcome for e in keeper.exposures()] == [UP, DOWN]
    assert [e.outcome for e in keeper.exposures(slots_only=True)] == [DOWN]
    keeper.trigger(up, OrderTrigger.USER_GONE, 3)
    assert keeper.alive() == (down,)
    assert keeper.get("o0") is up  # late words about it still find it


def test_fills_end_an_order_or_prove_that_it_rests() -> None:
    keeper, (order,) = keeper_with(UP)
    keeper.trigger(order, OrderTrigger.SUBMITTING, 1)
    assert keeper.filled(order, 1_000_000, 2) == ""
    assert order.state is OrderState.RESTING
    assert keeper.filled(order, 2_000_000, 3) == ""
    assert (order.leaves_u6, order.state) == (3_000_000, OrderState.RESTING)
    assert keeper.filled(order, 5_000_000, 4) == ""
    assert order.state is OrderState.FILLED
    assert keeper.alive() == ()


def test_one_word_and_silence_close_an_order() -> None:
    keeper, (order, other) = keeper_with(UP, DOWN)
    keeper.trigger(order, OrderTrigger.ACCEPTED, 0)
    keeper.trigger(order, OrderTrigger.REST_GONE, 0)
    assert keeper.expire(NS_PER_S - 1) == []
    assert order.state is OrderState.GONE_REST
    assert keeper.expire(NS_PER_S) == []
    assert order.state is OrderState.CLOSED
    assert keeper.alive() == (other,)


def test_matched_shares_that_nobody_reports_are_waited_for_and_told() -> None:
    keeper, (order,) = keeper_with(UP)
    keeper.trigger(order, OrderTrigger.ACCEPTED, 0)
    keeper.trigger(order, OrderTrigger.REST_GONE, 0)
    order.venue_filled_u6 = 1_000_000
    assert keeper.expire(NS_PER_S) == []
    assert order.state is OrderState.GONE_REST
    assert keeper.expire(10 * NS_PER_S) == ["o0: matched shares never reported"]
    assert order.state is OrderState.CLOSED


def test_nothing_left_to_fill_needs_no_silence() -> None:
    keeper, (order,) = keeper_with(UP)
    keeper.trigger(order, OrderTrigger.ACCEPTED, 0)
    keeper.trigger(order, OrderTrigger.REST_GONE, 0)
    order.venue_filled_u6 = 0
    assert keeper.expire(1) == []
    assert order.state is OrderState.CLOSED


def test_a_reconcile_closes_all_but_what_still_owes_shares() -> None:
    keeper, (silent, empty, owing) = keeper_with(UP, DOWN, DOWN)
    for order, matched_u6 in ((empty, 0), (owing, 1_000_000)):
        keeper.trigger(order, OrderTrigger.ACCEPTED, 0)
        keeper.trigger(order, OrderTrigger.REST_GONE, 0)
        order.venue_filled_u6 = matched_u6
    keeper.close_all(1)
    assert (silent.state, empty.state) == (OrderState.CLOSED, OrderState.CLOSED)
    assert keeper.alive() == (owing,)
