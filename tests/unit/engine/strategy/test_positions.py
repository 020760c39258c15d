"""The venue's positions against the ledger: they stop quoting, and book nothing."""

from __future__ import annotations

import pytest

from pmcore.engine.strategy.why import Obstacle
from pmcore.messages.notices import NoticeKind
from pmcore.messages.rotation import WindowResolved
from pmcore.messages.user import (
    PositionsRead,
    TokenShares,
    TradeStatus,
    UserChannelChanged,
    UserChannelState,
)
from pmcore.model.market import Outcome
from support.builders import at
from support.engine_driver import EngineDriver, quoting_driver

UP, DOWN = Outcome.UP, Outcome.DOWN
LAG_S = 180


def positions(driver: EngineDriver, t: float, *, up: int = 0, other: int = 0) -> PositionsRead:
    held = (
        TokenShares(driver.window.token_id(UP), up * 1_000_000),
        TokenShares("another market", other * 1_000_000),
    )
    return PositionsRead(held=held, asked_ns=at(t), ts_recv_ns=at(t))


def bought(driver: EngineDriver, t: float, status: TradeStatus) -> None:
    """A report of five Up shares, always of the same trade."""
    driver.batch(t, driver.filled(t, "r1.x", UP, "5", "0.47", trade_id="t1", status=status))


def test_shares_that_nobody_told_stop_quoting() -> None:
    driver = quoting_driver()
    driver.batch(4, positions(driver, 4, up=5))
    assert driver.session.holding(at(4)) is None
    driver.batch(34, positions(driver, 34, up=5))
    why = driver.session.holding(at(34))
    assert why is not None
    assert why.obstacle is Obstacle.POSITIONS
    assert why.detail == "5 up shares at the venue, 0 believed"
    assert driver.cancels
    assert driver.session.inventory.working.up.qty_u6 == 0
    assert driver.session.as_view(at(34))["positions_differ"] == why.detail
    bought(driver, 40, TradeStatus.MATCHED)
    driver.batch(64, positions(driver, 64, up=5))
    assert driver.session.holding(at(64)) is None
    reasons = [notice.reason for notice in driver.notices(NoticeKind.POSITIONS_DIFFER)]
    assert reasons == ["entered", "left"]
    assert driver.session.counters.positions_differed == 1


@pytest.mark.parametrize(
    ("status", "differs"), [(TradeStatus.MATCHED, False), (TradeStatus.MINED, True)]
)
def test_only_what_settled_a_lag_ago_has_to_be_shown(status: TradeStatus, *, differs: bool) -> None:
    driver = quoting_driver()
    bought(driver, 4, status)
    for t in (4 + LAG_S, 34 + LAG_S):
        driver.batch(t, positions(driver, t))
    assert bool(driver.session.positions.difference) is differs


def test_the_lag_counts_from_the_first_report_that_it_settled() -> None:
    driver = quoting_driver()
    bought(driver, 4, TradeStatus.MATCHED)
    bought(driver, 100, TradeStatus.MINED)
    bought(driver, 200, TradeStatus.CONFIRMED)
    assert driver.session.inventory.settled_by_u6(UP, at(99)) == 0
    assert driver.session.inventory.settled_by_u6(UP, at(100)) == 5_000_000
    assert driver.session.inventory.settled_by_u6(DOWN, at(100)) == 0


def test_positions_that_lag_are_no_difference() -> None:
    driver = quoting_driver()
    bought(driver, 4, TradeStatus.MINED)
    for t in range(10, 4 + LAG_S, 30):
        driver.batch(t, positions(driver, t))
        assert not driver.session.positions.difference


def test_after_an_unreadable_fill_only_positions_end_the_hold() -> None:
    driver = quoting_driver()
    up = UserChannelChanged(state=UserChannelState.UP, doubted_ns=at(4), ts_recv_ns=at(5))
    driver.batch(5, up)
    why = driver.session.holding(at(5))
    assert why is not None
    assert why.obstacle is Obstacle.POSITIONS
    assert driver.cancels
    driver.batch(4 + LAG_S - 1, positions(driver, 4 + LAG_S - 1))
    assert driver.session.positions.unverified
    driver.batch(4 + LAG_S, positions(driver, 4 + LAG_S))
    assert not driver.session.positions.unverified


def test_after_the_result_positions_may_be_redeemed() -> None:
    driver = quoting_driver()
    bought(driver, 4, TradeStatus.MINED)
    driver.batch(1_000, WindowResolved(slug=driver.window.slug, winner=UP, ts_recv_ns=at(1_000)))
    for t in (1_100, 1_200):
        driver.batch(t, positions(driver, t))
    assert not driver.session.positions.difference


def test_positions_of_other_markets_are_not_ours() -> None:
    driver = quoting_driver()
    for t in (4, 34):
        driver.batch(t, positions(driver, t, other=50))
    assert not driver.session.positions.difference
