"""The underlying's move in the engine: what is withdrawn, what stays, and that off means off."""

from __future__ import annotations

from msgspec.structs import replace

from pmcore.engine.strategy.why import Obstacle
from pmcore.machines.quoting import QuoteMode
from pmcore.messages.orders import CancelOrders
from pmcore.model.market import Outcome
from pmcore.model.params import StrategyParams, UnderlyingMoveParams
from pmcore.model.units import NS_PER_MS
from support.builders import at, book, params, underlying
from support.engine_driver import EngineDriver, quoting_driver

UP, DOWN = Outcome.UP, Outcome.DOWN
BOOKS = ("0.46/0.48", "0.51/0.53")


def with_rule(**changes: int) -> StrategyParams:
    return params(underlying=UnderlyingMoveParams(move_ppm=200, **changes))


def quoting(**changes: int) -> EngineDriver:
    """Both bids rest, with a known price of 71,000."""
    driver = EngineDriver(with_rule(**changes))
    driver.start()
    driver.batch(1.1, underlying("71000", at_ns=at(1.1)))
    driver.books(1.1, *BOOKS)
    driver.accept(1.2)
    assert driver.resting(UP)
    assert driver.resting(DOWN)
    return driver


def test_a_rise_cancels_the_bid_for_down_at_once_and_leaves_the_other() -> None:
    driver = quoting()
    _, down = driver.session.orders.slot(UP), driver.session.orders.slot(DOWN)
    assert down is not None
    driver.batch(1.5, underlying("71014.2", at_ns=at(1.49)))
    (cancel,) = driver.outputs
    assert isinstance(cancel, CancelOrders)
    assert cancel.client_order_ids == (down.client_order_id,)
    assert cancel.reason == "underlying"
    assert cancel.ts_cause_ns == at(1.49), "its delay is measured from the price's receipt"
    whys = driver.session.decision.whys
    assert (whys[UP].obstacle, whys[DOWN].obstacle) == (Obstacle.NONE, Obstacle.CANCELLING)


def test_a_fall_cancels_the_bid_for_up() -> None:
    driver = quoting()
    up = driver.session.orders.slot(UP)
    assert up is not None
    driver.batch(1.5, underlying("70985.7", at_ns=at(1.5)))
    assert driver.cancels == [up.client_order_id]


def test_a_smaller_move_changes_nothing() -> None:
    driver = quoting()
    assert driver.batch(1.5, underlying("71014.1", at_ns=at(1.5))) == []
    assert driver.session.decision.mode is QuoteMode.BALANCED


def test_the_bid_comes_back_after_the_pause() -> None:
    driver = quoting(pause_ns=600 * NS_PER_MS)
    driver.batch(1.5, underlying("71014.2", at_ns=at(1.5)))
    driver.confirm_cancel(1.6)
    driver.books(2.0, *BOOKS)
    assert driver.submits == []
    assert driver.session.decision.whys[DOWN].obstacle is Obstacle.UNDERLYING
    driver.books(2.1, *BOOKS)
    (again,) = driver.submits
    assert again.outcome is DOWN


def test_without_a_price_no_pair_is_begun_and_with_an_old_one_both_bids_go() -> None:
    unpriced = EngineDriver(with_rule())
    unpriced.start()
    unpriced.books(1.1, *BOOKS)
    assert unpriced.submits == []
    assert "PM_UNDERLYING_URL" in unpriced.session.decision.whys[UP].sentence
    driver = quoting(stale_ns=2_000 * NS_PER_MS)
    driver.books(3.1, *BOOKS)
    assert driver.cancels == []
    driver.books(3.2, *BOOKS)
    assert len(driver.cancels) == 2


def test_a_hedge_stays_whatever_the_underlying_does() -> None:
    driver = quoting()
    up = driver.session.orders.slot(UP)
    assert up is not None
    driver.batch(1.3, driver.filled(1.3, up.client_order_id, UP, "5", "0.47"))
    driver.books(1.4, *BOOKS)
    resting = driver.resting(DOWN)
    assert resting is not None
    driver.batch(1.5, underlying("72000", at_ns=at(1.5)))
    assert driver.session.decision.mode is QuoteMode.HEDGE
    assert driver.cancels == []
    driver.books(8, *BOOKS)
    assert driver.cancels == [], "an old price does not take a hedge away either"


def test_with_the_rule_off_prices_change_no_output_and_no_cause() -> None:
    plain, priced = quoting_driver(), quoting_driver()
    for driver in (plain, priced):
        if driver is priced:
            driver.batch(1.5, underlying("71000", at_ns=at(1.5)))
            driver.batch(1.6, underlying("99000", at_ns=at(1.6)))
        books = (book(UP, "0.40", "0.42", at_ns=at(1.9)), book(DOWN, "0.57", "0.59", at_ns=at(1.9)))
        price = (underlying("71000", at_ns=at(2)),) if driver is priced else ()
        driver.batch(2, *books, *price)
        assert len(driver.cancels) == 2
    assert plain.engine.fingerprint == priced.engine.fingerprint
    assert "underlying" not in priced.engine.view()


def test_another_windows_price_changes_nothing() -> None:
    driver = quoting()
    price = replace(underlying("99000", at_ns=at(1.5)), slug="another")
    assert driver.batch(1.5, price) == []
    assert driver.session.underlying.received_ns == at(1.1)


def test_people_see_the_price_in_the_state() -> None:
    driver = quoting()
    driver.batch(1.5, underlying("71014.2", at_ns=at(1.5)))
    driver.batch(1.6)
    shown = {"price": 71_014.2, "age_ms": 100, "endangered": ["down"]}
    assert driver.engine.view()["underlying"] == shown
