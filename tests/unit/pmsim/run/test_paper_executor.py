"""The execution engine over the paper exchange: what replay promises as the executor does."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from pmcore.engine.execution.engine import ExecutionEngine
from pmcore.messages.execution import (
    CancelFailed,
    FailureStage,
    MergeReported,
    MergeStatus,
    OrderAccepted,
    OrderCancelled,
    OrderFailed,
    OrderSubmitting,
    WindowFlat,
)
from pmcore.messages.notices import Notice, NoticeKind
from pmcore.messages.orders import CancelOrders, CancelWindow, MergePairs
from pmcore.messages.user import FillReported, OrderUpdated, TradeStatus, UserChannelChanged
from pmcore.model.errors import Reason
from pmcore.model.latency import parse_latencies
from pmcore.model.market import Outcome
from pmcore.model.params import OrderCaps
from pmsim.queue.paper_reports import MERGE_NS
from pmsim.queue.paper_venue import PaperParams, PaperVenue
from pmsim.run.paper_executor import ExecutorMessage, PaperExecutor
from support.builders import fill
from support.paper import MS, SHARE, SLUG, WINDOW, snapshot, sold, submit

PARAMS = PaperParams(latencies=parse_latencies("order=50,cancel=30,query=20"))
WINDOW_OVER = CancelWindow(slug=SLUG, reason="close", ts_step_ns=0)


class Bench:
    """An executor whose window has a book."""

    def __init__(self, params: PaperParams = PARAMS, engine: ExecutionEngine | None = None) -> None:
        self.venue = PaperVenue(params)
        self.notices: list[Notice] = []
        self.engine = engine or ExecutionEngine()
        self.executor = PaperExecutor(
            self.engine, self.venue, lambda _at_ns, notice: self.notices.append(notice)
        )
        assert kinds(self.executor.add_window(0, WINDOW)) == [UserChannelChanged] * 2
        self.executor.market(0, snapshot(Outcome.UP, 48, 52))
        self.executor.market(0, snapshot(Outcome.DOWN, 48, 52))

    def until(self, at_ns: int) -> list[ExecutorMessage]:
        """Let time pass as a replay does: whenever something is due, and at the end."""
        out: list[ExecutorMessage] = []
        while (due_ns := self.executor.next_ns()) is not None and due_ns < at_ns:
            out += self.executor.advance(due_ns)
        return out + self.executor.advance(at_ns)


def test_a_merge_is_answered_when_a_transaction_would_be_on_the_chain() -> None:
    caps = OrderCaps(bid_size_u6=0, max_position_value_u6=0, merge_min_pairs_u6=SHARE)
    bench = Bench(engine=ExecutionEngine(caps=caps))
    for outcome in Outcome:
        held = fill(outcome, "5", "0.40", trade_id=outcome, status=TradeStatus.CONFIRMED)
        token_id, condition_id = WINDOW.token_id(outcome), WINDOW.condition_id
        held = msgspec.structs.replace(held, token_id=token_id, condition_id=condition_id)
        bench.engine.step(0, held)
    merge = MergePairs(
        merge_id="m1", slug=SLUG, size_u6=5 * SHARE, expires_at_ns=1_000 * MS, ts_step_ns=0
    )
    assert bench.executor.command(10 * MS, merge) == []
    assert bench.until(10 * MS + MERGE_NS - 1) == []
    assert bench.executor.next_ns() == 10 * MS + MERGE_NS
    [report] = bench.until(10 * MS + MERGE_NS)
    assert isinstance(report, MergeReported)
    assert (report.status, report.ts_exec_ns) == (MergeStatus.MERGED, 10 * MS + MERGE_NS)
    assert bench.executor.next_ns() is None


def kinds(messages: Sequence[ExecutorMessage]) -> list[type]:
    return [type(message) for message in messages]


def cancel(*order_ids: str) -> CancelOrders:
    return CancelOrders(slug=SLUG, client_order_ids=order_ids, reason="requote", ts_step_ns=0)


def test_an_id_is_said_before_its_order_can_reach_the_venue() -> None:
    bench = Bench(PaperParams(latencies=parse_latencies("order=0,cancel=60,query=60")))
    [submitting] = bench.executor.command(10 * MS, submit("a", 48))
    assert isinstance(submitting, OrderSubmitting)
    assert bench.venue.open_orders() == ()
    accepted, placed = bench.executor.advance(10 * MS)
    assert isinstance(accepted, OrderAccepted)
    assert isinstance(placed, OrderUpdated)
    assert accepted.order_hash == placed.order_hash == submitting.order_hash
    assert bench.venue.open_orders() == (submitting.order_hash,)


@pytest.mark.parametrize(
    ("at_ns", "said"), [(1_000 * MS - 1, OrderSubmitting), (1_000 * MS, OrderFailed)]
)
def test_an_order_is_too_late_from_the_nanosecond_of_its_expiry_on(at_ns: int, said: type) -> None:
    bench = Bench()
    [message] = bench.executor.command(at_ns, submit("a", 48, expires_at_ns=1_000 * MS))
    assert type(message) is said
    if isinstance(message, OrderFailed):
        assert (message.stage, message.reason) == (FailureStage.DENIED, Reason.EXPIRED)
        assert bench.executor.next_ns() is None


def test_what_left_in_time_may_arrive_after_its_expiry() -> None:
    bench = Bench()
    bench.executor.command(1_000 * MS - 1, submit("a", 48, expires_at_ns=1_000 * MS))
    assert kinds(bench.until(1_050 * MS)) == [OrderAccepted, OrderUpdated]


def test_a_submit_ends_once_when_it_is_repeated() -> None:
    bench = Bench()
    out = bench.executor.command(0, submit("a", 48))
    out += bench.executor.command(1 * MS, submit("a", 48))
    out += bench.until(500 * MS)
    assert kinds(out) == [OrderSubmitting, OrderAccepted, OrderUpdated]
    assert [n.kind for n in bench.notices] == [NoticeKind.INPUT_DROPPED]


def test_a_refusal_of_the_venue_ends_the_order() -> None:
    bench = Bench()
    bench.executor.command(0, submit("a", 52))
    [failed] = bench.until(50 * MS)
    assert isinstance(failed, OrderFailed)
    assert (failed.stage, failed.reason) == (FailureStage.REJECTED, Reason.POST_ONLY_CROSSES)


def test_a_cancel_given_while_its_order_is_on_its_way_waits_for_the_answer() -> None:
    bench = Bench()
    bench.executor.command(0, submit("a", 49))
    assert bench.executor.command(1 * MS, cancel("a")) == []
    assert kinds(bench.until(50 * MS)) == [OrderAccepted, OrderUpdated]
    assert bench.until(80 * MS - 1) == []
    assert kinds(bench.until(80 * MS)) == [OrderCancelled, OrderUpdated]


def test_a_fill_that_comes_before_its_cancel_is_said_to_have_matched() -> None:
    bench = Bench()
    bench.executor.command(0, submit("a", 49))
    bench.until(50 * MS)
    bench.executor.command(60 * MS, cancel("a"))
    assert kinds(bench.executor.market(70 * MS, sold(48, 5, 70))) == [FillReported, OrderUpdated]
    [failed] = bench.until(90 * MS)
    assert isinstance(failed, CancelFailed)
    assert failed.reason is Reason.ALREADY_MATCHED


def test_a_window_is_flat_only_after_a_list_asked_for_when_nothing_was_on_its_way() -> None:
    bench = Bench()
    bench.executor.command(0, submit("a", 48))
    bench.executor.command(40 * MS, submit("b", 48, outcome=Outcome.DOWN))
    bench.until(60 * MS)
    assert bench.executor.command(60 * MS, WINDOW_OVER) == []
    out = bench.until(140 * MS - 1)
    # "a" by 90 ms; "b" rests at 90 ms and is taken out by 120 ms; the list takes 20 ms more
    assert sum(isinstance(m, OrderCancelled) for m in out) == 2
    assert not any(isinstance(m, WindowFlat) for m in out)
    [flat] = bench.until(140 * MS)
    assert flat == WindowFlat(slug=SLUG, ts_exec_ns=140 * MS)
    assert bench.venue.open_orders() == ()


def test_an_empty_window_is_flat_after_one_question() -> None:
    bench = Bench()
    assert bench.executor.command(0, WINDOW_OVER) == []
    assert bench.until(20 * MS - 1) == []
    assert kinds(bench.until(20 * MS)) == [WindowFlat]


def test_a_filled_order_is_found_by_the_list_and_then_no_longer_counted() -> None:
    bench = Bench()
    bench.executor.command(0, submit("a", 49))
    bench.until(50 * MS)
    bench.executor.market(60 * MS, sold(48, 5, 60))
    assert bench.engine.open_orders == 1
    said = [bench.until(ms * MS) for ms in range(100, 16_000, 100)]
    ended = [m for out in said for m in out if isinstance(m, CancelFailed)]
    assert [(m.reason, m.filled_u6) for m in ended] == [(Reason.ALREADY_MATCHED, 5 * SHARE)]
    assert bench.engine.open_orders == 0


def test_answers_of_one_call_are_obeyed_at_their_own_time() -> None:
    stepwise, at_once = Bench(), Bench()
    heard: list[list[ExecutorMessage]] = []
    for bench in (stepwise, at_once):
        bench.executor.command(0, submit("a", 48))
        bench.executor.command(1 * MS, cancel("a"))
        heard.append([])
    heard[0] += stepwise.until(200 * MS)
    heard[1] += at_once.executor.market(200 * MS, snapshot(Outcome.UP, 48, 52, 200))
    assert heard[0] == heard[1]
