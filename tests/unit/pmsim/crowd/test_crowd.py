from __future__ import annotations

from random import Random

import pytest

from pmcore.messages.market_data import TradePrinted
from pmcore.model.errors import InvariantError
from pmcore.model.market import Outcome, TakerSide
from pmcore.model.units import NS_PER_S
from pmcore.venue.market_frames import MarketFrameParser
from pmsim.crowd.activity import ActivityProcess
from pmsim.crowd.world_params import FITTED, LIGHT, CrowdParams, at_pace
from pmsim.run.synthetic import SyntheticVenue
from pmsim.venue.ports import MarketFrame
from support.sim_worlds import play, synthetic


def frames_of(venue: SyntheticVenue, seconds: int) -> list[MarketFrame]:
    return [event for event in play(venue, seconds) if isinstance(event, MarketFrame)]


def test_spells_have_the_mean_that_rates_are_given_for() -> None:
    activity, leans = [], []
    for seed in range(60):
        process = ActivityProcess(CrowdParams(), Random(seed), 0, 300)
        activity += process.activity
        leans += [process.lean_at(second * NS_PER_S) for second in range(300)]
    assert sum(activity) / len(activity) == pytest.approx(1.0, abs=0.1)
    assert sum(leans) / len(leans) == pytest.approx(0.0, abs=0.1)
    assert all(-1 < lean < 1 for lean in leans)


def test_a_spell_lasts() -> None:
    process = ActivityProcess(CrowdParams(), Random(1), 0, 600)
    steps = [abs(b - a) for a, b in zip(process.activity, process.activity[1:], strict=False)]
    far = [abs(b - a) for a, b in zip(process.activity, process.activity[60:], strict=False)]
    assert sum(steps) / len(steps) < sum(far) / len(far) / 1.5


def test_before_and_after_the_window_the_nearest_second_holds() -> None:
    process = ActivityProcess(CrowdParams(), Random(1), 100 * NS_PER_S, 10)
    assert process.activity_at(0) == process.activity[0]
    assert process.activity_at(10**18) == process.activity[-1]


def test_pace_changes_rates_and_keeps_the_law() -> None:
    assert at_pace(FITTED.crowd, 1.0) == FITTED.crowd
    twice = at_pace(FITTED.crowd, 2.0)
    assert twice.noise_per_min == 2 * FITTED.crowd.noise_per_min
    assert twice.level_shares == FITTED.crowd.level_shares
    assert LIGHT.crowd.noise_per_min < FITTED.crowd.noise_per_min / 4
    with pytest.raises(InvariantError):
        at_pace(FITTED.crowd, 0)


def test_takers_push_both_ways_and_on_both_tokens() -> None:
    venue = synthetic(series="btc-updown-5m")
    window = venue.listings()[0].window
    parser = MarketFrameParser(window)
    prints = [
        message
        for frame in frames_of(venue, 60)
        for message in parser.parse(frame.text, ts_recv_ns=frame.at_ns)
        if isinstance(message, TradePrinted)
    ]
    assert {one.outcome for one in prints} == set(Outcome)
    assert {one.taker_side for one in prints} == set(TakerSide)
    fine = sum(one.size_u6 % 10_000 > 0 for one in prints)
    assert 0.2 < fine / len(prints) < 0.6


def test_a_light_world_is_light() -> None:
    frames = frames_of(synthetic(series="btc-updown-60s"), 40)
    assert len(frames) < 40 * 100
