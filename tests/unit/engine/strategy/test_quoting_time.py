from __future__ import annotations

from pmcore.engine.strategy.quoting_time import QuotingTime
from pmcore.engine.strategy.why import RESTS, Obstacle, Why, both
from pmcore.model.market import Outcome
from pmcore.model.units import NS_PER_S
from support.engine_driver import quoting_driver

TOXIC = Why(Obstacle.TOXIC)


def test_time_belongs_to_the_reasons_of_the_decision_before() -> None:
    time = QuotingTime()
    time.advance(0, both(TOXIC), may_quote=False)
    time.advance(10, both(TOXIC), may_quote=True)
    assert time.total_ns == 0, "the window was not open before"
    time.advance(13, both(RESTS), may_quote=True)
    time.advance(20, {Outcome.UP: RESTS, Outcome.DOWN: TOXIC}, may_quote=True)
    time.advance(40, both(TOXIC), may_quote=False)
    time.advance(90, both(TOXIC), may_quote=False)
    assert (time.total_ns, time.both_rest_ns) == (30, 3)
    assert time.by_obstacle_ns == {Obstacle.NONE: 6 + 7, Obstacle.TOXIC: 7 + 40}
    assert time.idle_ns == {Obstacle.TOXIC: 40}, "while a bid rests it is quoting"


def test_time_without_any_bid_counts_for_the_reasons_of_both_sides() -> None:
    time = QuotingTime()
    time.advance(0, both(TOXIC), may_quote=True)
    time.advance(5, {Outcome.UP: TOXIC, Outcome.DOWN: Why(Obstacle.BACK_OFF)}, may_quote=True)
    time.advance(9, both(TOXIC), may_quote=True)
    assert time.idle_ns == {Obstacle.TOXIC: 5 + 8, Obstacle.BACK_OFF: 5}
    assert sum(time.idle_ns.values()) == 2 * time.total_ns


def test_a_window_counts_the_time_in_which_both_bids_rest() -> None:
    driver = quoting_driver()
    for step in range(1, 4):
        driver.books(1.2 + step / 10, "0.46/0.48", "0.51/0.53")
    time = driver.session.quoting_time
    assert time.both_rest_ns == NS_PER_S * 3 // 10
    assert sum(time.by_obstacle_ns.values()) == 2 * time.total_ns
    assert driver.engine.view()["both_rest_share"] == round(time.both_rest_ns / time.total_ns, 4)
