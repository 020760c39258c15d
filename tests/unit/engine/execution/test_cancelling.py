"""Cancels, and orders that nobody knows."""

from __future__ import annotations

import pytest

from pmcore.engine.execution.io import (
    Adopted,
    CancelAnswered,
    CancelsFailed,
    DeleteOrders,
    Finished,
    LookUpOrder,
    LookUpResult,
    OrderLookedUp,
    PlacingGate,
    RateHeaders,
    WindowEnded,
)
from pmcore.engine.execution.records import MAX_RESOLVE_ATTEMPTS
from pmcore.machines.rate_budget import RateTier
from pmcore.messages.execution import (
    CancelFailed,
    FailureStage,
    OrderCancelled,
    OrderFailed,
    VenueMode,
    VenueModeChanged,
)
from pmcore.messages.orders import CancelOrders
from pmcore.model.errors import InvariantError, Reason
from pmcore.model.units import NS_PER_S
from support.executions import SLUG, Bench, hash_of

NOT_FOUND = "Order not found or already canceled"


def test_cancels_of_one_command_go_out_in_one_batch_and_are_confirmed() -> None:
    bench = Bench()
    bench.rest("a")
    bench.rest("b")
    token = bench.cancel("a", "b", "a")
    assert bench.one(DeleteOrders).order_hashes == (hash_of("a"), hash_of("b"))
    bench.step(CancelAnswered((hash_of("a"), hash_of("b")), (hash_of("a"),), {}))
    assert bench.one(OrderCancelled).client_order_id == "a"
    assert bench.one(OrderCancelled).filled_u6 is None
    assert not bench.finished()
    bench.step(OrderLookedUp(hash_of("b"), LookUpResult.CANCELED, 7))
    assert bench.one(OrderCancelled).filled_u6 == 7
    assert bench.finished() == [token]
    assert bench.engine.flat


def test_a_cancel_of_an_order_nobody_knows_is_not_found() -> None:
    bench = Bench()
    token = bench.cancel("ghost")
    assert bench.one(CancelFailed).reason is Reason.NOT_FOUND
    assert bench.finished() == [token]
    token = bench.cancel("a", slug="btc-updown-15m-1")
    assert bench.one(CancelFailed).reason is Reason.NOT_FOUND
    assert bench.finished() == [token]


def test_a_cancel_of_an_order_that_never_was_sent_says_so_once_more() -> None:
    bench = Bench()
    bench.step(PlacingGate(open=False, text="no heartbeat"))
    bench.place()
    assert bench.one(OrderFailed)
    token = bench.cancel("a")
    assert bench.one(CancelFailed).reason is Reason.NOT_FOUND
    assert bench.finished() == [token]
    assert not bench.got(DeleteOrders)


# ---- an order that ended: how much of it was filled? -------------------------------------------


def _ended(text: str | None = None) -> tuple[Bench, str]:
    """An order that was cancelled, or was matched before, and is asked about again."""
    bench = Bench()
    bench.rest()
    bench.cancel("a")
    bench.answer_cancel("a", text=text)
    token = bench.cancel("a")
    assert bench.one(LookUpOrder).order_hash == hash_of("a")
    assert not bench.got(DeleteOrders)
    assert not bench.finished()
    return bench, token


@pytest.mark.parametrize(
    ("finding", "filled_u6", "reason"),
    [
        (LookUpResult.CANCELED, 2_000_000, Reason.NOT_FOUND),
        (LookUpResult.CANCELED, 0, Reason.NOT_FOUND),
        (LookUpResult.MATCHED, 5_000_000, Reason.ALREADY_MATCHED),
    ],
)
def test_an_order_that_ended_is_looked_up_when_it_is_asked_about_again(
    finding: LookUpResult, filled_u6: int, reason: Reason
) -> None:
    bench, token = _ended()
    bench.step(OrderLookedUp(hash_of("a"), finding, filled_u6))
    said = bench.one(CancelFailed)
    assert (said.reason, said.filled_u6) == (reason, filled_u6)
    assert bench.finished() == [token]
    assert not bench.got(OrderCancelled)  # its end was said
    assert bench.engine.flat


