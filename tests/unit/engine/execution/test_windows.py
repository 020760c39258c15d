"""Sweeps, the comparison with the venue's list, and the end of a window."""

from __future__ import annotations

import pytest

from pmcore.engine.execution.io import (
    CancelAnswered,
    CancelsFailed,
    DeleteOrders,
    ListOpenOrders,
    LookUpOrder,
    LookUpResult,
    OpenOrdersAnswered,
    OpenOrdersFailed,
    OrderLookedUp,
    Posted,
    PostOrder,
    Recorded,
    WindowEnded,
)
from pmcore.engine.execution.records import (
    MAX_RESOLVE_ATTEMPTS,
    MAX_SWEEP_ATTEMPTS,
    MAX_SWEEP_TOKENS,
)
from pmcore.messages.execution import CancelFailed, OrderCancelled, OrderFailed, WindowFlat
from pmcore.messages.notices import Notice, NoticeKind
from pmcore.model.errors import Reason
from support.builders import at
from support.executions import SLUG, Bench, hash_of


def _list(bench: Bench, *orders: str) -> None:
    bench.step(OpenOrdersAnswered(SLUG, tuple(hash_of(order) for order in orders)))


def test_an_empty_window_is_flat_when_the_venue_says_so_and_not_before() -> None:
    bench = Bench()
    token = bench.cancel_window()
    assert bench.one(ListOpenOrders).slug == SLUG
    assert not bench.got(WindowFlat)
    _list(bench)
    assert bench.one(WindowFlat).slug == SLUG
    assert bench.finished() == [token]
    assert bench.engine.flat


def test_known_orders_are_cancelled_by_id_before_the_list_is_asked_for() -> None:
    bench = Bench()
    bench.rest("a")
    bench.rest("b")
    bench.cancel_window()
    assert bench.one(DeleteOrders).order_hashes == (hash_of("a"), hash_of("b"))
    assert not bench.got(ListOpenOrders)
    bench.answer_cancel("a", "b")
    assert len(bench.got(OrderCancelled)) == 2
    assert bench.got(ListOpenOrders)


def test_a_post_under_way_is_waited_for_and_taken_back() -> None:
    bench = Bench()
    bench.until_post()
    bench.cancel_window()
    assert not bench.got(ListOpenOrders)
    bench.step(Posted("a"))
    assert bench.got(DeleteOrders)
    bench.answer_cancel("a")
    assert bench.got(ListOpenOrders)


def test_orders_on_their_way_to_the_post_are_denied_by_a_sweep() -> None:
    bench = Bench()
    bench.place()
    bench.sign()
    bench.cancel_window()
    assert not bench.got(ListOpenOrders)
    bench.step(Recorded("a"))
    assert bench.one(OrderFailed).reason is Reason.NOT_FLAT
    assert bench.got(ListOpenOrders)
    bench.place("b")
    assert bench.one(OrderFailed).reason is Reason.NOT_FLAT


def test_an_order_the_venue_still_lists_is_deleted_and_the_window_is_not_flat() -> None:
    bench = Bench()
    token = bench.cancel_window()
    _list(bench, "stray")
    assert bench.one(CancelFailed).reason is Reason.NOT_FLAT
    assert bench.one(DeleteOrders).order_hashes == (hash_of("stray"),)
    assert bench.one(Notice).kind is NoticeKind.UNKNOWN_ORDER
    bench.wait(99)
    assert not bench.got(ListOpenOrders)
    bench.wait(1)
    assert bench.got(ListOpenOrders)
    _list(bench)
    assert bench.got(WindowFlat)
    assert bench.finished() == [token]


def test_a_list_that_cannot_be_had_is_asked_for_again() -> None:
    bench = Bench()
    bench.cancel_window()
    bench.step(OpenOrdersFailed(SLUG, Reason.TRANSPORT, "gone"))
    assert bench.one(CancelFailed).reason is Reason.TRANSPORT
    assert not bench.got(ListOpenOrders)
    bench.wait(100)
    assert bench.got(ListOpenOrders)


