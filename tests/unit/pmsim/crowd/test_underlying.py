from __future__ import annotations

from random import Random

import msgspec
import pytest

from pmcore.model.market import Outcome, Window, parse_series
from pmcore.model.units import NS_PER_S
from pmsim.crowd.underlying import STEP_NS, Underlying
from pmsim.crowd.world_params import UnderlyingParams
from pmsim.venue.identity import window_at
from support.sim_worlds import WORLD_START_NS

USUAL = UnderlyingParams()
STILL = UnderlyingParams(sigma_bp=0.0, jumps_per_min=0.0)


def window(series: str = "btc-updown-5m") -> Window:
    spec = parse_series(series)
    return window_at(spec, WORLD_START_NS, seed=1, tick_e4=100, min_size_u6=5_000_000)


def underlying(seed: int = 1, params: UnderlyingParams = USUAL) -> Underlying:
    return Underlying(window(), params, Random(seed), [1.0])


def test_a_tie_goes_up() -> None:
    still = underlying(params=STILL)
    assert still.final_price_e8 == still.price_to_beat_e8 == STILL.start_price_e8
    assert still.winner is Outcome.UP


def test_it_settles_on_the_average_of_the_last_minute() -> None:
    for seed in range(20):
        one = underlying(seed)
        prices_e8 = one.prices_e8
        steps = 60 * NS_PER_S // STEP_NS
        assert one.price_to_beat_e8 == sum(prices_e8[:steps]) // steps
        assert one.final_price_e8 == sum(prices_e8[-steps - 1 : -1]) // steps
        assert (one.winner is Outcome.UP) is (one.final_price_e8 >= one.price_to_beat_e8)


def test_the_end_is_nearly_known_before_it_comes() -> None:
    """Half a minute into the average, being wrong is rare; after the close it is impossible."""
    close_ns, wrong = window().close_ns, 0
    for seed in range(60):
        one = underlying(seed)
        fair_e4 = one.fair_up_e4(close_ns - 10 * NS_PER_S)
        wrong += (fair_e4 >= 5_000) is not (one.winner is Outcome.UP)
        assert one.fair_up_e4(close_ns) == (10_000 if one.winner is Outcome.UP else 0)
    assert wrong <= 3


def test_the_fair_value_means_what_it_says() -> None:
    """Of windows said to be likely, about that share comes true (a calibration by bins)."""
    said: list[float] = []
    came = 0
    for seed in range(400):
        one = underlying(seed)
        fair_e4 = one.fair_up_e4(window().open_ns + 120 * NS_PER_S)
        if 6_000 <= fair_e4 <= 9_500:
            said.append(fair_e4 / 10_000)
            came += one.winner is Outcome.UP
    assert len(said) > 60
    assert came / len(said) == pytest.approx(sum(said) / len(said), abs=0.12)


def test_nothing_is_foretold_by_the_fair_value() -> None:
    """It is a function of the path up to now: another future gives the same value."""
    one, other = underlying(1), underlying(1)
    at_ns = window().open_ns + 200 * NS_PER_S
    step = 60 * 5 + 200 * 5
    assert one.fair_up_e4(at_ns) == other.fair_up_e4(at_ns)
    other.prices_e8[step + 1 :] = [0] * len(other.prices_e8[step + 1 :])
    assert one.fair_up_e4(at_ns) == other.fair_up_e4(at_ns)


def test_short_windows_are_calmer_per_second() -> None:
    long = underlying()
    short = Underlying(window("btc-updown-30s"), USUAL, Random(1), [1.0])
    spread_e8 = [max(one.prices_e8[:140]) - min(one.prices_e8[:140]) for one in (short, long)]
    assert spread_e8[0] * 2 < spread_e8[1]


def test_jumps_take_their_part_of_the_variance() -> None:
    params = msgspec.structs.replace(USUAL, jumps_per_min=6.0)
    moves = []
    for seed in range(40):
        prices = underlying(seed, params).prices_e8
        moves += [(b / a - 1) * 1e4 for a, b in zip(prices, prices[5:], strict=False)]
    mean_square = sum(move * move for move in moves) / len(moves)
    assert mean_square == pytest.approx(1.0, rel=0.15)
