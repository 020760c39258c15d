from __future__ import annotations

import pytest

from pmcore.model.params import StrategyParams
from pmcore.model.units import NS_PER_S


@pytest.mark.parametrize(("length_s", "stop_s"), [(300, 60), (900, 240), (14_400, 240), (60, 12)])
def test_new_risk_ends_before_the_close(length_s: int, stop_s: int) -> None:
    stop_ns = StrategyParams().stop_new_risk_for_ns(length_s * NS_PER_S)
    assert stop_ns == stop_s * NS_PER_S


def test_a_given_value_wins() -> None:
    assert StrategyParams(stop_new_risk_ns=7).stop_new_risk_for_ns(300 * NS_PER_S) == 7
