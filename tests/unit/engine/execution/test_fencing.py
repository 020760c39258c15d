"""Who may command: only the holder of the series' lease, up to the last check before the POST."""

from __future__ import annotations

import pytest

from pmcore.engine.execution.io import (
    DeleteOrders,
    PostOrder,
    Recorded,
    SeriesLease,
    SignOrder,
)
from pmcore.messages.execution import CancelFailed, OrderFailed
from pmcore.messages.notices import Notice, NoticeKind
from pmcore.messages.orders import CancelOrders, CancelWindow
from pmcore.model.errors import Reason
from pmcore.model.params import OrderCaps
from support.builders import window
from support.executions import SLUG, Bench, hash_of

SERIES = window().series


def fenced(holder: int | None = 5) -> Bench:
    bench = Bench(fenced=True)
    if holder is not None:
        bench.step(SeriesLease(SERIES, holder))
    return bench


@pytest.mark.parametrize(
    ("holder", "token"),
    [(5, 0), (5, 4), (5, 6), (0, 5), (0, 0), (None, 5)],
    ids=["no token", "older", "never given", "nobody holds it", "nobody, none", "never looked"],
)
def test_an_order_of_anybody_else_is_refused_and_told(holder: int | None, token: int) -> None:
    bench = fenced(holder)
    handle = bench.place(lease_token=token)
    assert bench.one(OrderFailed).reason is Reason.NO_LEASE
    notice = bench.one(Notice)
    assert (notice.kind, notice.reason) == (NoticeKind.COMMAND_REFUSED, "no_lease")
    assert f"token {token}" in notice.detail
    assert bench.finished() == [handle]
    assert not bench.got(SignOrder)


def test_a_strangers_order_beyond_the_limits_is_told_once_and_not_counted() -> None:
    bench = Bench(fenced=True, caps=OrderCaps(bid_size_u6=5_000_000, max_position_value_u6=1))
    bench.step(SeriesLease(SERIES, 5))
    bench.place(lease_token=4)
    assert bench.one(OrderFailed).reason is Reason.NO_LEASE
    assert bench.one(Notice).reason == "no_lease"
    bench.place("b", lease_token=5)
    assert bench.one(OrderFailed).reason is Reason.RISK
    assert bench.one(Notice).reason == "risk"


def test_the_holders_orders_go_out_while_others_are_refused() -> None:
    bench = fenced()
    bench.place("stranger", lease_token=4)
    bench.rest("a", lease_token=5)
    bench.place("stranger2", lease_token=6)
    assert bench.engine.open_orders == 1
    assert not bench.got(DeleteOrders)


def test_a_holder_that_changed_after_the_record_stops_the_post() -> None:
    bench = fenced()
    bench.place(lease_token=5)
    bench.sign()
    bench.step(SeriesLease(SERIES, 6))
    bench.step(Recorded("a"))
    assert bench.one(OrderFailed).reason is Reason.NO_LEASE
    assert not bench.got(PostOrder)


def test_a_holder_that_changed_while_the_post_waited_stops_it() -> None:
    bench = fenced()
    bench.until_post(lease_token=5)
    assert bench.engine.last_refusal("a") is None
    bench.step(SeriesLease(SERIES, 6))
    refusal = bench.engine.last_refusal("a")
    assert refusal is not None
    assert (refusal[0], "the holder has 6" in refusal[1]) == (Reason.NO_LEASE, True)


def test_a_lease_of_another_series_changes_nothing() -> None:
    bench = fenced()
    bench.step(SeriesLease("eth-15m", 9))
    bench.rest(lease_token=5)
    assert bench.engine.open_orders == 1


def test_cancels_of_anybody_else_take_nothing_back() -> None:
    bench = fenced()
    bench.rest("a", lease_token=5)
    for command in (
        CancelOrders(slug=SLUG, client_order_ids=("a",), reason="", ts_step_ns=0, lease_token=4),
        CancelWindow(slug=SLUG, reason="", ts_step_ns=0),
    ):
        handle = bench.command(command)
        assert bench.one(CancelFailed).reason is Reason.NO_LEASE
        assert bench.one(Notice).kind is NoticeKind.COMMAND_REFUSED
        assert bench.finished() == [handle]
        assert not bench.got(DeleteOrders)
    bench.command(
        CancelOrders(slug=SLUG, client_order_ids=("a",), reason="", ts_step_ns=0, lease_token=5)
    )
    assert bench.got(DeleteOrders)


def test_while_nobody_holds_the_lease_cancels_are_obeyed() -> None:
    bench = fenced()
    bench.rest("a", lease_token=5)
    bench.step(SeriesLease(SERIES, 0))
    handle = bench.command(
        CancelOrders(slug=SLUG, client_order_ids=("a",), reason="", ts_step_ns=0, lease_token=5)
    )
    assert not bench.got(CancelFailed)
    bench.answer_cancel("a")
    assert handle in bench.finished()


def test_what_rests_is_taken_back_when_nobody_holds_the_lease() -> None:
    """Its strategy is gone, or cut off: nobody looks after it any more."""
    bench = fenced()
    bench.rest("a", lease_token=5)
    bench.step(SeriesLease(SERIES, 0))
    assert bench.one(DeleteOrders).order_hashes == (hash_of("a"),)


def test_what_waits_or_is_being_signed_is_not_sent_when_nobody_holds_the_lease() -> None:
    bench = fenced()
    bench.place("a", lease_token=5)
    bench.step(SeriesLease(SERIES, 0))
    bench.sign()
    bench.step(Recorded("a"))
    assert bench.one(OrderFailed).reason is Reason.NO_LEASE
    assert not bench.got(PostOrder)


def test_that_nobody_holds_another_series_takes_nothing_back() -> None:
    bench = fenced()
    bench.rest("a", lease_token=5)
    bench.step(SeriesLease("eth-15m", 0))
    assert not bench.got(DeleteOrders)


def test_an_engine_without_leases_takes_nothing_back() -> None:
    bench = Bench(fenced=False)
    bench.rest("a")
    bench.step(SeriesLease(SERIES, 0))
    assert not bench.got(DeleteOrders)


def test_an_order_of_no_known_window_is_refused_as_that() -> None:
    bench = fenced()
    bench.place(slug="elsewhere", lease_token=4)
    assert bench.one(OrderFailed).reason is Reason.MARKET_CLOSED
