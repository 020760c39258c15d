"""The worked cases of docs/strategy_guide.md#worked-cases, through the whole engine."""

from __future__ import annotations

import pytest

from pmcore.messages.user import TradeStatus
from pmcore.model.market import Outcome, TakerSide
from support.builders import at, params, trade
from support.engine_driver import EngineDriver, quoting_driver

UP, DOWN = Outcome.UP, Outcome.DOWN


@pytest.mark.parametrize(
    ("up", "down", "up_e4", "down_e4"),
    [
        ("0.46/0.48", "0.51/0.53", 4700, 5200),
        ("0.50/0.52", "0.50/0.52", 4950, 4950),
    ],
)
def test_flat_quotes_both(up: str, down: str, up_e4: int, down_e4: int) -> None:
    driver = EngineDriver()
    driver.start()
    driver.books(2, up, down)
    assert [(s.outcome, s.price_e4, s.size_u6) for s in driver.submits] == [
        (UP, up_e4, 5_000_000),
        (DOWN, down_e4, 5_000_000),
    ]


def test_a_fill_cancels_its_side_and_hedges_the_other() -> None:
    driver = quoting_driver()
    up = driver.resting(UP)
    assert up
    driver.books(2, "0.47/0.49", "0.50/0.52")
    driver.batch(2.1, driver.filled(2.1, up[0], UP, "5", "0.47"))
    assert driver.resting(UP) is None
    # Down rests at .520 and the hedge is .519: inside the reprice threshold, so it stays
    assert driver.resting(DOWN) == ("r1.btc-updown-15m-1790766900.2", 5200)
    assert not driver.submits


def hedging_driver(price: str, down: str) -> EngineDriver:
    """Five Up held at a price, nothing resting."""
    driver = EngineDriver()
    driver.start()
    driver.batch(1.5, driver.filled(1.5, "old", UP, "5", price))
    driver.books(2, "0.47/0.49", down)
    return driver


def test_hedge_price() -> None:
    driver = hedging_driver("0.47", "0.50/0.52")
    assert [(s.outcome, s.price_e4) for s in driver.submits] == [(DOWN, 5190)]


@pytest.mark.parametrize(("price", "down"), [("0.47", "0.50/-"), ("0.995", "0.50/0.52")])
def test_no_hedge(price: str, down: str) -> None:
    assert hedging_driver(price, down).submits == []


def test_ten_a_side_is_not_can_open() -> None:
    driver = EngineDriver(params(bid_size_u6=5_000_000))
    driver.start()
    driver.batch(
        1.5,
        driver.filled(1.5, "a", UP, "10", "0.47"),
        driver.filled(1.5, "b", DOWN, "10", "0.50"),
    )
    driver.books(2, "0.46/0.48", "0.51/0.53")
    assert not driver.session.can_open
    assert driver.submits == []


def test_losing_can_open_cancels_both() -> None:
    driver = quoting_driver()
    driver.batch(
        2,
        driver.filled(2, "a", UP, "10", "0.47"),
        driver.filled(2, "b", DOWN, "10", "0.50"),
    )
    assert len(driver.cancels) == 2


def test_toxic_flow_cancels_both_and_clears_in_silence() -> None:
    driver = quoting_driver()
    driver.batch(2, trade(UP, TakerSide.BUY, "60", at_ns=at(2)))
    assert len(driver.cancels) == 2
    driver.confirm_cancel(2.05)
    resumed = None
    for tenth in range(21, 90):
        t = tenth / 10
        if tenth % 10 == 0:
            driver.books(t, "0.46/0.48", "0.51/0.53")
        else:
            driver.batch(t)
        if driver.submits:
            resumed = t
            break
    assert resumed is not None
    assert 6.2 <= resumed <= 6.5  # window 3 s, recovery hold 1.2 s, one tick


def test_matched_then_failed_is_flat_again_and_never_balanced_in_between() -> None:
    driver = quoting_driver()
    up = driver.resting(UP)
    assert up
    driver.batch(2, driver.filled(2, up[0], UP, "5", "0.47", trade_id="t"))
    assert driver.session.inventory.working.net_diff_u6 == 5_000_000
    assert not any(s.outcome is UP for s in driver.submits)
    driver.batch(2.5)
    assert driver.session.decision.mode == "hedge"
    failed = driver.filled(2.6, up[0], UP, "5", "0.47", trade_id="t", status=TradeStatus.FAILED)
    driver.batch(2.6, failed)
    working = driver.session.inventory.working
    assert (working.net_diff_u6, working.up.avg_cost_dollars) == (0, 0)
    assert driver.session.decision.mode == "balanced"
    assert [(s.outcome, s.price_e4) for s in driver.submits] == [(UP, 4700)]


@pytest.mark.parametrize(("by_unpaired", "price_e4"), [(False, 5150), (True, 3400)])
def test_the_parameter_chooses_by_what_cost_is_hedged(by_unpaired: bool, price_e4: int) -> None:
    driver = EngineDriver(params(hedge_by_unpaired_cost=by_unpaired))
    driver.start()
    for n, (outcome, price) in enumerate([(UP, "0.30"), (DOWN, "0.40"), (UP, "0.65")]):
        mined = driver.filled(1.5, f"old{n}", outcome, "5", price, status=TradeStatus.MINED)
        driver.batch(1.5, mined)
    driver.books(2, "0.47/0.49", "0.50/0.52")
    assert [(s.outcome, s.price_e4) for s in driver.submits] == [(DOWN, price_e4)]