def _fail_to_list(bench: Bench, times: int) -> None:
    for _ in range(times):
        assert not bench.finished()
        while not bench.got(ListOpenOrders):
            bench.wait(500)
        bench.step(OpenOrdersFailed(SLUG, Reason.TRANSPORT))


def test_a_sweep_asks_as_long_as_the_window_lives() -> None:
    bench = Bench()
    token = bench.cancel_window()
    _fail_to_list(bench, 3 * MAX_SWEEP_ATTEMPTS)
    bench.wait(2_000)
    _list(bench)
    assert bench.got(WindowFlat)
    assert bench.finished() == [token]


def test_a_sweep_gives_up_only_when_the_window_has_ended() -> None:
    bench = Bench()
    token = bench.cancel_window()
    bench.step(WindowEnded(SLUG))
    bench.step(OpenOrdersFailed(SLUG, Reason.TRANSPORT))
    _fail_to_list(bench, MAX_SWEEP_ATTEMPTS - 1)
    assert bench.finished() == [token]
    assert "not confirmed" in bench.one(CancelFailed).text
    assert bench.engine.slugs == ()


def test_a_second_cancel_window_shares_the_sweep_and_both_are_answered() -> None:
    bench = Bench()
    first = bench.cancel_window()
    second = bench.cancel_window()
    _list(bench)
    assert len(bench.got(WindowFlat)) == 1
    assert bench.finished() == [first, second]


def test_waiting_commands_of_one_sweep_are_bounded() -> None:
    bench = Bench()
    tokens = [bench.cancel_window() for _ in range(MAX_SWEEP_TOKENS + 1)]
    assert bench.finished() == [tokens[0]]


def test_cancel_window_of_an_unknown_window_is_refused() -> None:
    bench = Bench()
    token = bench.cancel_window("btc-updown-15m-1")
    assert bench.one(CancelFailed).reason is Reason.UNKNOWN
    assert bench.finished() == [token]


def test_lists_nobody_waits_for_change_nothing() -> None:
    bench = Bench()
    bench.rest()
    _list(bench)
    bench.step(OpenOrdersFailed(SLUG, Reason.TRANSPORT))
    bench.step(OpenOrdersAnswered("other", ()))
    bench.step(OpenOrdersFailed("other", Reason.TRANSPORT))
    assert not bench.out
    assert bench.engine.open_orders == 1


# ---- comparison with the venue's list ----------------------------------------------------------


def _until_compared(bench: Bench) -> None:
    for _ in range(40):
        bench.wait(500)
        if bench.got(ListOpenOrders):
            return
    raise AssertionError("no list was asked for")


def _vanished() -> Bench:
    """An order rests, and the venue's list no longer shows it: the venue is asked about it."""
    bench = Bench()
    bench.rest()
    _until_compared(bench)
    _list(bench)
    assert bench.one(LookUpOrder).order_hash == hash_of("a")
    assert bench.engine.open_orders == 1
    return bench


def test_an_order_that_vanished_is_asked_about_and_told() -> None:
    bench = _vanished()
    bench.step(OrderLookedUp(hash_of("a"), LookUpResult.CANCELED, 1_000_000))
    assert bench.one(OrderCancelled).filled_u6 == 1_000_000
    assert bench.one(Notice).kind is NoticeKind.ORDER_VANISHED
    assert bench.engine.flat


def test_an_order_that_was_filled_unheard_is_told_with_its_amount() -> None:
    bench = _vanished()
    bench.step(OrderLookedUp(hash_of("a"), LookUpResult.MATCHED, 5_000_000))
    said = bench.one(CancelFailed)
    assert (said.reason, said.filled_u6) == (Reason.ALREADY_MATCHED, 5_000_000)
    assert not bench.got(Notice)  # a fill is ordinary
    assert bench.engine.flat


