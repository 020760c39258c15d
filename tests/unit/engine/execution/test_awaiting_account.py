"""Orders and merges wait until the account was heard; cancels, and what takes back, do not."""

from __future__ import annotations

import msgspec
import pytest

from pmcore.engine.execution.io import (
    AccountHeard,
    DeleteOrders,
    Finished,
    ListOpenOrders,
    OpenOrdersAnswered,
    PlacingGate,
    Posted,
    Recorded,
    SeriesLease,
    SignOrder,
    Stop,
    SubmitMerge,
    WindowEnded,
)
from pmcore.engine.execution.records import MAX_LIVE_PER_WINDOW, MAX_WAITING
from pmcore.messages.control import Halt
from pmcore.messages.execution import CancelFailed, MergeReported, OrderFailed, WindowFlat
from pmcore.messages.orders import MergePairs
from pmcore.messages.rotation import WindowAnnounced
from pmcore.messages.user import TradeStatus
from pmcore.model.errors import Reason
from pmcore.model.market import Outcome
from pmcore.model.params import OrderCaps
from pmcore.model.units import NS_PER_S, SHARE_U6
from support.builders import T0_NS, fill, window
from support.executions import LEASE_TOKEN, SLUG, Bench, hash_of
from support.merges import FAILED, UNKNOWN

CAPS = OrderCaps(
    bid_size_u6=5 * SHARE_U6,
    max_position_value_u6=100 * SHARE_U6,
    max_net_diff_u6=10 * SHARE_U6,
    merge_min_pairs_u6=5 * SHARE_U6,
)
OTHER = msgspec.structs.replace(
    window(), slug="btc-updown-15m-other", condition_id="0xother", series="eth-15m"
)


def bench_of(**more: object) -> Bench:
    return Bench(awaits_account=True, **{"caps": CAPS, **more})  # type: ignore[arg-type] # passed on


def signed(bench: Bench) -> list[str]:
    return [output.command.client_order_id for output in bench.got(SignOrder)]


def failed(bench: Bench) -> dict[str, Reason]:
    return {output.client_order_id: output.reason for output in bench.got(OrderFailed)}


def rest(bench: Bench, order: str = "a") -> None:
    bench.place(order)
    bench.hear()
    bench.sign(order)
    bench.step(Recorded(order))
    bench.step(Posted(order))


def test_an_order_goes_out_only_after_the_account_was_heard() -> None:
    bench = bench_of()
    bench.place("a")
    assert not bench.out
    bench.wait(900)
    assert not bench.out
    assert bench.engine.unheard(SLUG) == ("a",)
    bench.hear()
    assert signed(bench) == ["a"]
    assert bench.engine.unheard(SLUG) == ()
    bench.step(AccountHeard(SLUG, ("a",)))
    assert not bench.out


def test_the_limits_know_all_that_was_heard_meanwhile() -> None:
    bench = bench_of()
    bench.place("a")
    for number in ("1", "2"):
        bench.step(fill(Outcome.UP, "5", "0.40", trade_id=number, order_hash=f"0xold{number}"))
    bench.hear()
    assert failed(bench) == {"a": Reason.RISK}


def test_a_reading_that_began_before_the_command_does_not_judge_it() -> None:
    bench = bench_of()
    bench.place("a")
    asked = bench.engine.unheard(SLUG)
    bench.place("b", outcome=Outcome.DOWN)
    bench.step(AccountHeard(SLUG, asked))
    assert signed(bench) == ["a"]
    assert bench.engine.unheard(SLUG) == ("b",)


def test_orders_heard_together_are_judged_one_after_the_other() -> None:
    """What was not judged counts against no other; what was does."""
    bench = bench_of()
    bench.place("a")
    bench.place("b")
    bench.hear()
    assert signed(bench) == ["a"]
    assert failed(bench) == {"b": Reason.RISK}


def test_a_cancel_is_sent_while_the_account_is_not_heard() -> None:
    bench = bench_of()
    rest(bench)
    bench.place("b", outcome=Outcome.DOWN)
    bench.cancel("a")
    assert bench.one(DeleteOrders).order_hashes == (hash_of("a"),)
    assert bench.engine.unheard(SLUG) == ("b",)


def test_a_cancel_of_an_order_that_was_not_judged_ends_both_commands() -> None:
    bench = bench_of()
    placed = bench.place("a")
    cancelled = bench.cancel("a")
    assert failed(bench) == {"a": Reason.EXPIRED}
    assert bench.finished() == [placed, cancelled]
    bench.step(AccountHeard(SLUG, ("a",)))
    assert not bench.out
    bench.cancel("a")
    assert bench.one(CancelFailed).reason is Reason.NOT_FOUND


