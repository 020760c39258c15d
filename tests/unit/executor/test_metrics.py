"""What the executor remembers to time its orders."""

from __future__ import annotations

from pmcore.messages.execution import (
    CancelFailed,
    FailureStage,
    OrderAccepted,
    OrderCancelled,
    OrderFailed,
    OrderSubmitting,
    OrderUnknown,
)
from pmcore.messages.notices import Notice, NoticeKind
from pmcore.model.errors import Reason
from pmcore.shell.service.metrics import ServiceMetrics
from pmexecutor.metrics import MAX_UNDER_WAY, ExecutorMetrics
from support.builders import T0_NS, window
from support.executions import SLUG, Bench, submit


def test_orders_under_way_are_forgotten_when_they_are_answered_and_bounded_before() -> None:
    executor_metrics = ExecutorMetrics(ServiceMetrics("executor", version="1", mode="dry"))
    for number in range(MAX_UNDER_WAY + 1):
        executor_metrics.received(submit(str(number)), T0_NS)
        executor_metrics.sending(submit(str(number)), T0_NS)
    under_way = vars(executor_metrics)["_received_ns"]
    sent = vars(executor_metrics)["_sent_ns"]
    assert len(under_way) == len(sent) == MAX_UNDER_WAY
    executor_metrics.answered("0", T0_NS + 1)
    assert len(sent) == MAX_UNDER_WAY - 1
    failed = OrderFailed(
        slug=SLUG,
        client_order_id="1",
        stage=FailureStage.DENIED,
        reason=Reason.EXPIRED,
        text="",
        ts_exec_ns=T0_NS,
    )
    executor_metrics.message(failed)
    assert len(under_way) == MAX_UNDER_WAY - 2
    assert executor_metrics.rejections == {"expired": 1}


def samples(metrics: ServiceMetrics) -> dict[str, float]:
    """Value by name and labels, without the prefix."""
    lines = metrics.render().decode().splitlines()
    rows = (line.rpartition(" ") for line in lines if line.startswith("pm_executor_"))
    return {name.removeprefix("pm_executor_"): float(value) for name, _, value in rows}


def test_the_gauges_show_the_engine() -> None:
    metrics = ServiceMetrics("executor", version="1", mode="dry")
    executor_metrics, bench = ExecutorMetrics(metrics), Bench()
    bench.rest("a")
    executor_metrics.show(bench.engine, bench.at_ns, beat_age_s=1.5, queued=3)
    shown = samples(metrics)
    assert shown["open_orders"] == 1
    assert shown['budget_tokens{kind="orders"}'] == bench.engine.tokens(bench.at_ns)[0]
    assert shown['budget_tokens{kind="cancels"}'] == bench.engine.tokens(bench.at_ns)[1]
    assert shown["heartbeat_age_seconds"] == 1.5
    assert shown["unpublished_entries"] == 3
    assert shown['venue_mode_state{kind="normal"}'] == 1
    assert shown['venue_mode_state{kind="disabled"}'] == 0
    executor_metrics.show(bench.engine, bench.at_ns, beat_age_s=None, queued=0)
    assert samples(metrics)["heartbeat_age_seconds"] == -1


def test_each_word_and_each_command_is_counted_once() -> None:
    metrics = ServiceMetrics("executor", version="1", mode="dry")
    executor_metrics = ExecutorMetrics(metrics)
    named = {"slug": SLUG, "client_order_id": "a", "ts_exec_ns": T0_NS}
    ident = {**named, "order_hash": "0xa"}
    executor_metrics.message(OrderSubmitting(**ident))  # type: ignore[arg-type] # one dict for all
    executor_metrics.message(OrderAccepted(**ident))  # type: ignore[arg-type]
    executor_metrics.message(OrderUnknown(**ident, reason=Reason.TIMEOUT))  # type: ignore[arg-type]
    executor_metrics.message(OrderCancelled(**ident))  # type: ignore[arg-type]
    executor_metrics.message(CancelFailed(**named, reason=Reason.NOT_FOUND))  # type: ignore[arg-type]
    failed = OrderFailed(**named, stage=FailureStage.DENIED, reason=Reason.RISK)  # type: ignore[arg-type]
    executor_metrics.message(failed)
    executor_metrics.message(failed)
    executor_metrics.notice(Notice(kind=NoticeKind.HALTED))
    executor_metrics.dropped("undecodable")
    executor_metrics.received(submit("a"), T0_NS)
    shown = samples(metrics)
    assert shown["orders_signed_total"] == shown["orders_accepted_total"] == 1
    assert shown['orders_unknown_total{reason="timeout"}'] == shown["cancels_total"] == 1
    assert shown['cancels_failed_total{reason="not_found"}'] == 1
    assert shown['orders_rejected_total{reason="risk"}'] == 2
    assert executor_metrics.rejections == {"risk": 2}
    assert shown['notices_total{kind="halted"}'] == 1
    assert shown['inputs_dropped_total{reason="undecodable"}'] == 1
    assert shown['commands_total{kind="SubmitOrder"}'] == 1


