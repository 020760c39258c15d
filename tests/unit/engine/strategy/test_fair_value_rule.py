"""The fair-value rule in the engine: a bid above its worth goes, a hedge stays."""

from __future__ import annotations

from msgspec.structs import replace

from pmcore.engine.strategy.why import Obstacle
from pmcore.machines.quoting import QuoteMode
from pmcore.messages.orders import CancelOrders
from pmcore.model.market import Outcome
from pmcore.model.params import FairValueParams, StrategyParams, UnderlyingMoveParams
from pmcore.model.units import NS_PER_MS
from support.builders import at, params, underlying
from support.engine_driver import EngineDriver, quoting_driver

UP, DOWN = Outcome.UP, Outcome.DOWN
BOOKS = ("0.46/0.48", "0.51/0.53")
"""Bids at 0.47 and 0.52."""
MARGIN_E4 = -500
STALE_S = 3


def with_rule(**changes: object) -> StrategyParams:
    return params(fair_value=FairValueParams(margin_e4=MARGIN_E4), **changes)


def seen(driver: EngineDriver) -> EngineDriver:
    """A minute of prices around 71,000 before the opening, 10 dollars to and fro each second."""
    for second in range(-60, 2):
        dollars = "71005" if second % 2 else "70995"
        driver.engine.step(at(second), underlying(dollars, at_ns=at(second)))
    return driver


def quoting(**changes: object) -> EngineDriver:
    """Both bids rest; by the underlying's price both outcomes are worth about a half."""
    driver = seen(EngineDriver(with_rule(**changes)))
    driver.start()
    driver.books(1.1, *BOOKS)
    driver.accept(1.2)
    assert driver.resting(UP)
    assert driver.resting(DOWN)
    return driver


def test_a_bid_above_its_fair_value_is_cancelled_and_the_other_stays() -> None:
    driver = quoting()
    down = driver.session.orders.slot(DOWN)
    assert down is not None
    driver.batch(1.5, underlying("71100", at_ns=at(1.49)))
    (cancel,) = driver.outputs
    assert isinstance(cancel, CancelOrders)
    assert cancel.client_order_ids == (down.client_order_id,)
    assert cancel.reason == "fair_value"
    assert cancel.ts_cause_ns == at(1.49), "its delay is measured from the price's receipt"
    driver.confirm_cancel(1.6)
    driver.batch(1.9)
    assert driver.submits == []
    whys = driver.session.decision.whys
    assert whys[UP].obstacle is Obstacle.NONE
    assert whys[DOWN].obstacle is Obstacle.FAIR_VALUE
    assert "down is worth 0.3" in whys[DOWN].sentence
    assert "PM_FAIR_VALUE_MARGIN=-0.05" in whys[DOWN].sentence
    driver.batch(2, underlying("71000", at_ns=at(2)))
    (again,) = driver.submits
    assert again.outcome is DOWN, "it comes back with its value"


def test_a_bid_that_rests_above_its_target_is_judged_by_where_it_rests() -> None:
    driver = quoting(reprice_threshold_e4=1_500)
    driver.books(1.6, "0.56/0.58", "0.41/0.43")
    resting = driver.session.orders.slot(DOWN)
    assert resting is not None
    assert resting.price_e4 == 5_200
    assert resting.client_order_id not in driver.cancels, "its target is 0.42, near enough to stay"
    driver.batch(1.7, underlying("71030", at_ns=at(1.7)))
    worth_e4 = driver.session.fair_value.worth_e4(at(1.7), DOWN)
    assert worth_e4 is not None
    assert 4_200 < worth_e4 - MARGIN_E4 < 5_200
    assert driver.cancels == [resting.client_order_id]


def test_while_the_value_is_not_known_both_bids_of_a_pair_are_away() -> None:
    unpriced = EngineDriver(with_rule())
    unpriced.start()
    unpriced.books(1.1, *BOOKS)
    assert unpriced.submits == []
    assert "PM_UNDERLYING_URL" in unpriced.session.decision.whys[UP].sentence
    driver = quoting()
    driver.books(4, *BOOKS)
    assert driver.cancels == []
    driver.books(4.1, *BOOKS)
    assert len(driver.cancels) == 2, "a price of 3.1 s ago is stale"
    assert driver.session.decision.mode is QuoteMode.FAIR_VALUE


def test_a_hedge_stays_whatever_it_is_worth() -> None:
    driver = quoting()
    up = driver.session.orders.slot(UP)
    assert up is not None
    driver.batch(1.3, driver.filled(1.3, up.client_order_id, UP, "5", "0.47"))
    driver.books(1.4, *BOOKS)
    assert driver.resting(DOWN) is not None
    driver.batch(1.5, underlying("72000", at_ns=at(1.5)))
    assert driver.session.decision.mode is QuoteMode.HEDGE
    driver.books(8, *BOOKS)
    assert driver.cancels == [], "an old price does not take a hedge away either"


def test_with_the_move_rule_each_side_names_its_own_reason() -> None:
    move = UnderlyingMoveParams(move_ppm=10_000, pause_ns=60_000 * NS_PER_MS)
    driver = quoting(underlying=move)
    driver.batch(1.5, underlying("71100", at_ns=at(1.5)), underlying("70300", at_ns=at(1.5)))
    driver.confirm_cancel(1.6)
    driver.batch(1.9, underlying("71100", at_ns=at(1.9)))
    driver.confirm_cancel(2)
    driver.batch(2.3)
    whys = driver.session.decision.whys
    assert (whys[UP].obstacle, whys[DOWN].obstacle) == (Obstacle.UNDERLYING,) * 2
    fair_only = quoting(underlying=replace(move, move_ppm=100_000))
    fair_only.batch(1.5, underlying("71100", at_ns=at(1.5)))
    fair_only.confirm_cancel(1.6)
    fair_only.batch(1.9)
    whys = fair_only.session.decision.whys
    assert (whys[UP].obstacle, whys[DOWN].obstacle) == (Obstacle.NONE, Obstacle.FAIR_VALUE)


def test_with_the_rule_off_prices_change_no_output() -> None:
    plain, priced = quoting_driver(), quoting_driver()
    for driver in (plain, priced):
        if driver is priced:
            driver.batch(1.5, underlying("71000", at_ns=at(1.5)))
            driver.batch(1.6, underlying("99000", at_ns=at(1.6)))
        driver.books(2, "0.40/0.42", "0.57/0.59")
        assert len(driver.cancels) == 2
    assert plain.engine.fingerprint == priced.engine.fingerprint
    assert "fair_value" not in priced.engine.view()


def test_people_see_the_chance_in_the_state() -> None:
    shown = quoting().engine.view()["fair_value"]
    assert isinstance(shown, dict)
    assert shown["unknown"] == ""
    assert shown["price"] == 71_005
    assert 0.4 < shown["up"] < 0.6
