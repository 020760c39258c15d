"""Netted flow knows no side and no size of its own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pmcore.machines.ofi import FlowState, OutcomeFlow, count_trade
from pmcore.machines.ofi_threshold import ThresholdSource
from pmcore.model.market import Outcome, TakerSide
from pmcore.model.params import OfiMode, OfiParams
from pmcore.model.units import NS_PER_MS, NS_PER_S

CENTISHARE = 10_000
NET = OfiParams(mode=OfiMode.NET, min_move_ticks=0)

steps = st.lists(
    st.tuples(
        st.integers(0, 3_000),
        st.sampled_from(Outcome),
        st.sampled_from(TakerSide),
        st.integers(1, 20_000),
    ),
    max_size=60,
)
Steps = list[tuple[int, Outcome, TakerSide, int]]


def lived(trades: Steps, params: OfiParams = NET) -> list[tuple[int, int, FlowState, FlowState]]:
    """After each trade: both scores and both states."""
    flows = {o: OutcomeFlow(params, ThresholdSource(params, 900 * NS_PER_S)) for o in Outcome}
    now_ns, seen = 0, []
    for gap_ms, outcome, side, size in trades:
        now_ns += gap_ms * NS_PER_MS
        for flow in flows.values():
            flow.advance(now_ns, tick_e4=10)
        count_trade(flows, outcome, now_ns, side, size * CENTISHARE, tick_e4=10)
        up, down = flows[Outcome.UP], flows[Outcome.DOWN]
        seen.append((up.flow.score_u6, down.flow.score_u6, up.state, down.state))
    return seen


@given(steps)
def test_swapping_the_outcomes_negates_the_score_and_keeps_the_states(trades: Steps) -> None:
    swapped = [(gap, outcome.complement, side, size) for gap, outcome, side, size in trades]
    for mine, other in zip(lived(trades), lived(swapped), strict=True):
        assert mine[0] == -other[0] == -mine[1] == other[1]
        assert mine[2:] == other[2:]
        assert mine[2] is mine[3]


@given(steps)
def test_buying_one_outcome_is_selling_the_other(trades: Steps) -> None:
    opposite = {TakerSide.BUY: TakerSide.SELL, TakerSide.SELL: TakerSide.BUY}
    renamed = [(gap, o.complement, opposite[side], size) for gap, o, side, size in trades]
    assert lived(trades) == lived(renamed)


@given(steps, st.integers(2, 1_000))
def test_a_market_that_is_larger_in_every_trade_is_judged_the_same(trades: Steps, by: int) -> None:
    larger = [(gap, outcome, side, size * by) for gap, outcome, side, size in trades]
    small, large = lived(trades), lived(larger)
    assert [one[2:] for one in small] == [one[2:] for one in large]
    assert [one[0] * by for one in small] == [one[0] for one in large]


@given(steps)
def test_fewer_trades_than_the_square_of_the_threshold_are_never_toxic(trades: Steps) -> None:
    """No cold start: the score of n trades is at most the root of n standard deviations."""
    assert all(one[2] is FlowState.CALM for one in lived(trades[:9]))