def test_hops_are_measured_from_what_led_to_them() -> None:
    metrics = ServiceMetrics("executor", version="1", mode="dry")
    executor_metrics, ms = ExecutorMetrics(metrics), 1_000_000
    executor_metrics.received(submit("a"), T0_NS + 2 * ms)
    executor_metrics.sending(submit("a"), T0_NS + 5 * ms)
    executor_metrics.answered("a", T0_NS + 9 * ms)
    executor_metrics.answered("a", T0_NS + 99 * ms)
    hops = metrics.hop_ms()
    assert {hop: (row["p50"], row["n"]) for hop, row in hops.items()} == {
        "cmd_to_executor": (2.0, 1),
        "book_to_order": (5.0, 1),
        "executor_to_venue": (7.0, 1),
        "post_to_answer": (4.0, 1),
    }


def test_signing_is_measured_by_the_times_of_the_engine() -> None:
    metrics = ServiceMetrics("executor", version="1", mode="dry")
    executor_metrics, ms = ExecutorMetrics(metrics), 1_000_000
    executor_metrics.received(submit("a"), T0_NS)
    for client_order_id in ("a", "unknown"):
        executor_metrics.message(
            OrderSubmitting(
                slug=SLUG,
                client_order_id=client_order_id,
                order_hash="0xa",
                ts_exec_ns=T0_NS + 3 * ms,
            )
        )
    assert metrics.hop_ms()["cmd_to_signed"] == {"p50": 3.0, "p99": 3.0, "n": 1}


def test_each_kill_is_kept_in_a_histogram() -> None:
    metrics = ServiceMetrics("executor", version="1", mode="dry")
    executor_metrics = ExecutorMetrics(metrics)
    executor_metrics.killed(0.012, 0.030)
    executor_metrics.killed(0.200, 0.700)
    shown = samples(metrics)
    assert shown["kill_to_last_cancel_seconds"] == 0.2
    assert shown['kill_seconds_count{kind="cancelled"}'] == 2
    assert shown['kill_seconds_bucket{kind="cancelled",le="0.1"}'] == 1
    assert shown['kill_seconds_bucket{kind="verified",le="0.5"}'] == 1


def test_orders_that_outlive_their_window_are_shown() -> None:
    metrics = ServiceMetrics("executor", version="1", mode="dry")
    executor_metrics, bench = ExecutorMetrics(metrics), Bench()
    bench.rest("a")
    executor_metrics.show(bench.engine, bench.at_ns, beat_age_s=1.5, queued=3)
    assert samples(metrics)["outliving_orders"] == 0
    close_ns = window().close_ns
    executor_metrics.show(bench.engine, close_ns - 1, beat_age_s=1.5, queued=3)
    assert samples(metrics)["outliving_orders"] == 0
    executor_metrics.show(bench.engine, close_ns, beat_age_s=1.5, queued=3)
    assert samples(metrics)["outliving_orders"] == 1


def test_paper_money_is_asked_when_it_is_shown() -> None:
    metrics = ServiceMetrics("executor", version="1", mode="dry")
    executor_metrics = ExecutorMetrics(metrics)
    assert "pm_executor_paper_profit_dollars{" not in metrics.render().decode()
    won = {"central": {"profit_today": 1.0, "worst_case_profit_today": -2.0}}
    executor_metrics.watch_paper(lambda: won)
    won["central"]["profit_today"] = 1.5
    lines = metrics.render().decode().splitlines()
    assert 'pm_executor_paper_profit_dollars{kind="settled",model="central"} 1.5' in lines
    assert 'pm_executor_paper_profit_dollars{kind="worst_case",model="central"} -2.0' in lines
