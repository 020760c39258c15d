from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmcore.machines.first_leg import FirstLegGates, MidRange
from pmcore.model.params import FirstLegParams
from pmcore.model.units import NS_PER_S

EVEN = (5_000_000, 5_000_000)


def s(value: float) -> int:
    return int(value * NS_PER_S)


def gates(open_s: float = 0, **set_: int) -> FirstLegGates:
    return FirstLegGates(FirstLegParams(calm_ns=set_.pop("calm_ns", 0), **set_), s(open_s))


def test_no_gate_is_set_unless_it_is_asked_for() -> None:
    assert not FirstLegGates(FirstLegParams(), 0).any_set
    for name in ("within_ns", "max_move_e4", "min_depth_share_bps"):
        assert gates(**{name: 0}).any_set


@pytest.mark.parametrize(("at", "is_open"), [(99, True), (100, True), (189.9, True), (190, False)])
def test_pairs_begin_only_so_long_after_the_opening(at: float, *, is_open: bool) -> None:
    gate = gates(open_s=100, within_ns=s(90))
    gate.advance(s(at), 10_000, EVEN)
    assert bool(gate.closed) is not is_open
    assert is_open or "PM_FIRST_LEG_WITHIN_S=90" in gate.closed


def test_the_mid_must_be_seen_for_the_whole_span_first() -> None:
    gate = gates(max_move_e4=300)
    gate.advance(s(0), 10_000, EVEN)
    gate.advance(s(19.9), 10_000, EVEN)
    assert "not seen for PM_FIRST_LEG_MOVE_SPAN_S=20" in gate.closed
    gate.advance(s(20), 10_000, EVEN)
    assert gate.closed == ""


def test_a_mid_that_moved_too_far_closes_until_the_move_is_old() -> None:
    gate = gates(max_move_e4=300)
    gate.advance(s(0), 10_000, EVEN)
    gate.advance(s(20), 10_600, EVEN)
    assert gate.closed == "", "three cents are allowed"
    gate.advance(s(21), 10_601, EVEN)
    assert gate.closed == "", "what was 21 s ago is forgotten"
    gate.advance(s(22), 10_000, EVEN)
    assert "PM_FIRST_LEG_MAX_MOVE=0.03" in gate.closed
    gate.advance(s(41), 10_000, EVEN)
    assert gate.closed == ""


def test_an_unknown_mid_begins_the_span_anew() -> None:
    gate = gates(max_move_e4=300)
    gate.advance(s(0), 10_000, EVEN)
    gate.advance(s(20), None, EVEN)
    gate.advance(s(20.1), 10_000, EVEN)
    assert "was not seen" in gate.closed


@pytest.mark.parametrize(
    ("bid", "ask", "is_open"),
    [
        (40, 60, True),
        (60, 40, True),
        (39, 61, False),
        (61, 39, False),
        (0, 0, False),
        (0, 5, False),
    ],
)
def test_the_thinner_side_must_hold_its_share(bid: int, ask: int, *, is_open: bool) -> None:
    gate = gates(min_depth_share_bps=4_000)
    gate.advance(0, 10_000, (bid * 1_000_000, ask * 1_000_000))
    assert bool(gate.closed) is not is_open
    assert is_open or "PM_FIRST_LEG_MIN_DEPTH_SHARE=0.4" in gate.closed


def test_after_it_was_closed_it_must_stay_open_for_a_while() -> None:
    gate = gates(min_depth_share_bps=4_000, calm_ns=s(0.5))
    gate.advance(s(1), 10_000, EVEN)
    assert gate.closed == "", "it was never closed"
    gate.advance(s(2), 10_000, (1, 9))
    gate.advance(s(2.4), 10_000, EVEN)
    assert "PM_FIRST_LEG_CALM_MS=500" in gate.closed
    gate.advance(s(2.5), 10_000, EVEN)
    assert gate.closed == ""
    gate.advance(s(2.6), 10_000, (1, 9))
    gate.advance(s(2.7), 10_000, EVEN)
    assert "PM_FIRST_LEG_CALM_MS" in gate.closed


@given(
    st.lists(st.tuples(st.integers(0, 5), st.none() | st.integers(1, 40)), min_size=1),
    st.integers(1, 12),
)
def test_the_range_is_that_of_all_mids_inside_the_span(
    steps: list[tuple[int, int | None]], span: int
) -> None:
    mids, at = MidRange(span), 0
    seen: list[tuple[int, int]] = []
    for wait, mid in steps:
        at += wait
        mids.note(at, mid)
        seen = [*seen, (at, mid)] if mid is not None else []
        expected = None
        if seen and at - seen[0][0] >= span:
            inside = [value for then, value in seen if then > at - span]
            expected = max(inside) - min(inside)
        assert mids.range2_e4(at) == expected
        for kept in (vars(mids)["_highest"], vars(mids)["_lowest"]):
            assert len(kept) <= len({value for _, value in kept}), "one for each mid at most"
