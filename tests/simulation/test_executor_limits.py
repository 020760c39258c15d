"""A strategy that has no gate and forgets its orders is held by the executor's limits.

Judged on the venue's records.
"""

from __future__ import annotations

from typing import Any

import pytest

from pmcore.engine.strategy import decision
from pmcore.engine.strategy.orders import OrderBookkeeper
from pmcore.engine.strategy.session import MarketSession
from pmcore.machines.risk import _KEY, RiskApproved
from pmtools.simulate.faults import draw_schedule
from pmtools.simulate.trial import SECONDS, try_seed

pytestmark = pytest.mark.timeout(120)
BROKEN = {"net limit", "exposure", "value limit"}
FAULTS = ("late-frames", "slow-link", "lose-answers", "failed-trades")


def _without_a_gate(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(decision, "approve", lambda new, *_: RiskApproved(new, _KEY))
    patch.setattr(decision, "refuse", lambda *_: None)
    patch.setattr(MarketSession, "can_open", property(lambda _: True))
    patch.setattr(OrderBookkeeper, "slot", lambda *_: None)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_strategy_without_its_gate_is_held_by_the_executor(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    _without_a_gate(monkeypatch)
    told = try_seed(seed, draw_schedule(seed, FAULTS, SECONDS), seconds=SECONDS)
    laws = {breach.law for breach in told.problems}
    assert "executor's limits" in laws
    assert not laws & BROKEN, told.problems


def test_without_the_executors_limits_the_same_strategy_breaks_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _without_a_gate(monkeypatch)

    def nothing(*_: Any) -> None:
        return None

    monkeypatch.setattr("pmcore.engine.execution.placing.beyond_limits", nothing)
    told = try_seed(1, draw_schedule(1, FAULTS, SECONDS), seconds=SECONDS)
    assert {breach.law for breach in told.problems} & BROKEN
