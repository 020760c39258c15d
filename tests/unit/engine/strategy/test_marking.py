"""Each fill is noted with what was known then, and nothing is decided on it."""

from __future__ import annotations

import pytest

from pmcore.engine.strategy.marking import fill_views
from pmcore.machines.order_lifecycle import QuoteNote
from pmcore.messages.rotation import WindowResolved
from pmcore.messages.user import TradeStatus
from pmcore.model.market import Outcome
from pmcore.model.units import NS_PER_S, SHARE_U6
from support.builders import at, book, fill, window
from support.engine_driver import EngineDriver, hash_of, quoting_driver

UP, DOWN = Outcome.UP, Outcome.DOWN
BOOKS = ("0.46/0.48", "0.52/0.54")


def _filled_twice() -> EngineDriver:
    driver = quoting_driver()
    resting = driver.resting(UP)
    assert resting is not None
    driver.books(5, *BOOKS)
    legs = (
        fill(UP, "5", "0.46", order_hash=hash_of(resting[0]), at_ns=at(5.5)),
        fill(DOWN, "5", "0.52", trade_id="t2", order_hash="0xstranger", at_ns=at(5.6)),
    )
    driver.batch(5.5, legs[0])
    driver.batch(5.6, legs[1])
    return driver


def test_a_fill_is_noted_with_its_mid_its_leg_and_how_long_its_order_rested() -> None:
    first, second = _filled_twice().engine.session.markouts.fills
    assert (first.mid2_e4, second.mid2_e4) == (9400, 10_600)
    assert (first.hedge, second.hedge) == (False, True)
    assert first.since_open_ns == int(5.5 * NS_PER_S)
    assert first.rested_ns is not None
    assert 0 < first.rested_ns < 5 * NS_PER_S
    assert second.rested_ns is None  # nobody knows its order


def test_a_fill_is_noted_with_why_its_bid_was_sent_and_what_was_ahead_of_it() -> None:
    first, second = _filled_twice().engine.session.markouts.fills
    assert (first.reason, first.phase, first.flow) == ("balanced", "quoting", "calm")
    assert (second.reason, second.ahead_u6, second.phase) == (None, None, "quoting")


def test_a_hedge_says_so_and_counts_the_shares_at_its_price() -> None:
    driver = quoting_driver()
    resting, going = driver.resting(UP), driver.resting(DOWN)
    assert resting is not None
    assert going is not None
    driver.batch(5, fill(UP, "5", "0.46", order_hash=hash_of(resting[0]), at_ns=at(5)))
    driver.books(6, "0.42/0.44", "0.53/0.58")
    driver.confirm_cancel(6.1, going[0])
    session = driver.engine.session
    order = session.orders.slot(DOWN)
    assert order is not None
    assert order.note == QuoteNote("hedge", 100 * SHARE_U6)
    assert session.displayed_u6(at(6.1), DOWN, order.price_e4 - 100) == 0


def test_what_is_displayed_at_a_price_is_read_from_the_fresh_book() -> None:
    """An ask for Up at .44 is a bid for Down at .56."""
    driver = quoting_driver()
    session = driver.engine.session
    driver.batch(8, book(UP, "0.42", "0.44", at_ns=at(8)))
    assert session.displayed_u6(at(8), DOWN, 5_600) == 100 * SHARE_U6
    assert session.displayed_u6(at(8), UP, 4_200) == 100 * SHARE_U6
    stale = at(8) + session.params.stale_after_ns + 1
    assert session.displayed_u6(stale, DOWN, 5_600) is None


def test_state_shows_the_parts_and_the_markouts() -> None:
    driver = _filled_twice()
    driver.books(6.9, "0.44/0.46", "0.54/0.56")
    view = driver.engine.view()
    assert view["attribution"] == {
        "profit_spread": pytest.approx(0.1),
        "profit_adverse": 0.0,
        "profit_residual": 0.0,
        "profit_unknown": 0.0,
        "profit": pytest.approx(0.1),
    }
    assert view["markout_cents"] == {"1s": pytest.approx((-1 + 3) / 2)}


def test_a_reversed_fill_is_left_out() -> None:
    driver = _filled_twice()
    order_hash = hash_of(f"r1.{window().slug}.1")
    failed = fill(UP, "5", "0.46", order_hash=order_hash, status=TradeStatus.FAILED, at_ns=at(6))
    driver.batch(6, failed)
    driver.books(6.9, "0.44/0.46", "0.54/0.56")
    assert driver.engine.view()["markout_cents"] == {"1s": pytest.approx(3)}


@pytest.mark.parametrize("first", [UP, DOWN])
def test_a_fill_that_lowers_the_net_difference_is_a_hedge(first: Outcome) -> None:
    driver = quoting_driver()
    for number, outcome in enumerate((first, first, first.complement)):
        driver.batch(5, fill(outcome, "5", "0.46", trade_id=f"t{number}", at_ns=at(5)))
    assert [one.hedge for one in driver.engine.session.markouts.fills] == [False, False, True]


@pytest.mark.parametrize(("winner", "paid"), [(UP, 5.0), (DOWN, 0.0)])
def test_the_settlement_counts_when_the_winner_is_known(winner: Outcome, paid: float) -> None:
    driver = quoting_driver()
    driver.batch(5, fill(UP, "5", "0.46", order_hash="0xstranger", at_ns=at(5)))
    told = WindowResolved(slug=window().slug, winner=winner, ts_recv_ns=at(6))
    driver.batch(6, told)
    view = driver.engine.view()
    assert isinstance(view["attribution"], dict)
    assert view["attribution"]["profit"] == pytest.approx(paid - 2.3)
    assert view["profit"] == pytest.approx(paid - 2.3)


def test_without_a_mid_and_a_winner_there_are_no_parts() -> None:
    assert EngineDriver().engine.view()["attribution"] == {}


def test_fills_for_state_are_the_newest_in_dollars_and_shares() -> None:
    driver = _filled_twice()
    driver.books(6.9, "0.44/0.46", "0.54/0.56")
    first, second = fill_views(driver.engine.session, 2)
    assert (first["outcome"], first["price"], first["shares"]) == ("up", 0.46, 5.0)
    assert first["slug"] == window().slug
    assert (first["reason"], first["phase"], first["flow"]) == ("balanced", "quoting", "calm")
    assert isinstance(first["rested_s"], float)
    assert isinstance(first["ahead_shares"], float)
    assert (second["reason"], second["ahead_shares"], second["rested_s"]) == (None, None, None)
    assert first["markout_cents"] == {"1s": pytest.approx(-1)}
    assert second["trade_id"] == "t2"
    assert second["failed"] is False
    assert fill_views(driver.engine.session, 1) == [second]
