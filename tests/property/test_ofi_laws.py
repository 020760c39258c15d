"""Flow adds up over any split of time, and no toxicity outlives silence."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pmcore.machines.ofi import OutcomeFlow, TradeFlow
from pmcore.machines.ofi_threshold import ThresholdSource
from pmcore.machines.rotation import WindowClock, WindowState
from pmcore.model.market import TakerSide
from pmcore.model.params import OfiMode, OfiParams
from pmcore.model.units import NS_PER_MS
from support.builders import at, params, window

trades = st.lists(
    st.tuples(st.integers(0, 2000), st.sampled_from(TakerSide), st.integers(1, 200_000_000)),
    max_size=40,
)
Trades = list[tuple[int, TakerSide, int]]


@given(trades, st.lists(st.integers(0, 60_000), max_size=20))
def test_the_score_is_the_sum_over_the_window(steps: Trades, looks_ms: list[int]) -> None:
    flow, now_ms, seen = TradeFlow(3000 * NS_PER_MS), 0, []
    pending = sorted(looks_ms)
    for gap_ms, side, size_u6 in steps:
        now_ms += gap_ms
        while pending and pending[0] <= now_ms:
            flow.evict(pending.pop(0) * NS_PER_MS)
        flow.add(now_ms * NS_PER_MS, side, size_u6)
        seen.append((now_ms, size_u6 if side is TakerSide.BUY else -size_u6))
        flow.evict(now_ms * NS_PER_MS)
        assert flow.score_u6 == sum(s for t, s in seen if t > now_ms - 3000)


@given(trades, st.sampled_from(OfiMode))
def test_silence_always_ends_toxicity_within_window_and_holds(steps: Trades, mode: OfiMode) -> None:
    ofi = OfiParams(mode=mode, min_move_ticks=0)
    flow = OutcomeFlow(ofi, ThresholdSource(ofi, 900_000 * NS_PER_MS))
    now_ns = 0
    for gap_ms, side, size_u6 in steps:
        now_ns += gap_ms * NS_PER_MS
        flow.trade(now_ns, side, size_u6, tick_e4=100)
    silent_ns = ofi.window_ns + ofi.recovery_hold_ns + ofi.min_hold_ns
    for step in range(0, silent_ns + 200 * NS_PER_MS, 100 * NS_PER_MS):
        flow.advance(now_ns + step, tick_e4=100)
    assert not flow.toxic


@given(st.lists(st.tuples(st.integers(0, 400_000), st.sampled_from("tfrw")), max_size=60))
def test_a_window_never_lives_backwards_and_never_quotes_outside_itself(
    steps: list[tuple[int, str]],
) -> None:
    clock, now_ms, order = WindowClock(window(), params()), -100_000, list(WindowState)
    for gap_ms, word in steps:
        now_ms += gap_ms
        before = clock.state
        match word:
            case "f":
                clock.flat()
            case "r":
                clock.resolved(at(now_ms / 1000))
            case "w":
                clock.wind_down()
            case _:
                pass
        clock.advance(at(now_ms / 1000))
        assert order.index(clock.state) >= order.index(before)
        if clock.may_quote:
            assert 0 <= now_ms < 895_000
