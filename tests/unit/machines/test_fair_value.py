"""The probability of Up from the underlying's price: its law, its averages, when it is silent."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmcore.machines.fair_value import (
    MIN_SAMPLES,
    FairValue,
    SpanAverage,
    chance_of_up,
    variance_span_s,
)
from pmcore.model.market import Outcome
from pmcore.model.params import FairValueParams
from pmcore.model.units import DOLLAR_E8, NS_PER_S
from support.builders import at, window

UP, DOWN = Outcome.UP, Outcome.DOWN
BASE_E8 = 71_000 * DOLLAR_E8
LENGTH_S, TWAP_S, STALE_S = 300, 60, 3


def model(margin_e4: int | None = 0, **changes: int) -> FairValue:
    params = FairValueParams(margin_e4=margin_e4, **changes)
    return FairValue(window(length_s=LENGTH_S), params, STALE_S * NS_PER_S)


def price(dollars: float) -> int:
    return BASE_E8 + round(dollars * DOLLAR_E8)


def swinging(
    fair: FairValue, *, since_s: int = -TWAP_S, until_s: int = 0, ends: float | None = None
) -> FairValue:
    """A price each second, a dollar above and below the base in turn; the last may be `ends`."""
    for second in range(since_s, until_s + 1):
        dollars = 1 if second % 2 else -1
        fair.note(at(second), price(dollars if ends is None or second < until_s else ends))
    return fair


@pytest.mark.parametrize(
    ("ahead", "variance", "chance"),
    [
        (0, 1, 0.5),
        (1, 1, 0.841344746),
        (-1, 1, 0.158655254),
        (1.959963985, 1, 0.975),
        (-2, 4, 0.158655254),
        (6, 1, 0.999999999),
        (0.1, 0, 1.0),  # nothing is left that could change it
        (0, 0, 1.0),  # a tie is Up's
        (-0.1, 0, 0.0),
    ],
)
def test_the_chance_is_the_normal_law(ahead: float, variance: float, chance: float) -> None:
    assert chance_of_up(ahead, variance) == pytest.approx(chance, abs=1e-9)


@pytest.mark.parametrize(
    ("left_s", "seconds"),
    [(300, 260), (60, 20), (30, 2.5), (6, 0.02), (0, 0)],
)
def test_the_variance_of_an_average_is_less_than_that_of_its_last_price(
    left_s: float, seconds: float
) -> None:
    assert variance_span_s(left_s, TWAP_S) == pytest.approx(seconds)


def test_an_average_weighs_prices_by_their_time_and_fills_the_rest() -> None:
    average = SpanAverage(100, 200)
    average.note(0, 90, 7)
    average.note(90, 120, 10)  # 20 of it are inside
    average.note(120, 150, 20)
    assert average.filled_e8(30) == (20 * 10 + 30 * 20 + 50 * 30) / 100
    assert average.longest_gap_ns == 30, "the first price was outside"
    average.note(150, 260, 40)
    assert average.filled_e8(1) == (20 * 10 + 30 * 20 + 50 * 40) / 100
    average.note(260, 300, 40)
    assert average.longest_gap_ns == 110


def test_a_table_of_chances_by_hand() -> None:
    """Returns of 2 dollars each second: the volatility is 2 dollars a root second."""
    seen = swinging(model())
    assert seen.chance(at(0)) == pytest.approx(NormalDist().cdf(-1 / math.sqrt(260 * 4)), abs=1e-6)
    seen = swinging(model(), until_s=100, ends=19)
    # 159 returns of 2 dollars, and one of 18
    deviation = math.sqrt((159 * 4 + 18**2) / 160)
    expected = NormalDist().cdf(19 / deviation / math.sqrt(160))
    assert seen.chance(at(100)) == pytest.approx(expected, abs=1e-6)


def test_in_the_last_minute_what_was_seen_of_the_average_counts() -> None:
    fair = swinging(model(), until_s=240)
    for second in range(241, 271):
        fair.note(at(second), price(9))
    # of the last minute one second at -1 and 29 at 9 were seen; 9 is taken for the rest
    squares = 300 * 4 + 10**2
    deviation = math.sqrt(squares / 330 * variance_span_s(30, TWAP_S))
    ahead = (59 * 9 - 1) / 60
    assert fair.chance(at(270)) == pytest.approx(NormalDist().cdf(ahead / deviation), abs=1e-6)
    for second in range(271, 300):
        fair.note(at(second), price(-7))
    fair.note(at(300), price(-900))
    assert fair.chance(at(300)) == 1.0, (
        "(1 * -1 + 30 * 9 - 29 * 7) / 60 is above 0, and all is seen"
    )


def test_what_was_not_seen_of_the_opening_makes_it_less_sure() -> None:
    whole = swinging(model(), until_s=250, ends=5)
    late = swinging(model(), since_s=-10, until_s=250, ends=5)
    surer, careful = whole.chance(at(250)), late.chance(at(250))
    assert surer is not None
    assert careful is not None
    assert 0.5 < careful < surer
    assert variance_span_s(50, TWAP_S) == pytest.approx(50**3 / (3 * 60**2))


def test_a_short_window_has_a_short_average() -> None:
    short = FairValue(window(length_s=60), FairValueParams(), STALE_S * NS_PER_S)
    swinging(short, since_s=-40, until_s=48)
    assert short.chance(at(48)) == pytest.approx(
        NormalDist().cdf(-1 / (2 * math.sqrt(variance_span_s(12, 12)))), abs=1e-6
    )


@pytest.mark.parametrize(
    ("fair", "at_s", "why"),
    [
        (model(), 1, "PM_UNDERLYING_URL"),
        (swinging(model(), until_s=50), 53.01, "3010 ms old (PM_UNDERLYING_STALE_MS)"),
        (swinging(model(), since_s=1, until_s=90), 90, "the first price came after the opening"),
        (swinging(model(), until_s=-1), 0, "no price since the opening yet"),
        (swinging(model(), since_s=-10, until_s=19), 19, f"29 of {MIN_SAMPLES} returns"),
        (swinging(swinging(model(), until_s=-6), since_s=-2, until_s=9), 9, "was not seen"),
        (swinging(swinging(model(), until_s=245), since_s=249, until_s=255), 255, "was not seen"),
    ],
)
def test_it_knows_when_it_does_not_know(fair: FairValue, at_s: float, why: str) -> None:
    assert fair.chance(at(at_s)) is None
    assert fair.worth_e4(at(at_s), UP) is None
    assert why in fair.unknown(at(at_s))
    assert fair.overpriced(at(at_s), {UP: 1, DOWN: 1}) == (UP, DOWN), "then it is careful"
    assert fair.reason(at(at_s), UP) == fair.unknown(at(at_s))


def test_it_speaks_again_where_the_silence_ends() -> None:
    assert swinging(model(), until_s=50).chance(at(53)) is not None
    assert swinging(model(), since_s=0, until_s=90).chance(at(90)) is not None
    assert swinging(model(), since_s=-10, until_s=20).chance(at(20)) is not None
    gap = swinging(swinging(model(), until_s=100), since_s=110, until_s=120)
    assert gap.chance(at(120)) is not None, (
        "a gap between the averages costs neither of them a part"
    )


def test_a_price_that_never_moved_has_no_volatility() -> None:
    fair = model()
    for second in range(-TWAP_S, 100):
        fair.note(at(second), BASE_E8)
    assert "never moved" in fair.unknown(at(99))


def test_a_price_of_before_the_newest_is_dropped_and_returns_take_a_second() -> None:
    plain, noisy = swinging(model(), until_s=50), model()
    for second in range(-TWAP_S, 51):
        dollars = 1 if second % 2 else -1
        noisy.note(at(second), price(dollars))
        noisy.note(at(second - 1), price(5_000))
        noisy.note(at(second + 0.5), price(dollars))
    assert noisy.chance(at(50.5)) == pytest.approx(plain.chance(at(50)), abs=1e-3)


@pytest.mark.parametrize(
    ("margin_e4", "bids_e4", "overpriced"),
    [
        (0, {UP: 4876, DOWN: 5124}, ()),
        (0, {UP: 4877, DOWN: 5125}, (UP, DOWN)),
        (0, {UP: 4877}, (UP,)),
        (0, {DOWN: 5125}, (DOWN,)),
        (200, {UP: 4676, DOWN: 4925}, (DOWN,)),
        (-200, {UP: 5077, DOWN: 5324}, (UP,)),
        (0, {}, ()),
    ],
)
def test_bids_above_their_worth_less_the_margin_are_overpriced(
    margin_e4: int, bids_e4: dict[Outcome, int], overpriced: tuple[Outcome, ...]
) -> None:
    fair = swinging(model(margin_e4))
    assert (fair.worth_e4(at(0), UP), fair.worth_e4(at(0), DOWN)) == (4876, 5124)
    assert fair.overpriced(at(0), bids_e4) == overpriced


def test_without_a_margin_nothing_is_overpriced() -> None:
    fair = model(None)
    assert not fair.is_on
    assert fair.overpriced(at(0), {UP: 9_999}) == ()


def test_people_read_the_chance_and_the_variable() -> None:
    fair = swinging(model(150), ends=1)
    assert fair.reason(at(0), DOWN).endswith("less PM_FAIR_VALUE_MARGIN=0.015")
    view = fair.as_view(at(0))
    assert view["price"] == 71_001
    assert view["price_to_beat"] == 71_000
    assert view["unknown"] == ""
    assert view["up"] == round(fair.chance(at(0)) or 0, 4)
    assert model().as_view(at(0))["up"] is None
    late = swinging(model(), since_s=1, until_s=2)
    assert late.as_view(at(2))["price_to_beat"] is None


MOVES = st.lists(st.integers(-300, 300), min_size=MIN_SAMPLES + 11, max_size=200)


def walk(moves: list[int], *, sign: int = 1) -> tuple[FairValue, int]:
    fair, dollars = model(), 0
    for second, move in enumerate(moves, start=-10):
        dollars += sign * move
        fair.note(at(second), price(dollars))
    return fair, len(moves) - 11


@given(MOVES)
def test_it_is_a_probability_and_symmetric(moves: list[int]) -> None:
    fair, second = walk(moves)
    mirrored, _ = walk(moves, sign=-1)
    chance, other = fair.chance(at(second)), mirrored.chance(at(second))
    if chance is None or other is None:
        assert fair.unknown(at(second)) == mirrored.unknown(at(second)) != ""
        return
    assert 0 <= chance <= 1
    assert chance + other == pytest.approx(1)
    up_e4, down_e4 = fair.worth_e4(at(second), UP), fair.worth_e4(at(second), DOWN)
    assert up_e4 is not None
    assert down_e4 == 10_000 - up_e4


@given(MOVES, st.integers(-100, 100), st.integers(0, 100))
def test_a_higher_price_never_makes_up_less_likely(moves: list[int], low: int, more: int) -> None:
    """The last price is too near to the one before for a return: the volatility is the same."""
    chances = []
    for dollars in (low, low + more):
        fair, second = walk(moves)
        fair.note(at(second + 0.5), price(dollars))
        chances.append(fair.chance(at(second + 0.5)))
    lower, higher = chances
    assert (lower is None) is (higher is None)
    if lower is not None and higher is not None:
        assert higher >= lower
