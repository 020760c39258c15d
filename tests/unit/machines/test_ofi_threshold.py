from __future__ import annotations

from pmcore.machines.ofi_threshold import (
    MAX_SAMPLES,
    RollingQuantile,
    ThresholdSource,
    WarmStart,
    phase_of,
)
from pmcore.model.params import OfiMode, OfiParams
from pmcore.model.units import NS_PER_MS

ADAPTIVE = OfiParams(mode=OfiMode.ADAPTIVE)
LENGTH_NS = 900_000 * NS_PER_MS
STEP_NS = 200 * NS_PER_MS


def test_quantiles_are_exact_and_rolling() -> None:
    quantile = RollingQuantile()
    for value in range(1, 101):
        quantile.add(value)
    assert (quantile.at(9900), quantile.at(9500), quantile.at(1)) == (99, 95, 1)
    for value in range(MAX_SAMPLES):
        quantile.add(1000 + value)
    assert len(quantile) == MAX_SAMPLES
    assert quantile.at(1) == 1000
    assert quantile.values()[0] == 1000


def test_phases_of_a_window() -> None:
    assert [phase_of(t, 100) for t in (-5, 0, 24, 25, 74, 75, 200)] == [0, 0, 0, 1, 1, 2, 2]


def test_fixed_mode_never_learns() -> None:
    source = ThresholdSource(OfiParams(), LENGTH_NS)
    for n in range(200):
        source.sample(n * STEP_NS, 0, 900_000_000)
    assert source.enter_u6 == 50_000_000
    assert source.exit_u6(50_000_000) == 42_500_000


def test_adaptive_learns_from_enough_samples_between_floor_and_cap() -> None:
    source = ThresholdSource(ADAPTIVE, LENGTH_NS)
    for n in range(49):
        source.sample(n * STEP_NS, 0, 200_000_000)
    assert source.enter_u6 == 50_000_000
    source.sample(49 * STEP_NS, 0, 300_000_000)
    assert source.enter_u6 == 300_000_000
    assert source.exit_u6(source.enter_u6) == 200_000_000
    source.sample(49 * STEP_NS + 1, 0, 900_000_000)  # too soon
    assert source.enter_u6 == 300_000_000
    for n in range(50, 200):
        source.sample(n * STEP_NS, 0, 5_000_000_000)
    assert source.enter_u6 == ADAPTIVE.cap_u6


def test_each_phase_has_its_own_quantiles_and_starts_warm() -> None:
    source = ThresholdSource(ADAPTIVE, LENGTH_NS)
    for n in range(60):
        source.sample(n * STEP_NS, LENGTH_NS // 2, 400_000_000)
    assert source.enter_u6 == 400_000_000
    source.sample(100 * STEP_NS, LENGTH_NS - 1, 10_000_000)
    assert source.enter_u6 == 400_000_000  # too few in this phase: what was known stays
    warm = ThresholdSource(ADAPTIVE, LENGTH_NS, source.warm_start())
    warm.sample(0, LENGTH_NS // 2, 400_000_000)
    assert warm.enter_u6 == 400_000_000


def test_a_warm_start_of_another_shape_is_ignored() -> None:
    source = ThresholdSource(ADAPTIVE, LENGTH_NS, WarmStart(((1, 2),)))
    assert source.warm_start() == WarmStart(((), (), ()))