@pytest.mark.parametrize("finding", [LookUpResult.LIVE, LookUpResult.ABSENT])
def test_an_old_or_empty_answer_is_not_the_last_word_on_what_was_filled(
    finding: LookUpResult,
) -> None:
    bench, token = _ended()
    bench.step(OrderLookedUp(hash_of("a"), finding, 1_000_000))
    assert bench.one(CancelFailed).filled_u6 is None
    assert bench.finished() == [token]


def test_long_after_its_end_what_no_trade_shows_was_not_filled() -> None:
    bench, _ = _ended()
    bench.wait(30_000)
    bench.step(OrderLookedUp(hash_of("a"), LookUpResult.ABSENT))
    assert bench.one(CancelFailed).filled_u6 == 0


def test_an_order_called_gone_that_rests_is_cancelled() -> None:
    bench, _ = _ended(text="Order already matched")
    bench.step(OrderLookedUp(hash_of("a"), LookUpResult.LIVE, 0))
    bench.wait(200)
    assert bench.got(DeleteOrders)
    bench.answer_cancel("a")
    bench.step(OrderLookedUp(hash_of("a"), LookUpResult.CANCELED, 0))
    assert bench.one(CancelFailed).filled_u6 == 0


def test_a_question_that_nobody_answers_does_not_keep_a_window_open() -> None:
    bench, token = _ended()
    for _ in range(MAX_RESOLVE_ATTEMPTS):
        bench.step(OrderLookedUp(hash_of("a"), LookUpResult.UNANSWERED))
        bench.wait(2_000)
    assert bench.all.count(Finished(token)) == 1
    assert bench.engine.flat
    assert [o.filled_u6 for o in bench.all if isinstance(o, CancelFailed)] == [None]


def test_an_order_that_only_the_strategy_remembers_is_found_by_its_hash() -> None:
    bench = Bench()
    command = CancelOrders(
        slug=SLUG, client_order_ids=("x", "y"), order_hashes=("0xx", ""), reason="", ts_step_ns=0
    )
    token = bench.command(command)
    assert [f.client_order_id for f in bench.got(CancelFailed)] == ["y"]
    assert bench.one(DeleteOrders).order_hashes == ("0xx",)
    bench.step(CancelAnswered(("0xx",), (), {"0xx": NOT_FOUND}))
    bench.step(OrderLookedUp("0xx", LookUpResult.MATCHED, 5_000_000))
    assert bench.one(CancelFailed).filled_u6 == 5_000_000
    assert bench.finished() == [token]


def test_an_unknown_order_with_the_hash_of_a_known_one_is_not_found() -> None:
    bench = Bench()
    bench.rest("a")
    command = CancelOrders(
        slug=SLUG, client_order_ids=("x",), order_hashes=(hash_of("a"),), reason="", ts_step_ns=0
    )
    token = bench.command(command)
    assert bench.one(CancelFailed).reason is Reason.NOT_FOUND
    assert bench.finished() == [token]
    assert bench.engine.open_orders == 1


def test_a_part_in_the_trades_is_no_end_but_all_of_it_is() -> None:
    for filled_u6, ended in ((2_000_000, False), (4_997_714, True)):
        bench = Bench()
        bench.lose_sight()
        bench.answer_cancel("a", text=NOT_FOUND)
        bench.step(OrderLookedUp(hash_of("a"), LookUpResult.ABSENT, filled_u6))
        assert bool(bench.got(OrderCancelled)) is ended


def test_two_commands_for_one_order_share_its_answer() -> None:
    bench = Bench()
    bench.rest()
    first = bench.cancel("a")
    second = bench.cancel("a")
    assert not bench.got(DeleteOrders)
    bench.answer_cancel("a")
    assert len(bench.got(OrderCancelled)) == 1
    assert bench.finished() == [first, second]


def test_already_matched_is_believed() -> None:
    bench = Bench()
    bench.rest()
    token = bench.cancel("a")
    bench.answer_cancel("a", text="Order already matched")
    assert bench.one(CancelFailed).reason is Reason.ALREADY_MATCHED
    assert bench.finished() == [token]


