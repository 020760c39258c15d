"""What the strategy shows in Prometheus."""

from __future__ import annotations

import pytest

from pmcore.messages.notices import Notice, NoticeKind
from pmcore.model.market import TakerSide
from pmcore.shell.service.metrics import ServiceMetrics
from pmstrategy.metrics import StrategyMetrics
from support.builders import at, fill, trade
from support.desk import UP, Desk


@pytest.fixture
def metrics() -> ServiceMetrics:
    return ServiceMetrics("strategy", version="1", mode="dry")


def shown(metrics: ServiceMetrics) -> dict[str, float]:
    """Every sample but those of the process, without the prefix."""
    lines = [line for line in metrics.render().decode().splitlines() if line.startswith("pm_")]
    return {
        name.removeprefix("pm_strategy_"): float(value)
        for name, _, value in (line.rpartition(" ") for line in lines)
    }


def desk_with_a_fill() -> Desk:
    desk = Desk()
    desk.start()
    desk.books(2, "0.46/0.48", "0.51/0.53")
    desk.batch(3, fill(UP, "5", "0.47"), trade(UP, TakerSide.BUY, "7", at_ns=at(3)))
    return desk


def test_gauges_show_a_window_in_dollars_and_shares(metrics: ServiceMetrics) -> None:
    metrics, desk = StrategyMetrics(metrics), desk_with_a_fill()
    metrics.show(desk.session, at(4))
    samples = shown(metrics)
    up = '{outcome="up",series="btc-15m"}'
    assert samples[f"inventory_shares{up}"] == 5
    assert samples[f"settled_shares{up}"] == 0
    assert samples[f"ofi_shares{up}"] == 7
    assert samples[f"book_age_seconds{up}"] == 2
    assert samples['worst_case_profit_dollars{series="btc-15m"}'] == -2.35
    assert samples['window_state{series="btc-15m",state="quoting"}'] == 1
    assert samples['window_state{series="btc-15m",state="settled"}'] == 0


def test_counters_go_on_over_windows_and_count_nothing_twice(metrics: ServiceMetrics) -> None:
    metrics, desk = StrategyMetrics(metrics), desk_with_a_fill()
    fills = 'fills_total{series="btc-15m"}'
    for _ in range(2):
        metrics.count([desk.session])
        assert shown(metrics)[fills] == 1
    desk.batch(5, fill(UP, "5", "0.47", trade_id="t2"))
    metrics.count([desk.session])
    assert shown(metrics)[fills] == 2
    metrics.forget(desk.window.slug)
    metrics.count([desk_with_a_fill().session])
    assert shown(metrics)[fills] == 3
    assert shown(metrics)['filled_shares_total{series="btc-15m"}'] == 15


def test_notices_are_counted_by_kind(metrics: ServiceMetrics) -> None:
    metrics = StrategyMetrics(metrics)
    metrics.notice(Notice(kind=NoticeKind.BOOK_GAP))
    assert shown(metrics)['notices_total{kind="book_gap"}'] == 1


def test_a_window_that_is_over_is_forgotten(metrics: ServiceMetrics) -> None:
    metrics, desk = StrategyMetrics(metrics), desk_with_a_fill()
    metrics.count([desk.session])
    assert list(vars(metrics)["_seen"]) == [desk.window.slug]
    metrics.forget(desk.window.slug)
    assert vars(metrics)["_seen"] == {}