def test_an_order_that_nobody_knows_any_more_is_gone_in_the_end() -> None:
    bench = _vanished()
    while not bench.engine.flat:
        if bench.got(LookUpOrder):
            bench.step(OrderLookedUp(hash_of("a"), LookUpResult.ABSENT))
        elif bench.got(DeleteOrders):
            bench.answer_cancel("a", text="Order not found")
        else:
            bench.wait(500)
    assert bench.one(CancelFailed).reason is Reason.NOT_FOUND
    assert bench.one(Notice).kind is NoticeKind.ORDER_VANISHED


def test_an_order_that_a_list_missed_rests_on() -> None:
    bench = _vanished()
    bench.step(OrderLookedUp(hash_of("a"), LookUpResult.LIVE, 0))
    assert not bench.out
    bench.wait(5_000)
    assert not bench.got(DeleteOrders)
    assert bench.engine.open_orders == 1
    bench.cancel("a")
    assert bench.got(DeleteOrders)


def test_an_order_in_doubt_can_be_cancelled() -> None:
    bench = _vanished()
    token = bench.cancel("a")
    bench.step(OrderLookedUp(hash_of("a"), LookUpResult.UNANSWERED))
    bench.wait(200)
    assert bench.got(DeleteOrders)
    bench.answer_cancel("a")
    bench.step(OrderLookedUp(hash_of("a"), LookUpResult.CANCELED, 0))
    assert bench.one(OrderCancelled)
    assert not bench.got(Notice)  # it was asked for
    assert bench.finished() == [token]


def test_an_order_in_doubt_that_is_cancelled_between_two_looks_is_deleted() -> None:
    bench = _vanished()
    bench.step(OrderLookedUp(hash_of("a"), LookUpResult.UNANSWERED))
    bench.cancel("a")
    assert bench.got(DeleteOrders)
    assert not bench.got(LookUpOrder)


def test_a_cancel_does_not_wait_until_a_look_up_is_repeated_but_is_itself_repeated_slowly() -> None:
    bench = _vanished()
    for _ in range(5):
        bench.step(OrderLookedUp(hash_of("a"), LookUpResult.UNANSWERED))
        bench.wait(2_000)
        assert bench.got(LookUpOrder)
    bench.step(OrderLookedUp(hash_of("a"), LookUpResult.UNANSWERED))
    bench.cancel("a")
    assert bench.got(DeleteOrders)
    bench.step(CancelsFailed((hash_of("a"),), Reason.TRANSPORT))
    bench.cancel_window()
    assert not bench.got(DeleteOrders)


def test_an_order_that_is_listed_is_not_asked_about() -> None:
    bench = Bench()
    bench.rest("a")
    bench.rest("b")
    _until_compared(bench)
    _list(bench, "a")
    assert bench.one(LookUpOrder).order_hash == hash_of("b")
    assert bench.engine.open_orders == 2


def test_a_young_order_is_not_judged_by_a_list() -> None:
    bench = Bench()
    bench.rest("old")
    bench.wait(14_000)
    bench.rest("young")
    _until_compared(bench)
    _list(bench)
    assert bench.one(LookUpOrder).order_hash == hash_of("old")


def test_strays_found_by_comparison_are_deleted() -> None:
    bench = Bench()
    bench.rest("a")
    bench.rest("b")
    bench.cancel("b")
    bench.answer_cancel("b")
    _until_compared(bench)
    _list(bench, "a", "b", "foreign")
    assert bench.one(DeleteOrders).order_hashes == (hash_of("b"), hash_of("foreign"))
    bench.answer_cancel("b", "foreign")
    assert not bench.got(OrderCancelled)


def test_an_order_just_cancelled_is_no_stray() -> None:
    bench = Bench()
    bench.rest("a")
    bench.rest("b")
    bench.wait(14_900)
    bench.cancel("b")
    bench.answer_cancel("b")
    _until_compared(bench)
    _list(bench, "a", "b")
    assert not bench.got(DeleteOrders)


def test_a_comparison_that_fails_waits_for_its_next_turn() -> None:
    bench = Bench()
    bench.rest()
    _until_compared(bench)
    bench.step(OpenOrdersFailed(SLUG, Reason.TRANSPORT))
    assert not bench.out
    bench.wait(14_000)
    assert not bench.got(ListOpenOrders)
    bench.wait(1_000)
    assert bench.got(ListOpenOrders)