@pytest.mark.parametrize(
    ("finding", "expected"),
    [
        (LookUpResult.CANCELED, OrderCancelled),
        (LookUpResult.MATCHED, CancelFailed),
    ],
)
def test_a_doubtful_refusal_is_looked_up(finding: LookUpResult, expected: type) -> None:
    bench = Bench()
    bench.rest()
    bench.cancel("a")
    bench.answer_cancel("a", text=NOT_FOUND)
    assert bench.one(LookUpOrder).order_hash == hash_of("a")
    bench.step(OrderLookedUp(hash_of("a"), finding, 0))
    assert bench.one(expected)
    assert bench.engine.flat


def test_an_order_that_still_lives_is_cancelled_again() -> None:
    bench = Bench()
    bench.rest()
    bench.cancel("a")
    bench.answer_cancel("a", text="strange")
    bench.step(OrderLookedUp(hash_of("a"), LookUpResult.LIVE, 0))
    assert not bench.got(DeleteOrders)
    bench.wait(200)
    assert bench.got(DeleteOrders)
    bench.answer_cancel("a")
    assert bench.one(LookUpOrder)
    bench.step(OrderLookedUp(hash_of("a"), LookUpResult.LIVE, 1_000_000))  # a reader that lags
    assert bench.one(OrderCancelled).filled_u6 is None  # not the last word


def test_an_accepted_order_that_stays_absent_is_not_found_in_the_end() -> None:
    bench = Bench()
    bench.rest()
    token = bench.cancel("a")
    bench.answer_cancel("a", text=NOT_FOUND)
    for _ in range(MAX_RESOLVE_ATTEMPTS):
        assert not bench.finished()
        bench.step(OrderLookedUp(hash_of("a"), LookUpResult.ABSENT))
        if bench.finished():
            break
        bench.wait(2_000)
        bench.answer_cancel("a", text=NOT_FOUND)
    assert bench.one(CancelFailed).reason is Reason.NOT_FOUND
    assert bench.finished() == [token]


def test_an_invalid_order_that_was_accepted_is_not_found_in_the_end() -> None:
    bench = Bench()
    bench.rest()
    bench.cancel("a")
    bench.answer_cancel("a", text=NOT_FOUND)
    bench.step(OrderLookedUp(hash_of("a"), LookUpResult.INVALID))
    assert not bench.got(CancelFailed)


@pytest.mark.parametrize(
    ("reason", "wait_ms"), [(Reason.TRANSPORT, 100), (Reason.VENUE_ERROR, 100)]
)
def test_an_unanswered_cancel_is_repeated(reason: Reason, wait_ms: int) -> None:
    bench = Bench()
    bench.rest()
    bench.cancel("a")
    bench.step(CancelsFailed((hash_of("a"),), reason))
    assert not bench.out
    bench.wait(wait_ms - 1)
    assert not bench.got(DeleteOrders)
    bench.wait(1)
    assert bench.got(DeleteOrders)
    bench.step(CancelsFailed((hash_of("a"),), reason))
    bench.wait(199)
    assert not bench.got(DeleteOrders)
    bench.wait(1)
    assert bench.got(DeleteOrders)


def test_a_429_on_cancels_holds_all_cancels_until_the_venue_allows_them() -> None:
    bench = Bench()
    bench.rest("a")
    bench.rest("b")
    bench.cancel("a")
    bench.step(CancelsFailed((hash_of("a"),), Reason.RATE_LIMITED, retry_after_ms=700))
    bench.cancel("b")
    assert not bench.got(DeleteOrders)
    bench.wait(699)
    assert not bench.got(DeleteOrders)
    bench.wait(1)
    assert bench.one(DeleteOrders).order_hashes == (hash_of("a"), hash_of("b"))


@pytest.mark.parametrize("retry_after_ms", [120_000, 3_600_000, 86_400_000])
def test_a_cancel_is_sent_again_within_a_second_whatever_the_venue_asks(
    retry_after_ms: int,
) -> None:
    bench = Bench()
    bench.rest("a")
    bench.cancel("a")
    for _ in range(6):
        refused = CancelsFailed((hash_of("a"),), Reason.RATE_LIMITED, retry_after_ms=retry_after_ms)
        bench.step(refused)
        assert not bench.got(DeleteOrders)
        bench.wait(2_000)
        assert bench.one(DeleteOrders).order_hashes == (hash_of("a"),)


