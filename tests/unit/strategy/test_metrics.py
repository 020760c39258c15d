"""What the strategy shows in Prometheus."""

from __future__ import annotations

import math

import pytest

from pmcore.engine.strategy.counters import SUMS, EngineCounters
from pmcore.messages.notices import Notice, NoticeKind
from pmcore.model.market import TakerSide
from pmcore.shell.service.metrics import ServiceMetrics
from pmstrategy.metrics import StrategyMetrics
from support.builders import at, fill, trade
from support.engine_driver import UP, EngineDriver, quoting_driver


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


def driver_with_a_fill() -> EngineDriver:
    driver = EngineDriver()
    driver.start()
    driver.books(2, "0.46/0.48", "0.51/0.53")
    driver.batch(3, fill(UP, "5", "0.47", at_ns=at(3)), trade(UP, TakerSide.BUY, "7", at_ns=at(3)))
    return driver


def test_gauges_show_a_window_in_dollars_and_shares(metrics: ServiceMetrics) -> None:
    strategy_metrics, driver = StrategyMetrics(metrics), driver_with_a_fill()
    strategy_metrics.show(driver.session, at(4))
    samples = shown(metrics)
    up = '{outcome="up",series="btc-15m"}'
    assert samples[f"inventory_shares{up}"] == 5
    assert samples[f"settled_shares{up}"] == 0
    assert samples[f"ofi_shares{up}"] == 7
    assert samples[f"book_age_seconds{up}"] == 2
    assert samples['worst_case_profit_dollars{series="btc-15m"}'] == -2.35
    assert samples['window_state{series="btc-15m",state="quoting"}'] == 1
    assert samples['window_state{series="btc-15m",state="settled"}'] == 0
    assert samples['profit_part_dollars{kind="profit",series="btc-15m"}'] == pytest.approx(0)
    assert samples['profit_part_dollars{kind="profit_unknown",series="btc-15m"}'] == 0
    assert math.isnan(samples['markout_dollars{kind="1s",series="btc-15m"}'])
    driver.books(4, "0.45/0.47", "0.52/0.54")
    strategy_metrics.show(driver.session, at(4))
    assert shown(metrics)['markout_dollars{kind="1s",series="btc-15m"}'] == pytest.approx(-0.01)


def test_counters_go_on_over_windows_and_count_nothing_twice(metrics: ServiceMetrics) -> None:
    strategy_metrics, driver = StrategyMetrics(metrics), driver_with_a_fill()
    fills = 'fills_total{series="btc-15m"}'
    for _ in range(2):
        strategy_metrics.count([driver.session])
        assert shown(metrics)[fills] == 1
    driver.batch(5, fill(UP, "5", "0.47", trade_id="t2"))
    strategy_metrics.count([driver.session])
    assert shown(metrics)[fills] == 2
    strategy_metrics.forget(driver.window.slug)
    strategy_metrics.count([driver_with_a_fill().session])
    assert shown(metrics)[fills] == 3
    assert shown(metrics)['filled_shares_total{series="btc-15m"}'] == 15


def test_time_is_counted_by_what_kept_the_bids_away(metrics: ServiceMetrics) -> None:
    strategy_metrics, driver = StrategyMetrics(metrics), driver_with_a_fill()
    driver.batch(13)
    time = driver.session.quoting_time
    idle_s = sum(time.idle_ns.values()) / 2e9
    assert idle_s > 9, "nothing answered the bids of this driver"
    for _ in range(2):
        strategy_metrics.count([driver.session])
    samples = shown(metrics)
    series = 'series="btc-15m"'
    assert samples[f"window_seconds_total{{{series}}}"] == time.total_ns / 1e9
    assert samples[f"both_rest_seconds_total{{{series}}}"] == 0
    for name, counted in (("idle", time.idle_ns), ("unquoted", time.by_obstacle_ns)):
        by_reason = {
            sample: value
            for sample, value in samples.items()
            if sample.startswith(f"{name}_seconds_total")
        }
        assert by_reason == {
            f'{name}_seconds_total{{reason="{obstacle.value}",{series}}}': pytest.approx(ns / 2e9)
            for obstacle, ns in counted.items()
        }
    strategy_metrics.forget(driver.window.slug)
    strategy_metrics.count([driver.session])
    assert shown(metrics)[f"window_seconds_total{{{series}}}"] == 2 * time.total_ns / 1e9