def test_an_empty_window_is_not_compared() -> None:
    bench = Bench()
    bench.wait(60_000)
    assert not bench.got(ListOpenOrders)


def test_a_sweep_does_not_trust_a_list_asked_for_before_it() -> None:
    bench = Bench()
    bench.rest()
    _until_compared(bench)
    bench.cancel_window()
    bench.answer_cancel("a")
    assert not bench.got(ListOpenOrders)
    _list(bench)
    assert not bench.got(WindowFlat)
    assert bench.got(ListOpenOrders)
    _list(bench)
    assert bench.got(WindowFlat)


def test_a_comparison_that_fails_during_a_sweep_counts_as_one_try() -> None:
    bench = Bench()
    bench.rest()
    _until_compared(bench)
    bench.cancel_window()
    bench.answer_cancel("a")
    bench.step(OpenOrdersFailed(SLUG, Reason.TRANSPORT))
    assert bench.got(CancelFailed)


def test_a_lost_order_that_appears_later_is_deleted() -> None:
    bench = Bench()
    bench.rest()
    bench.cancel("a")
    for _ in range(MAX_RESOLVE_ATTEMPTS):
        bench.answer_cancel("a", text="Order not found")
        bench.step(OrderLookedUp(hash_of("a"), LookUpResult.ABSENT))
        bench.wait(2_000)
    assert bench.engine.flat
    bench.rest("b")
    _until_compared(bench)
    _list(bench, "a")
    assert bench.one(DeleteOrders).order_hashes == (hash_of("a"),)


# ---- the end of a window -----------------------------------------------------------------------


def test_at_the_close_what_still_lives_is_swept_without_being_asked() -> None:
    bench = Bench()
    bench.at_ns = at(899)
    bench.rest()
    bench.wait(1_000)
    assert bench.one(DeleteOrders)
    bench.answer_cancel("a")
    _list(bench)  # the comparison that was under way
    _list(bench)
    assert bench.got(WindowFlat)


def test_a_flat_window_is_forgotten_at_once_when_it_ended() -> None:
    bench = Bench()
    bench.step(WindowEnded(SLUG))
    assert bench.engine.slugs == ()
    bench.step(WindowEnded(SLUG))
    assert not bench.out


def test_a_window_that_is_not_flat_is_swept_and_then_forgotten() -> None:
    bench = Bench()
    bench.rest("a")
    bench.rest("b")
    bench.cancel("b")
    bench.answer_cancel("b")
    bench.step(WindowEnded(SLUG))
    assert bench.engine.slugs == (SLUG,)
    bench.place("c")
    assert bench.one(OrderFailed).reason is Reason.MARKET_CLOSED
    bench.answer_cancel("a")
    assert bench.got(ListOpenOrders)
    _list(bench)
    assert bench.got(WindowFlat)
    assert bench.engine.slugs == ()


@pytest.mark.parametrize("answered", [True, False])
def test_a_sweep_of_a_lost_cancel_goes_on_until_the_venue_answers(answered: bool) -> None:
    bench = Bench()
    bench.rest()
    bench.cancel_window()
    bench.step(CancelsFailed((hash_of("a"),), Reason.TRANSPORT))
    bench.wait(100)
    assert bench.got(DeleteOrders)
    if answered:
        bench.step(CancelAnswered((hash_of("a"),), (hash_of("a"),), {}))
        assert bench.got(ListOpenOrders)
    assert not bench.got(PostOrder)


def test_a_window_that_is_forgotten_takes_its_orders_ids_with_it() -> None:
    bench = Bench()
    by_hash = vars(bench.engine)["_state"].by_hash
    bench.rest("a")
    bench.cancel("a")
    bench.answer_cancel("a")
    assert list(by_hash) == ["0xa"]
    bench.step(WindowEnded(SLUG))
    assert bench.engine.slugs == ()
    assert by_hash == {}