def test_a_reset_far_away_holds_cancels_for_a_second_only() -> None:
    bench = Bench()
    bench.rest("a")
    far_ns = bench.at_ns + 3_600 * NS_PER_S
    bench.step(CancelAnswered((), (), {}, RateHeaders(0, far_ns)))
    bench.cancel("a")
    bench.wait(1_000)
    assert bench.one(DeleteOrders).order_hashes == (hash_of("a"),)


def test_a_cancel_refused_by_a_restart_names_the_mode() -> None:
    bench = Bench()
    bench.rest()
    bench.cancel("a")
    bench.step(CancelsFailed((hash_of("a"),), Reason.RESTARTING, "", VenueMode.RESTARTING, 1_000))
    assert bench.one(VenueModeChanged).mode is VenueMode.RESTARTING


def test_cancels_never_wait_for_our_own_count() -> None:
    bench = Bench()
    for number in range(50):
        bench.rest(str(number))
    bench.step(CancelAnswered((), (), {}, RateHeaders(-50)))
    bench.cancel(*(str(number) for number in range(50)))
    assert len(bench.one(DeleteOrders).order_hashes) == 50
    assert bench.engine.tokens(bench.at_ns)[1] == -100


def test_a_batch_never_exceeds_what_the_venue_can_admit() -> None:
    bench = Bench(tier=RateTier.STANDARD)
    bench.step(CancelsFailed((), Reason.RATE_LIMITED, retry_after_ms=1_000))
    for number in range(130):
        bench.step(Adopted(SLUG, str(number), hash_of(str(number)), was_accepted=True))
    assert not any(isinstance(output, DeleteOrders) for output in bench.all)
    bench.wait(1_000)
    assert [len(output.order_hashes) for output in bench.got(DeleteOrders)] == [120, 10]


def test_answers_about_orders_nobody_asked_about_change_nothing() -> None:
    bench = Bench()
    bench.rest()
    bench.answer_cancel("a", "ghost")
    bench.step(CancelsFailed((hash_of("a"), "0xghost"), Reason.TRANSPORT))
    bench.step(OrderLookedUp(hash_of("a"), LookUpResult.CANCELED))
    bench.step(OrderLookedUp("0xghost", LookUpResult.CANCELED))
    assert not bench.out
    assert bench.engine.open_orders == 1


# ---- a POST that may or may not have arrived ---------------------------------------------------


def test_an_unknown_post_that_rested_is_cancelled_and_says_what_was_filled() -> None:
    bench = Bench()
    token = bench.lose_sight()
    bench.answer_cancel("a")
    assert bench.one(LookUpOrder)
    bench.step(OrderLookedUp(hash_of("a"), LookUpResult.CANCELED, 2_000_000))
    assert bench.one(OrderCancelled).filled_u6 == 2_000_000
    assert bench.finished() == [token]


def test_an_unknown_post_that_was_filled_is_gone_with_what_was_filled() -> None:
    bench = Bench()
    token = bench.lose_sight()
    bench.answer_cancel("a", text="Order already matched")
    bench.step(OrderLookedUp(hash_of("a"), LookUpResult.MATCHED, 5_000_000))
    assert bench.one(OrderCancelled).filled_u6 == 5_000_000
    assert bench.finished() == [token]


def test_an_unknown_post_that_the_venue_calls_invalid_failed() -> None:
    bench = Bench()
    bench.lose_sight()
    bench.answer_cancel("a", text=NOT_FOUND)
    bench.step(OrderLookedUp(hash_of("a"), LookUpResult.INVALID))
    assert bench.one(OrderFailed).reason is Reason.INVALID_ORDER


def _look_once(bench: Bench) -> None:
    while not bench.got(DeleteOrders):
        bench.wait(100)
    bench.answer_cancel("a", text=NOT_FOUND)
    bench.step(OrderLookedUp(hash_of("a"), LookUpResult.ABSENT))


