"""The rule against the underlying's moves: which bids are in danger, and for how long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmcore.machines import underlying_moves
from pmcore.machines.underlying_moves import ExtremePrices, UnderlyingMoves
from pmcore.model.market import Outcome
from pmcore.model.params import UnderlyingMoveParams
from pmcore.model.units import DOLLAR_E8, NS_PER_MS

UP, DOWN = Outcome.UP, Outcome.DOWN
BASE_E8 = 100_000 * DOLLAR_E8
BP_E8 = BASE_E8 // 10_000


def ms(value: float) -> int:
    return int(value * NS_PER_MS)


def rule(bp: float = 2, **changes: int) -> UnderlyingMoves:
    return UnderlyingMoves(UnderlyingMoveParams(move_ppm=int(bp * 100), **changes))


def told(moves: UnderlyingMoves, *prices: tuple[float, float]) -> UnderlyingMoves:
    """Prices as (milliseconds, basis points above the base)."""
    for at, bp in prices:
        moves.note(ms(at), BASE_E8 + round(bp * BP_E8))
    return moves


def test_it_is_off_unless_a_threshold_is_set() -> None:
    moves = told(UnderlyingMoves(UnderlyingMoveParams()), (0, 0), (1, 500))
    assert not moves.is_on
    assert moves.endangered(ms(1)) == ()
    assert moves.endangered(ms(10**6)) == (), "nothing is stale either"


@pytest.mark.parametrize(
    ("prices", "endangered"),
    [
        ([(0, 0), (500, 2)], (DOWN,)),
        ([(0, 0), (500, 1.99)], ()),
        ([(0, 0), (500, -2)], (UP,)),
        ([(0, 0), (500, -1.99)], ()),
        ([(0, 0), (200, 1.1), (400, -1)], (UP,)),  # from the highest, not from the first
        ([(0, 0), (1000, 2)], (DOWN,)),  # the span includes its edge
        ([(0, 0), (1001, 2)], ()),
        ([(0, 0), (600, 1), (1200, 2), (1800, 3)], ()),  # slow
        ([(0, 0), (100, 3), (200, 0)], (UP, DOWN)),  # there and back
    ],
)
def test_a_fast_move_endangers_the_outcome_that_loses_value(
    prices: list[tuple[float, float]], endangered: tuple[Outcome, ...]
) -> None:
    assert told(rule(), *prices).endangered(ms(prices[-1][0])) == endangered


def test_the_pause_begins_anew_with_each_price_that_shows_the_move() -> None:
    moves = told(rule(pause_ns=ms(700)), (0, 0), (100, 2))
    assert moves.endangered(ms(799)) == (DOWN,)
    assert moves.endangered(ms(800)) == ()
    told(moves, (400, 2.5))
    assert moves.endangered(ms(1099)) == (DOWN,)
    assert moves.endangered(ms(1100)) == ()


def test_a_price_that_is_missing_or_old_endangers_both() -> None:
    moves = rule(stale_ns=ms(3000))
    assert moves.endangered(ms(5)) == (UP, DOWN)
    assert "PM_UNDERLYING_URL" in moves.reason(ms(5))
    told(moves, (10, 0))
    assert moves.endangered(ms(3010)) == ()
    assert moves.endangered(ms(3011)) == (UP, DOWN)
    assert "3001 ms old (PM_UNDERLYING_STALE_MS)" in moves.reason(ms(3011))
    told(moves, (4000, 0))
    assert moves.endangered(ms(4000)) == (), "one price is enough to quote again"


def test_a_price_of_before_the_newest_is_dropped() -> None:
    moves = told(rule(), (100, 0), (50, 5))
    assert moves.endangered(ms(100)) == ()
    assert moves.price_e8 == BASE_E8


def test_people_read_the_price_its_age_and_the_variables() -> None:
    moves = told(rule(2.5, span_ns=ms(500), pause_ns=ms(700)), (0, 0), (100, 2.5))
    assert moves.as_view(ms(150)) == {"price": 100_025.0, "age_ms": 50, "endangered": ["down"]}
    for part in ("MOVE_BP=2.5 ", "SPAN_MS=500:", "PAUSE_MS=700"):
        assert part in moves.reason(ms(150))
    assert rule().as_view(0) == {"price": None, "age_ms": None, "endangered": ["up", "down"]}


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 40)), min_size=1), st.integers(0, 12))
def test_the_extremes_are_those_of_all_prices_inside_the_span(
    steps: list[tuple[int, int]], span: int
) -> None:
    extremes, at = ExtremePrices(span), 0
    seen: list[tuple[int, int]] = []
    for wait, price in steps:
        at += wait
        extremes.note(at, price)
        seen.append((at, price))
        inside = [price for then, price in seen if then >= at - span]
        assert (extremes.lowest_e8, extremes.highest_e8) == (min(inside), max(inside))


def test_the_memory_of_prices_is_bounded_and_loses_no_extreme(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(underlying_moves, "MAX_PRICES", 8)
    rising, falling = ExtremePrices(1_000), ExtremePrices(1_000)
    for at in range(100):
        rising.note(at, 100 + at)
        falling.note(at, 200 - at)
    assert (rising.lowest_e8, falling.highest_e8) == (100, 200)
    assert len(rising._lowest) == len(falling._highest) == 8
