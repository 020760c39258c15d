"""The bookkeeper of our orders: names, slots, exposures, ends."""

from __future__ import annotations

from itertools import pairwise

from pmcore.engine.strategy.orders import OrderBookkeeper
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
    assert keeper.alive() == (up, down)  # both say so, and nobody said how much was filled
    keeper.claim(up, 0, 4, ended=True)
    keeper.settle_accounts(4)
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


def gone(keeper: OrderBookkeeper, *orders: OwnOrder) -> None:
    """They rested and left the book at second 0; nobody said how much was filled."""
    for order in orders:
        keeper.trigger(order, OrderTrigger.ACCEPTED, 0)
        keeper.trigger(order, OrderTrigger.REST_GONE, 0)


def test_silence_closes_nothing_and_is_asked_about_less_and_less_often() -> None:
    keeper, (order, other) = keeper_with(UP, DOWN)
    gone(keeper, order)
    asked = [s for s in range(300) if keeper.to_ask(s * NS_PER_S)]
    assert asked[:6] == [1, 3, 7, 15, 31, 63]
    assert {b - a for a, b in pairwise(asked[5:])} == {32}
    keeper.settle_accounts(300 * NS_PER_S)
    assert order.state is OrderState.GONE_REST
    assert order.exposure_u6 == 5_000_000
    assert keeper.alive() == (order, other)


def test_matched_shares_that_no_trade_tells_count_and_make_the_account_untrusted() -> None:
    keeper, (order, other) = keeper_with(UP, DOWN)
    keeper.trigger(other, OrderTrigger.ACCEPTED, 0)
    gone(keeper, order)
    keeper.claim(order, 1_000_000, NS_PER_S, ended=True)
    assert [e.qty_u6 for e in keeper.owed()] == [1_000_000]
    assert (keeper.owes(UP), keeper.owes(DOWN)) == (True, False)
    assert keeper.to_ask(60 * NS_PER_S) == []  # how much is known
    assert keeper.unaccounted(10 * NS_PER_S - 1) == []
    assert keeper.unaccounted(10 * NS_PER_S) == [order]
    keeper.filled(order, 1_000_000, 60 * NS_PER_S)
    keeper.settle_accounts(60 * NS_PER_S)
    assert order.state is OrderState.CLOSED
    assert keeper.unaccounted(60 * NS_PER_S) == []


def test_a_part_matched_of_a_resting_order_is_owed_too() -> None:
    keeper, (order,) = keeper_with(UP)
    keeper.trigger(order, OrderTrigger.ACCEPTED, 0)
    keeper.claim(order, 2_000_000, NS_PER_S)
    assert order.exposure_u6 == 5_000_000
    assert keeper.unaccounted(11 * NS_PER_S) == [order]
    keeper.filled(order, 2_000_000, 12 * NS_PER_S)
    assert keeper.unaccounted(12 * NS_PER_S) == []


def test_nothing_left_to_fill_needs_no_silence() -> None:
    keeper, (order,) = keeper_with(UP)
    gone(keeper, order)
    keeper.claim(order, 0, 0, ended=True)
    keeper.settle_accounts(0)
    assert order.state is OrderState.CLOSED


def test_a_match_learnt_after_the_end_counts_again() -> None:
    keeper, (order, refused) = keeper_with(UP, DOWN)
    gone(keeper, order)
    keeper.claim(order, 0, 0, ended=True)
    keeper.settle_accounts(0)
    keeper.trigger(refused, OrderTrigger.FAILED, 0)
    assert keeper.alive() == ()
    for late in (order, refused):
        keeper.claim(late, 3_000_000, 1)
        assert late.state is OrderState.GONE_BOTH
    assert [e.qty_u6 for e in keeper.exposures()] == [3_000_000, 5_000_000]


def test_a_refusal_does_not_take_back_what_was_matched() -> None:
    keeper, (order,) = keeper_with(UP)
    keeper.trigger(order, OrderTrigger.ACCEPTED, 0)
    keeper.claim(order, 2_000_000, 1)
    keeper.trigger(order, OrderTrigger.FAILED, 2)
    assert keeper.owes(UP)


def test_already_matched_without_an_amount_means_all_of_it() -> None:
    keeper, (order,) = keeper_with(UP)
    gone(keeper, order)
    keeper.prove_match(order, 0)
    assert order.owed_u6 == 5_000_000
    keeper.claim(order, 4_000_000, 1, ended=True)
    assert order.owed_u6 == 4_000_000


def test_a_flat_window_frees_slots_and_keeps_what_may_have_been_filled() -> None:
    keeper, (silent, empty, owing, unsent) = keeper_with(UP, DOWN, DOWN, UP)
    for order in (silent, empty, owing):
        keeper.trigger(order, OrderTrigger.ACCEPTED, 0)
        keeper.identify(order, f"0x{order.client_order_id}", 0)
    for order, matched_u6 in ((empty, 0), (owing, 1_000_000)):
        keeper.trigger(order, OrderTrigger.REST_GONE, 0)
        keeper.claim(order, matched_u6, 0, ended=True)
    keeper.close_all(1)
    assert (keeper.slot(UP), keeper.slot(DOWN)) == (None, None)
    assert (empty.state, unsent.state) == (OrderState.CLOSED, OrderState.CLOSED)
    assert keeper.alive() == (silent, owing)
