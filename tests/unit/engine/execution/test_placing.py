"""From SubmitOrder to the venue's answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pmcore.engine.execution.io import (
    Abandoned,
    DeleteOrders,
    Finished,
    LookUpOrder,
    LookUpResult,
    OrderLookedUp,
    Posted,
    PostOrder,
    PostRejected,
    PostUnknown,
    Recorded,
    Signed,
    SignOrder,
    WindowEnded,
)
from pmcore.engine.execution.records import MAX_LIVE_PER_WINDOW
from pmcore.machines.rate_budget import RateTier
from pmcore.messages.control import Halt
from pmcore.messages.execution import (
    FailureStage,
    OrderAccepted,
    OrderFailed,
    OrderSubmitting,
    OrderUnknown,
    VenueMode,
    VenueModeChanged,
)
from pmcore.messages.notices import Notice
from pmcore.model.errors import InvariantError, Reason
from pmcore.model.params import OrderCaps
from pmcore.model.units import NS_PER_S
from support.builders import at
from support.executions import Bench, hash_of, submit


def test_an_order_is_signed_then_recorded_then_posted_then_accepted() -> None:
    bench = Bench()
    token = bench.place()
    assert bench.one(SignOrder).command.client_order_id == "a"
    bench.sign()
    assert bench.one(OrderSubmitting).order_hash == hash_of("a")
    assert not bench.got(PostOrder)
    bench.step(Recorded("a"))
    assert bench.one(PostOrder).order_hash == hash_of("a")
    assert not bench.finished()
    bench.step(Posted("a"))
    assert bench.one(OrderAccepted).client_order_id == "a"
    assert bench.finished() == [token]
    assert bench.engine.open_orders == 1


def test_a_command_that_comes_again_is_dropped_and_never_posted_again() -> None:
    bench = Bench()
    bench.rest()
    token = bench.place()
    assert bench.finished() == [token]
    assert bench.one(Notice).reason == Reason.DUPLICATE_COMMAND
    assert not bench.got(SignOrder)
    assert not bench.got(OrderFailed)


def test_a_recorded_order_cannot_be_posted_twice() -> None:
    bench = Bench()
    bench.until_post()
    with pytest.raises(InvariantError):
        bench.step(Recorded("a"))


def test_one_hash_for_two_orders_is_our_mistake() -> None:
    bench = Bench()
    bench.rest()
    bench.place("b")
    with pytest.raises(InvariantError):
        bench.step(Signed("b", hash_of("a")))


def _denied(bench: Bench, reason: Reason) -> OrderFailed:
    failed = bench.one(OrderFailed)
    assert failed.stage is FailureStage.DENIED
    assert failed.reason is reason
    assert len(bench.finished()) == 1
    assert not bench.got(SignOrder)
    assert not bench.got(PostOrder)
    return failed


def test_a_command_for_an_unknown_window_is_denied() -> None:
    bench = Bench()
    bench.place(slug="btc-updown-15m-1")
    _denied(bench, Reason.MARKET_CLOSED)


def test_an_expired_command_is_denied() -> None:
    bench = Bench()
    bench.place(expires_s=0)
    _denied(bench, Reason.EXPIRED)


def test_an_order_that_expires_while_it_is_recorded_is_denied() -> None:
    bench = Bench()
    bench.place()
    bench.sign()
    bench.at_ns += NS_PER_S
    bench.step(Recorded("a"))
    assert _denied(bench, Reason.EXPIRED).order_hash == hash_of("a")


def test_after_the_close_nothing_is_placed() -> None:
    bench = Bench()
    bench.at_ns = at(900)
    bench.place()
    _denied(bench, Reason.MARKET_CLOSED)


@pytest.mark.parametrize("price_e4", [4_705, 5, 0, 9_995, 10_000])
def test_a_price_off_the_grid_is_denied(price_e4: int) -> None:
    bench = Bench()
    bench.place(price_e4=price_e4)
    _denied(bench, Reason.TICK)


def test_a_size_that_floors_below_the_minimum_is_denied() -> None:
    bench = Bench()
    bench.place(size_u6=4_999_999)
    _denied(bench, Reason.MIN_SIZE)


def test_a_halt_between_signing_and_recording_denies() -> None:
    bench = Bench()
    bench.place()
    bench.sign()
    bench.step(Halt(reason="", by="me", ts_recv_ns=0))
    bench.step(Recorded("a"))
    _denied(bench, Reason.HALTED)


def test_too_many_living_orders_are_denied() -> None:
    bench = Bench(tier=RateTier.ELITE)
    for number in range(MAX_LIVE_PER_WINDOW):
        bench.rest(str(number))
    bench.place()
    _denied(bench, Reason.RISK)


def test_a_refused_order_is_failed_at_once_with_the_reason() -> None:
    bench = Bench()
    token = bench.until_post()
    text = "invalid post-only order: order crosses book"
    bench.step(PostRejected("a", Reason.POST_ONLY_CROSSES, text))
    failed = bench.one(OrderFailed)
    assert (failed.stage, failed.reason, failed.text) == (
        FailureStage.REJECTED,
        Reason.POST_ONLY_CROSSES,
        text,
    )
    assert bench.finished() == [token]
    assert bench.engine.flat


def test_an_order_that_never_left_us_is_denied_not_rejected() -> None:
    bench = Bench()
    bench.until_post()
    bench.step(PostRejected("a", Reason.TRANSPORT, "connection refused"))
    assert bench.one(OrderFailed).stage is FailureStage.DENIED


def test_a_duplicate_is_there_already_and_is_asked_about() -> None:
    bench = Bench()
    bench.until_post()
    bench.step(PostRejected("a", Reason.DUPLICATE, "order 0xa is invalid. Duplicated."))
    assert bench.one(OrderUnknown).reason is Reason.DUPLICATE
    assert bench.one(DeleteOrders).order_hashes == (hash_of("a"),)
    assert not bench.finished()


def test_an_unknown_outcome_is_said_and_the_order_cancelled_by_its_id() -> None:
    bench = Bench()
    bench.lose_sight()
    assert bench.one(OrderUnknown).order_hash == hash_of("a")
    assert bench.one(DeleteOrders).order_hashes == (hash_of("a"),)
    assert not bench.finished()


def test_a_page_in_front_of_the_venue_leaves_it_open_and_ends_under_its_own_reason() -> None:
    bench = Bench()
    bench.until_post()
    bench.step(WindowEnded(submit().slug))
    bench.step(PostUnknown("a", Reason.EDGE_PAGE, "a web page"))
    assert bench.one(OrderUnknown).reason is Reason.EDGE_PAGE
    while not bench.got(OrderFailed):
        if bench.got(LookUpOrder):
            bench.step(OrderLookedUp(hash_of("a"), LookUpResult.ABSENT))
        elif bench.got(DeleteOrders):
            bench.answer_cancel("a", text="Order not found")
        else:
            bench.wait(100)
    failed = bench.one(OrderFailed)
    assert (failed.reason, failed.text) == (Reason.EDGE_PAGE, "a web page")
    assert bench.engine.open_orders == 0


def test_a_command_of_an_earlier_run_that_was_never_recorded_is_denied() -> None:
    bench = Bench()
    bench.step(Abandoned("t", submit()))
    _denied(bench, Reason.EXPIRED)


def test_orders_wait_for_the_budget_in_order_and_go_out_when_there_is_some() -> None:
    bench = Bench()
    for number in range(60):
        bench.rest(str(number))
    bench.place("x")
    bench.place("y")
    assert not bench.got(SignOrder)
    bench.wait(25)
    assert [sign.command.client_order_id for sign in bench.got(SignOrder)] == ["x"]
    bench.wait(25)
    assert [sign.command.client_order_id for sign in bench.got(SignOrder)] == ["y"]


def _held_back() -> Bench:
    """The venue said 429 and named ten seconds."""
    bench = Bench()
    bench.until_post()
    bench.step(PostRejected("a", Reason.RATE_LIMITED, retry_after_ms=10_000))
    return bench


def test_an_order_that_waits_too_long_for_the_budget_is_denied_budget() -> None:
    bench = _held_back()
    bench.place("x", expires_s=0.01)
    assert not bench.got(SignOrder)
    bench.wait(10)
    _denied(bench, Reason.BUDGET)


def test_a_retry_after_of_a_day_holds_orders_for_half_a_minute() -> None:
    bench = Bench()
    bench.until_post()
    bench.step(PostRejected("a", Reason.RATE_LIMITED, retry_after_ms=86_400_000))
    bench.wait(29_999)
    bench.place("x")
    assert not bench.got(SignOrder)
    bench.wait(1)
    assert bench.one(SignOrder).command.client_order_id == "x"


def test_the_queue_for_the_budget_is_bounded() -> None:
    bench = _held_back()
    for number in range(32):
        bench.place(f"w{number}")
    bench.place("x")
    _denied(bench, Reason.BUDGET)


def test_a_waiting_order_that_is_cancelled_is_denied_and_leaves_the_queue() -> None:
    bench = _held_back()
    bench.place("w")
    submitted = bench.place("x")
    cancelled = bench.cancel("x")
    assert bench.one(OrderFailed).reason is Reason.EXPIRED
    assert set(bench.finished()) == {submitted, cancelled}
    bench.place("y", expires_s=11)
    bench.wait(10_000)
    assert [sign.command.client_order_id for sign in bench.got(SignOrder)] == ["y"]


def test_a_429_holds_orders_back_for_as_long_as_the_venue_said() -> None:
    bench = Bench()
    bench.until_post()
    bench.step(PostRejected("a", Reason.RATE_LIMITED, retry_after_ms=2_000))
    assert bench.one(OrderFailed).reason is Reason.RATE_LIMITED
    bench.place("b", expires_s=5)
    assert not bench.got(SignOrder)
    bench.wait(1_999)
    assert not bench.got(SignOrder)
    bench.wait(1)
    assert bench.got(SignOrder)


def test_a_429_without_a_time_holds_for_a_second() -> None:
    bench = Bench()
    bench.until_post()
    bench.step(PostRejected("a", Reason.RATE_LIMITED))
    bench.place("b", expires_s=5)
    bench.wait(999)
    assert not bench.got(SignOrder)
    bench.wait(1)
    assert bench.got(SignOrder)


def test_a_mode_of_the_venue_is_published_and_denies_until_it_ends() -> None:
    bench = Bench()
    bench.until_post()
    bench.step(
        PostRejected("a", Reason.CANCEL_ONLY, "", VenueMode.CANCEL_ONLY, retry_after_ms=3_000)
    )
    assert bench.one(VenueModeChanged).mode is VenueMode.CANCEL_ONLY
    assert bench.engine.venue_mode is VenueMode.CANCEL_ONLY
    bench.place("b")
    _denied(bench, Reason.CANCEL_ONLY)
    bench.wait(3_000)
    assert bench.one(VenueModeChanged).mode is VenueMode.NORMAL
    bench.place("c")
    assert bench.got(SignOrder)


def test_an_order_accepted_after_all_ends_the_mode() -> None:
    bench = Bench()
    bench.until_post("a")
    bench.until_post("b")
    bench.step(PostRejected("a", Reason.TRADING_DISABLED, "", VenueMode.DISABLED))
    bench.step(Posted("b"))
    assert bench.one(VenueModeChanged).mode is VenueMode.NORMAL


def test_a_cancel_while_the_post_is_under_way_goes_out_behind_its_answer() -> None:
    bench = Bench()
    bench.until_post()
    bench.cancel("a")
    assert not bench.got(DeleteOrders)
    bench.step(Posted("a"))
    assert bench.got(OrderAccepted)
    assert bench.one(DeleteOrders).order_hashes == (hash_of("a"),)


def test_a_cancel_before_the_post_denies_the_order() -> None:
    bench = Bench()
    submitted = bench.place()
    bench.sign()
    cancelled = bench.cancel("a")
    assert not bench.out
    bench.step(Recorded("a"))
    failed = bench.one(OrderFailed)
    assert (failed.stage, failed.reason) == (FailureStage.DENIED, Reason.EXPIRED)
    assert set(bench.finished()) == {submitted, cancelled}


def test_a_cancel_whose_order_is_refused_is_finished_with_it() -> None:
    bench = Bench()
    submitted = bench.until_post()
    cancelled = bench.cancel("a")
    bench.step(PostRejected("a", Reason.BALANCE))
    assert set(bench.finished()) == {submitted, cancelled}


def test_a_cancel_of_an_unknown_post_waits_for_the_resolution() -> None:
    bench = Bench()
    bench.until_post()
    bench.cancel("a")
    bench.step(PostUnknown("a", Reason.TIMEOUT))
    assert bench.one(DeleteOrders)
    assert not bench.got(Finished)


CAPS = OrderCaps(bid_size_u6=6_000_000, max_position_value_u6=5_000_000)


@pytest.mark.parametrize(
    ("price_e4", "size_u6", "text"),
    [
        (4_700, 6_000_000, ""),
        (4_700, 6_010_000, "6010000 is more than one bid may be: 6000000"),
        (8_330, 6_000_000, ""),
        (8_340, 6_000_000, "it costs as much as PM_MAX_POSITION_VALUE: 5000000"),
        (4_700, 10_000_000_000, "10000000000 is more than one bid may be: 6000000"),
    ],
)
def test_an_order_larger_than_any_of_ours_is_denied(price_e4: int, size_u6: int, text: str) -> None:
    bench = Bench(caps=CAPS)
    bench.place(price_e4=price_e4, size_u6=size_u6)
    if not text:
        assert bench.got(SignOrder)
        return
    failed = bench.one(OrderFailed)
    assert (failed.stage, failed.reason, failed.text) == (FailureStage.DENIED, Reason.RISK, text)
    assert not bench.got(SignOrder)


def test_a_dollar_figure_equal_to_the_limit_is_denied() -> None:
    bench = Bench(caps=OrderCaps(bid_size_u6=10_000_000, max_position_value_u6=5_000_000))
    bench.place(price_e4=5_000, size_u6=10_000_000)
    assert bench.one(OrderFailed).reason is Reason.RISK


def test_the_least_size_of_the_market_is_allowed_though_bids_are_smaller() -> None:
    bench = Bench(caps=OrderCaps(bid_size_u6=2_000_000, max_position_value_u6=5_000_000))
    bench.place(size_u6=5_000_000)
    assert bench.got(SignOrder)


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (lambda bench: bench.cancel("a"), Reason.EXPIRED),
        (lambda bench: bench.cancel_window(), Reason.NOT_FLAT),
        (lambda bench: bench.step(Halt(reason="look", by="x", ts_recv_ns=1)), Reason.HALTED),
    ],
)
def test_an_order_that_was_taken_back_while_its_post_waited_is_not_sent(
    act: Callable[[Bench], object], reason: Reason
) -> None:
    bench = Bench()
    token = bench.until_post()
    assert bench.engine.last_refusal("a") is None
    act(bench)
    refusal = bench.engine.last_refusal("a")
    assert refusal is not None
    bench.step(PostRejected("a", *refusal))
    assert _denied_reason(bench) is reason
    assert token in bench.finished()
    assert bench.engine.open_orders == 0


def _denied_reason(bench: Bench) -> Reason:
    failed = bench.one(OrderFailed)
    assert failed.stage is FailureStage.DENIED
    return failed.reason
