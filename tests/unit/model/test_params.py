from __future__ import annotations

import pytest

from pmcore.model.params import LimitParams, OrderCaps, SeriesParams, StrategyParams
from pmcore.model.units import NS_PER_S


@pytest.mark.parametrize(("length_s", "stop_s"), [(300, 60), (900, 240), (14_400, 240), (60, 12)])
def test_new_risk_ends_before_the_close(length_s: int, stop_s: int) -> None:
    stop_ns = StrategyParams().stop_new_risk_for_ns(length_s * NS_PER_S)
    assert stop_ns == stop_s * NS_PER_S


def test_a_given_value_wins() -> None:
    assert StrategyParams(stop_new_risk_ns=7).stop_new_risk_for_ns(300 * NS_PER_S) == 7


def test_the_executor_is_given_the_same_limits() -> None:
    limits = LimitParams(max_net_diff_u6=1, max_position_value_u6=2, max_window_loss_u6=3)
    assert StrategyParams(bid_size_u6=4, pair_target_e4=5, limits=limits).order_caps() == OrderCaps(
        bid_size_u6=4,
        max_position_value_u6=2,
        pair_target_e4=5,
        max_net_diff_u6=1,
        max_window_loss_u6=3,
    )


def test_a_series_has_its_own_parameters_or_those_of_all() -> None:
    base, own = StrategyParams(bid_size_u6=1), StrategyParams(bid_size_u6=2)
    params = SeriesParams(base, {"btc-5m": own})
    assert (params.of("btc-5m"), params.of("btc-15m")) == (own, base)