def test_a_bid_that_rests_is_no_time_without_one(metrics: ServiceMetrics) -> None:
    strategy_metrics, driver = StrategyMetrics(metrics), quoting_driver()
    driver.books(2, "0.46/0.48", "0.51/0.53")
    driver.books(3, "0.46/0.48", "0.51/0.53")
    strategy_metrics.count([driver.session])
    samples = shown(metrics)
    assert samples['both_rest_seconds_total{series="btc-15m"}'] > 1
    assert not [name for name in samples if 'seconds_total{reason="none"' in name]


def test_a_loss_limit_is_shown_by_its_kind_and_the_time_to_the_close(
    metrics: ServiceMetrics,
) -> None:
    strategy_metrics, driver = StrategyMetrics(metrics), driver_with_a_fill()
    strategy_metrics.show(driver.session, driver.window.close_ns - 30_000_000_000)
    samples = shown(metrics)
    assert samples['window_left_seconds{series="btc-15m"}'] == 30
    assert samples['loss_limit_state{kind="day",series="btc-15m"}'] == 0
    assert samples['loss_limit_state{kind="window",series="btc-15m"}'] == 0
    driver.session.loss_limit.reach("PM_MAX_DAILY_LOSS")
    strategy_metrics.show(driver.session, at(5))
    assert shown(metrics)['loss_limit_state{kind="day",series="btc-15m"}'] == 1
    assert shown(metrics)['loss_limit_state{kind="window",series="btc-15m"}'] == 0


def test_the_money_of_the_day_is_shown_by_kind(metrics: ServiceMetrics) -> None:
    strategy_metrics = StrategyMetrics(metrics)
    strategy_metrics.show_day(
        {
            "profit_today": 1.5,
            "unsettled_today": 0.25,
            "worst_case_profit_today": -2.0,
            "windows_settled_today": 3,
            "winners_unknown_today": 1,
            "results_today": {},
        }
    )
    samples = shown(metrics)
    assert samples['day_profit_dollars{kind="settled"}'] == 1.5
    assert samples['day_profit_dollars{kind="unsettled"}'] == 0.25
    assert samples['day_profit_dollars{kind="worst_case"}'] == -2.0
    assert samples["day_settled_windows"] == 3


def test_notices_are_counted_by_kind(metrics: ServiceMetrics) -> None:
    strategy_metrics = StrategyMetrics(metrics)
    strategy_metrics.notice(Notice(kind=NoticeKind.BOOK_GAP))
    assert shown(metrics)['notices_total{kind="book_gap"}'] == 1


def test_a_window_that_is_over_is_forgotten(metrics: ServiceMetrics) -> None:
    strategy_metrics, driver = StrategyMetrics(metrics), driver_with_a_fill()
    strategy_metrics.count([driver.session])
    assert list(vars(strategy_metrics)["_seen"]) == [driver.window.slug]
    strategy_metrics.forget(driver.window.slug)
    assert vars(strategy_metrics)["_seen"] == {}
    assert vars(vars(strategy_metrics)["_time"])["_seen_ns"] == {}


def test_every_sum_of_an_engine_is_a_counter(metrics: ServiceMetrics) -> None:
    """A new field of `EngineCounters` needs a metric; times of doubt are a gauge instead."""
    strategy_metrics, driver = StrategyMetrics(metrics), EngineDriver()
    assert set(strategy_metrics.of_engine) == set(SUMS) - {"distrusted"}
    for name, (_, unit) in strategy_metrics.of_engine.items():
        setattr(driver.session.counters, name, 3 * unit)
    strategy_metrics.count([driver.session])
    series = '_total{series="btc-15m"}'
    counted = {name: value for name, value in shown(metrics).items() if name.endswith(series)}
    others = {f"windows{series}", f"book_mismatches{series}", f"books_verified{series}"}
    others |= {f"window_seconds{series}", f"both_rest_seconds{series}"}
    assert {name for name, value in counted.items() if value == 3} == set(counted) - others


def test_every_field_is_a_sum_a_maximum_or_the_rejections() -> None:
    fields = set(EngineCounters.__struct_fields__)
    assert {name for name in fields if not isinstance(getattr(EngineCounters(), name), int)} == {
        "orders_rejected"
    }
