"""Netted flow: both outcomes are one market, and the window's own flow is the measure."""

from __future__ import annotations

import pytest

from pmcore.machines.ofi import FlowState, OutcomeFlow, count_trade
from pmcore.machines.ofi_scale import MAX_SQUARES, FlowScale
from pmcore.machines.ofi_threshold import ThresholdSource
from pmcore.model.market import Outcome, TakerSide
from pmcore.model.params import OfiMode, OfiParams
from pmcore.model.units import NS_PER_S

UP, DOWN = Outcome.UP, Outcome.DOWN
BUY, SELL = TakerSide.BUY, TakerSide.SELL
SHARE = 1_000_000
LENGTH_NS = 900 * NS_PER_S
NET = OfiParams(mode=OfiMode.NET, min_move_ticks=0)


def flows_of(params: OfiParams) -> dict[Outcome, OutcomeFlow]:
    return {o: OutcomeFlow(params, ThresholdSource(params, LENGTH_NS)) for o in Outcome}


def s(seconds: float) -> int:
    return int(seconds * NS_PER_S)


def print_trades(
    flows: dict[Outcome, OutcomeFlow], *trades: tuple[float, Outcome, TakerSide, float]
) -> None:
    for second, outcome, side, shares in trades:
        count_trade(flows, outcome, s(second), side, int(shares * SHARE), tick_e4=10)


def test_buying_up_and_buying_down_are_opposite() -> None:
    flows = flows_of(NET)
    print_trades(flows, (0, UP, BUY, 30), (1, DOWN, BUY, 10), (1, DOWN, SELL, 2), (2, UP, SELL, 4))
    assert flows[UP].flow.score_u6 == (30 - 10 + 2 - 4) * SHARE
    assert flows[DOWN].flow.score_u6 == -flows[UP].flow.score_u6


def test_the_other_modes_keep_the_outcomes_apart() -> None:
    flows = flows_of(OfiParams())
    print_trades(flows, (0, UP, BUY, 30), (1, DOWN, BUY, 10))
    assert [flows[o].flow.score_u6 // SHARE for o in (UP, DOWN)] == [30, 10]


def test_heavy_flow_to_both_sides_is_calm_where_the_fixed_rule_is_toxic() -> None:
    fixed, net = flows_of(OfiParams()), flows_of(NET)
    for n in range(40):
        for flows in (fixed, net):
            print_trades(flows, (n / 10, UP, BUY, 100), (n / 10, DOWN, BUY, 100))
    assert fixed[UP].toxic
    assert not net[UP].toxic


def test_small_flow_to_one_side_is_toxic_where_the_fixed_rule_is_calm() -> None:
    fixed, net = flows_of(OfiParams()), flows_of(NET)
    for flows in (fixed, net):
        for n in range(10):
            print_trades(flows, (n / 10, UP, BUY, 1))
    assert not fixed[UP].toxic
    assert net[UP].toxic
    assert net[DOWN].toxic


def test_there_is_no_cold_start_of_lone_trades() -> None:
    """Nine equal trades of one side at three standard deviations are not yet toxic, ten are."""
    flows = flows_of(NET)
    for n in range(9):
        print_trades(flows, (n / 10, UP, SELL, 200))
        assert flows[UP].state is FlowState.CALM
    print_trades(flows, (0.9, UP, SELL, 200))
    assert flows[UP].state is FlowState.TOXIC


def test_no_cap_binds_and_what_was_toxic_becomes_calm_in_the_same_flow() -> None:
    """A market whose every second is heavy: its own flow is the measure, so it may be quoted."""
    flows = flows_of(NET)
    calm = 0
    for n in range(600):
        side = BUY if n % 2 else SELL
        print_trades(flows, (n / 10, UP, side, 5_000 + n % 7))
        calm += not flows[UP].toxic
    assert calm == 600
    assert flows[UP].thresholds.enter_u6 > 50_000 * SHARE


def test_a_burst_after_a_quiet_minute_is_measured_by_its_own_trades() -> None:
    flows = flows_of(NET)
    flows[UP].advance(s(0), tick_e4=10)
    for n in range(9):
        print_trades(flows, (100 + n / 10, UP, BUY, 5))
    assert not flows[UP].toxic


def test_the_span_before_the_burst_counts_too() -> None:
    """Large trades of before make ten small ones of one side unremarkable."""
    flows = flows_of(NET)
    flows[UP].advance(s(0), tick_e4=10)
    for n in range(40):
        print_trades(flows, (n, UP, BUY if n % 2 else SELL, 1_000))
    for n in range(10):
        print_trades(flows, (50 + n / 10, UP, BUY, 5))
    assert not flows[UP].toxic


def test_the_scale_is_the_larger_of_the_window_and_the_span() -> None:
    scale = FlowScale(s(3), s(60))
    scale.advance(s(0))
    assert scale.level_u6(30_000) == 0
    scale.add(s(0), 40 * SHARE)
    assert scale.level_u6(10_000) == 40 * SHARE
    assert scale.level_u6(20_000) == 80 * SHARE
    scale.advance(s(12))  # 3 of 12 seconds: a quarter of the squares, half of the deviation
    assert scale.level_u6(10_000) == 20 * SHARE
    scale.add(s(12), 30 * SHARE)
    assert scale.level_u6(10_000) == 30 * SHARE
    scale.advance(s(48))
    assert scale.level_u6(10_000) == 12_500_000  # sqrt((40² + 30²) · 3 / 48)
    scale.advance(s(60))
    assert scale.level_u6(10_000) == 6_708_203  # the first trade left: sqrt(30² · 3 / 60)
    scale.advance(s(72))
    assert scale.level_u6(10_000) == 0


def test_the_scale_remembers_a_bounded_number_and_loses_no_square() -> None:
    scale = FlowScale(s(3), s(60))
    for n in range(MAX_SQUARES + 10):
        scale.add(n, 3)
        assert len(scale) <= MAX_SQUARES
    assert scale.level_u6(10_000) == 192  # sqrt(9 · 4106) = 192.2
    scale.advance(s(60) + MAX_SQUARES + 10)
    assert scale.level_u6(10_000) == 0


@pytest.mark.parametrize(("moved2_e4", "toxic"), [(100, True), (0, False), (-100, False)])
def test_the_mid_must_have_moved_with_the_flow(moved2_e4: int, toxic: bool) -> None:
    flows = flows_of(OfiParams(mode=OfiMode.NET))
    for mid2_e4 in (9_400, 9_400 + moved2_e4):
        flows[UP].mids.note(s(0), mid2_e4)
    for n in range(10):
        print_trades(flows, (n / 10, DOWN, SELL, 5))
    assert flows[UP].toxic is toxic
    assert not flows[DOWN].toxic  # its own mid is not known to have moved


def test_the_exit_level_is_frozen_at_entry() -> None:
    flows = flows_of(NET)
    for n in range(10):
        print_trades(flows, (n / 10, UP, BUY, 10))
    assert flows[UP].exit_u6 == flows[UP].thresholds.exit_u6(flows[UP].thresholds.enter_u6)
    frozen_u6 = flows[UP].exit_u6
    print_trades(flows, (1, UP, SELL, 1_000))
    assert flows[UP].exit_u6 == frozen_u6
