"""Engines in seeded worlds: whatever the crowd does, the global truths hold."""

from __future__ import annotations

import pytest

from pmcore.machines.rotation import WindowState
from pmcore.messages.notices import NoticeKind
from pmcore.model.market import parse_series
from pmcore.model.params import StrategyParams
from pmcore.model.units import NS_PER_S, SHARE_U6
from pmsim.run.direct import DirectParams
from pmsim.run.simulation import Simulation
from pmsim.run.synthetic import SyntheticParams
from pmsim.venue.accounts import AccountsParams

START_NS = 1_790_766_900 * NS_PER_S
STRATEGY = StrategyParams(bid_size_u6=5 * SHARE_U6, settle_grace_ns=30 * NS_PER_S)


def simulation(
    seed: int,
    *,
    failed_ppm: int = 0,
    direct: DirectParams | None = None,
    taker_delay_ms: int = 0,
    auto_tick: bool = False,
) -> Simulation:
    world = SyntheticParams(
        taker_delay_ms=taker_delay_ms,
        auto_tick=auto_tick,
        series=(parse_series("btc-updown-30s"),),
        seed=seed,
        start_ns=START_NS,
        accounts=AccountsParams(failed_ppm=failed_ppm),
    )
    return Simulation(world, STRATEGY, direct=direct, step_ms=50)


def fills(run: Simulation) -> int:
    return sum(engine.counters.fills for engine in run.engines)


@pytest.mark.parametrize("seed", range(4))
def test_quoting_filling_and_rotating_leave_nothing_behind(seed: int) -> None:
    run = simulation(seed)
    run.run(45)
    assert run.problems == []
    assert [engine.session.clock.state for engine in run.engines] == [WindowState.SETTLED] * 2
    assert fills(run) > 0


@pytest.mark.parametrize("seed", [5, 6])
def test_failed_trades_are_taken_out_of_the_inventory_again(seed: int) -> None:
    run = simulation(seed, failed_ppm=800_000)
    run.run(45)
    assert run.problems == []
    assert any(notice.kind is NoticeKind.FILL_REVERSED for notice in run.notices)


@pytest.mark.parametrize("seed", [7, 8])
def test_a_slow_road_changes_no_truth(seed: int) -> None:
    run = simulation(seed, direct=DirectParams(entry_latency_ms=400, answer_latency_ms=600))
    run.run(45)
    assert run.problems == []
    assert fills(run) > 0


@pytest.mark.parametrize("seed", [10, 11])
def test_takers_held_back_and_a_finer_grid_change_no_truth(seed: int) -> None:
    run = simulation(seed, taker_delay_ms=150, auto_tick=True)
    run.run(45)
    assert run.problems == []
    assert fills(run) > 0


def test_a_run_is_a_function_of_its_seed() -> None:
    first, again = simulation(9), simulation(9)
    for run in (first, again):
        run.run(20)
    assert [e.fingerprint for e in first.engines] == [e.fingerprint for e in again.engines]