def test_a_post_without_an_answer_is_searched_until_its_window_has_ended() -> None:
    bench = Bench()
    token = bench.lose_sight()
    asked_ns = bench.at_ns
    for _ in range(10 * MAX_RESOLVE_ATTEMPTS):
        _look_once(bench)
        assert not bench.got(OrderFailed)
        assert bench.engine.open_orders == 1
    assert bench.at_ns - asked_ns >= 60 * 10**9
    bench.step(WindowEnded(SLUG))
    _look_once(bench)
    failed = bench.one(OrderFailed)
    assert (failed.stage, failed.reason) == (FailureStage.REJECTED, Reason.LOST)
    assert bench.finished() == [token]


def test_a_post_that_arrives_late_is_cancelled() -> None:
    bench = Bench()
    bench.lose_sight()
    for _ in range(3 * MAX_RESOLVE_ATTEMPTS):
        _look_once(bench)
    while not bench.got(DeleteOrders):
        bench.wait(100)
    bench.answer_cancel("a")
    bench.step(OrderLookedUp(hash_of("a"), LookUpResult.CANCELED, 0))
    assert bench.one(OrderCancelled).filled_u6 == 0
    assert bench.engine.flat


def test_an_ended_window_believes_absence_only_after_several_looks() -> None:
    bench = Bench()
    bench.lose_sight()
    _look_once(bench)
    bench.step(WindowEnded(SLUG))
    for _ in range(MAX_RESOLVE_ATTEMPTS - 2):
        _look_once(bench)
        assert not bench.got(OrderFailed)
    _look_once(bench)
    assert bench.got(OrderFailed)


def test_an_absent_order_whose_cancel_was_confirmed_is_cancelled() -> None:
    bench = Bench()
    bench.lose_sight()
    bench.answer_cancel("a")
    bench.step(OrderLookedUp(hash_of("a"), LookUpResult.ABSENT))
    assert bench.got(OrderCancelled)


def test_an_unanswered_look_up_is_never_taken_for_absence() -> None:
    bench = Bench()
    bench.lose_sight()
    bench.step(CancelsFailed((hash_of("a"),), Reason.TRANSPORT))
    assert not bench.got(LookUpOrder)
    bench.wait(100)
    for _ in range(20):
        assert bench.one(LookUpOrder)
        bench.step(OrderLookedUp(hash_of("a"), LookUpResult.UNANSWERED))
        assert not bench.out
        bench.wait(2_000)
    bench.step(OrderLookedUp(hash_of("a"), LookUpResult.CANCELED, 0))
    assert bench.got(OrderCancelled)


# ---- orders of an earlier run ------------------------------------------------------------------


def test_an_adopted_order_is_cancelled_looked_up_and_answered() -> None:
    bench = Bench()
    bench.step(Adopted(SLUG, "old", hash_of("old"), was_accepted=False, token="t"))
    assert bench.one(DeleteOrders).order_hashes == (hash_of("old"),)
    bench.answer_cancel("old")
    bench.step(OrderLookedUp(hash_of("old"), LookUpResult.CANCELED, 0))
    assert bench.one(OrderCancelled).client_order_id == "old"
    assert bench.finished() == ["t"]


def test_an_adopted_order_that_was_accepted_and_is_matched_is_already_matched() -> None:
    bench = Bench()
    bench.step(Adopted(SLUG, "old", hash_of("old"), was_accepted=True))
    bench.answer_cancel("old", text=NOT_FOUND)
    bench.step(OrderLookedUp(hash_of("old"), LookUpResult.MATCHED, 5_000_000))
    assert bench.one(CancelFailed).reason is Reason.ALREADY_MATCHED


def test_an_adopted_order_needs_its_window_and_comes_once() -> None:
    bench = Bench()
    with pytest.raises(InvariantError):
        bench.step(Adopted("btc-updown-15m-1", "old", "0x1", was_accepted=True))
    bench.step(Adopted(SLUG, "old", hash_of("old"), was_accepted=True))
    with pytest.raises(InvariantError):
        bench.step(Adopted(SLUG, "old", hash_of("old"), was_accepted=True))


def test_a_cancel_of_an_adopted_order_is_finished_with_it() -> None:
    bench = Bench()
    bench.step(Adopted(SLUG, "old", hash_of("old"), was_accepted=True))
    token = bench.cancel("old")
    bench.answer_cancel("old")
    bench.step(OrderLookedUp(hash_of("old"), LookUpResult.CANCELED, 0))
    assert bench.finished() == [token]
