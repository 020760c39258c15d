from __future__ import annotations

import pytest

from pmcore.machines.ofi import MAX_TRADES, FlowState, MidHistory, OutcomeFlow, TradeFlow
from pmcore.machines.ofi_threshold import ThresholdSource
from pmcore.model.market import TakerSide
from pmcore.model.params import OfiMode, OfiParams
from pmcore.model.units import NS_PER_MS

BUY, SELL = TakerSide.BUY, TakerSide.SELL
LENGTH_NS = 900_000 * NS_PER_MS


def ms(value: float) -> int:
    return int(value * NS_PER_MS)


def flow_of(params: OfiParams | None = None) -> OutcomeFlow:
    params = params or OfiParams()
    return OutcomeFlow(params, ThresholdSource(params, LENGTH_NS))


def shares(value: float) -> int:
    return int(value * 1_000_000)


def test_score_is_buys_minus_sells_inside_the_window() -> None:
    flow = TradeFlow(ms(3000))
    flow.add(ms(0), BUY, shares(30))
    flow.add(ms(1000), SELL, shares(10))
    assert flow.score_u6 == shares(20)
    flow.evict(ms(2999))
    assert flow.score_u6 == shares(20)
    flow.evict(ms(3000))
    assert flow.score_u6 == shares(-10)
    flow.evict(ms(4000))
    assert (flow.buys_u6, flow.sells_u6) == (0, 0)


def test_the_cap_loses_no_flow() -> None:
    flow = TradeFlow(ms(3000))
    for n in range(MAX_TRADES + 10):
        flow.add(n, SELL if n % 3 else BUY, 2 if n % 3 else 5)
        assert len(vars(flow)["_trades"]) <= MAX_TRADES
    buys_u6, sells_u6 = 5 * 1_369, 2 * 2_737
    assert (flow.buys_u6, flow.sells_u6) == (buys_u6, sells_u6)
    flow.evict(ms(3000) + 9)  # what was merged keeps the time of the newest of it
    assert (flow.buys_u6, flow.sells_u6) == (buys_u6, sells_u6)
    flow.evict(ms(3000) + 10)
    assert (flow.buys_u6, flow.sells_u6) == (buys_u6 - 5 * 4, sells_u6 - 2 * 7)
    flow.evict(ms(3001))
    assert (flow.buys_u6, flow.sells_u6) == (0, 0)


def test_off_means_that_no_flow_is_toxic_and_the_score_still_shows() -> None:
    flow = flow_of(OfiParams(mode=OfiMode.OFF))
    flow.mids.note(ms(0), 9_000)
    flow.mids.note(ms(0), 10_000)
    flow.trade(ms(0), BUY, shares(5_000), tick_e4=10)
    assert (flow.toxic, flow.flow.score_u6) == (False, shares(5_000))
    flow.advance(ms(3000), tick_e4=10)
    assert flow.flow.score_u6 == 0


def test_toxic_only_above_the_threshold() -> None:
    flow = flow_of()
    flow.trade(ms(0), BUY, shares(50), tick_e4=10)
    assert flow.state is FlowState.CALM
    flow.trade(ms(1), BUY, shares(0.01), tick_e4=10)
    assert flow.toxic
    assert flow.exit_u6 == shares(42.5)
    sells = flow_of()
    sells.trade(ms(0), SELL, shares(60), tick_e4=10)
    assert sells.toxic


def test_toxicity_clears_in_silence_within_window_and_holds() -> None:
    flow = flow_of()
    flow.trade(ms(0), BUY, shares(60), tick_e4=10)
    cleared_ms = 0
    while flow.toxic and cleared_ms < 10_000:
        cleared_ms += 200
        flow.advance(ms(cleared_ms), tick_e4=10)
    assert 3000 + 1200 <= cleared_ms <= 3000 + 1200 + 200


def test_recovery_starts_over_when_flow_returns() -> None:
    flow = flow_of()
    flow.trade(ms(0), BUY, shares(60), tick_e4=10)
    flow.advance(ms(3000), tick_e4=10)
    assert flow.state is FlowState.RECOVERING
    flow.trade(ms(3500), BUY, shares(45), tick_e4=10)  # above the exit, below the entry
    assert flow.state is FlowState.TOXIC
    flow.advance(ms(6500), tick_e4=10)
    flow.advance(ms(7699), tick_e4=10)
    assert flow.toxic
    flow.advance(ms(7700), tick_e4=10)
    assert not flow.toxic


def test_minimum_hold_outlasts_a_quick_reversal() -> None:
    flow = flow_of(OfiParams(recovery_hold_ns=0))
    flow.trade(ms(0), BUY, shares(60), tick_e4=10)
    flow.trade(ms(10), SELL, shares(60), tick_e4=10)
    flow.advance(ms(799), tick_e4=10)
    assert flow.toxic
    flow.advance(ms(800), tick_e4=10)
    assert not flow.toxic


def test_mid_history_measures_over_the_window() -> None:
    mids = MidHistory(ms(3000))
    assert mids.move2_e4(ms(0)) == 0
    for t, mid2 in ((0, 9400), (1000, 9400), (2000, 9500), (5000, 9600)):
        mids.note(ms(t), mid2)
    assert mids.move2_e4(ms(5000)) == 100
    assert mids.move2_e4(ms(9000)) == 0


def test_a_mid_that_stays_takes_no_room() -> None:
    mids = MidHistory(ms(3000))
    mids.note(ms(0), 9400)
    for _ in range(2 * MAX_TRADES):
        mids.note(ms(1), 9500)
    assert mids.move2_e4(ms(2)) == 100


@pytest.mark.parametrize(
    ("sells", "mid2_after", "toxic"),
    [(0, 9600, True), (0, 9420, False), (0, 9300, False), (30, 9600, False), (22.5, 9600, True)],
)
def test_adaptive_mode_wants_lopsided_flow_and_an_adverse_move(
    sells: float, mid2_after: int, toxic: bool
) -> None:
    flow = flow_of(OfiParams(mode=OfiMode.ADAPTIVE))
    flow.mids.note(ms(0), 9400)
    flow.mids.note(ms(100), mid2_after)
    if sells:
        flow.trade(ms(50), SELL, shares(sells), tick_e4=10)
    flow.trade(ms(100), BUY, shares(90), tick_e4=10)
    assert flow.toxic is toxic


def test_adverse_to_the_bid_is_a_falling_mid_under_sells() -> None:
    flow = flow_of(OfiParams(mode=OfiMode.ADAPTIVE))
    flow.mids.note(ms(0), 9400)
    flow.mids.note(ms(100), 9300)
    flow.trade(ms(100), SELL, shares(60), tick_e4=10)
    assert flow.toxic