def test_nothing_is_placed_behind_a_window_that_was_cancelled() -> None:
    bench = bench_of()
    bench.place("a")
    bench.cancel_window()
    assert failed(bench) == {"a": Reason.NOT_FLAT}
    assert bench.got(ListOpenOrders)
    bench.place("b")
    assert failed(bench) == {"b": Reason.NOT_FLAT}
    bench.step(OpenOrdersAnswered(SLUG, ()))
    assert bench.got(WindowFlat)
    bench.step(AccountHeard(SLUG, ("a", "b")))
    assert not bench.out


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (Halt(reason="look", by="x", ts_recv_ns=1), Reason.HALTED),
        (Stop(), Reason.SHUTTING_DOWN),
        (PlacingGate(open=False, text="no heartbeat"), Reason.NO_HEARTBEAT),
        (SeriesLease(window().series, 0), Reason.NO_LEASE),
        (SeriesLease(window().series, LEASE_TOKEN + 1), Reason.NO_LEASE),
    ],
)
def test_what_takes_all_back_does_not_wait_either(event: object, reason: Reason) -> None:
    bench = bench_of(fenced=True)
    bench.step(SeriesLease(window().series, LEASE_TOKEN))
    bench.place("a")
    bench.step(event)  # type: ignore[arg-type] # parametrized
    assert failed(bench) == {"a": reason}
    assert bench.engine.flat or bench.got(ListOpenOrders)


def test_an_order_that_expires_unheard_is_answered_then() -> None:
    bench = bench_of()
    token = bench.place("a", expires_s=0.5)
    bench.wait(500)
    assert failed(bench) == {"a": Reason.EXPIRED}
    assert bench.finished() == [token]


def test_an_order_that_expired_when_the_account_was_heard_is_not_called_a_risk() -> None:
    bench = bench_of()
    bench.place("a", expires_s=0.5)
    bench.place("b", expires_s=0.5)
    asked = bench.engine.unheard(SLUG)
    bench.at_ns += NS_PER_S
    bench.step(AccountHeard(SLUG, asked))
    assert failed(bench) == {"a": Reason.EXPIRED, "b": Reason.EXPIRED}


def test_an_order_that_was_not_judged_keeps_no_other_series_back() -> None:
    bench = bench_of()
    bench.step(WindowAnnounced(window=OTHER, ts_recv_ns=T0_NS))
    bench.place("a")
    bench.place("b", slug=OTHER.slug)
    bench.hear(OTHER.slug)
    assert signed(bench) == ["b"]


def test_of_a_window_that_is_not_known_nothing_waits() -> None:
    bench = bench_of()
    assert bench.engine.unheard("other") == ()
    bench.step(AccountHeard("other", ("a",)))
    assert not bench.out


def test_orders_that_wait_for_the_account_are_bounded() -> None:
    bench = bench_of(caps=None)
    for number in range(MAX_LIVE_PER_WINDOW):
        bench.place(f"o{number}")
        assert not bench.out
    bench.place("more")
    assert failed(bench) == {"more": Reason.RISK}


def test_the_line_for_the_budget_is_bounded_when_many_are_heard_at_once() -> None:
    bench = bench_of(caps=None)
    for number in range(MAX_WAITING + 1):
        bench.place(f"o{number}")
    bench.hear()
    assert len(signed(bench)) == MAX_WAITING
    assert failed(bench) == {f"o{MAX_WAITING}": Reason.BUDGET}


def pair(bench: Bench) -> None:
    for outcome, price in ((Outcome.UP, "0.50"), (Outcome.DOWN, "0.40")):
        bench.step(fill(outcome, "9", price, trade_id=f"t-{outcome}", status=TradeStatus.CONFIRMED))


def merge(bench: Bench, merge_id: str = "m1") -> str:
    return bench.command(
        MergePairs(
            merge_id=merge_id,
            slug=SLUG,
            size_u6=9 * SHARE_U6,
            expires_at_ns=T0_NS + 5 * NS_PER_S,
            ts_step_ns=T0_NS,
            lease_token=LEASE_TOKEN,
        )
    )


def test_a_merge_is_submitted_once_after_the_account_was_heard() -> None:
    bench = bench_of()
    merge(bench)
    assert not bench.out
    pair(bench)
    bench.step(AccountHeard(SLUG, ("another",)))
    assert not bench.out
    bench.hear()
    assert bench.one(SubmitMerge) == SubmitMerge(SLUG, "m1", 9 * SHARE_U6)
    bench.step(AccountHeard(SLUG, ("m1",)))
    assert not bench.out
    again = merge(bench)
    assert bench.out == [Finished(again)]


def test_a_merge_that_was_not_heard_is_told_as_under_way_and_keeps_others_out() -> None:
    bench = bench_of()
    merge(bench)
    merge(bench, "m2")
    assert bench.one(MergeReported).status is FAILED
    bench.cancel_window()
    told = {report.merge_id: report.status for report in bench.got(MergeReported)}
    assert told == {"m1": UNKNOWN, "m2": FAILED}


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (None, "only 0 of each outcome"),
        (Halt(reason="look", by="x", ts_recv_ns=1), "look"),
        (SeriesLease(window().series, LEASE_TOKEN + 1), "lease token"),
    ],
)
def test_a_merge_is_judged_when_the_account_was_heard(event: object, text: str) -> None:
    bench = bench_of(fenced=True)
    bench.step(SeriesLease(window().series, LEASE_TOKEN))
    token = merge(bench)
    if event is not None:
        bench.step(event)  # type: ignore[arg-type] # parametrized
    bench.hear()
    report = bench.one(MergeReported)
    assert report.status is FAILED
    assert text in report.text
    assert bench.finished() == [token]


def test_a_merge_that_was_not_sent_when_its_window_is_forgotten_failed() -> None:
    bench = bench_of()
    pair(bench)
    merge(bench)
    bench.step(WindowEnded(SLUG))
    assert bench.one(MergeReported).status is FAILED
