from __future__ import annotations

from pmcore.engine.strategy.counters import EngineCounters


def test_totals_add_and_maxima_stay_maxima() -> None:
    total = EngineCounters(fills=1, max_pair_cost_e4=9900, orders_rejected={"tick": 1})
    total.add(
        EngineCounters(fills=2, max_pair_cost_e4=9800, orders_rejected={"tick": 2, "risk": 1})
    )
    assert total == EngineCounters(
        fills=3, max_pair_cost_e4=9900, orders_rejected={"tick": 3, "risk": 1}
    )
