"""A window that ends with matched trades that nobody settled: told, and its profit kept apart."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from pmcore.messages.notices import NoticeKind
from pmcore.messages.rotation import WindowResolved
from pmcore.messages.user import TradeStatus
from pmcore.model.market import Outcome
from pmcore.model.params import LimitParams
from support.builders import at, params
from support.engine_driver import EngineDriver, quoting_driver

UP, DOWN = Outcome.UP, Outcome.DOWN


def both_matched() -> tuple[EngineDriver, list[object]]:
    """Both bids of five fill at 0.47 and 0.52 in second 3, and both trades stay MATCHED."""
    driver = quoting_driver()
    trades = []
    for outcome, price in ((UP, "0.47"), (DOWN, "0.52")):
        slot = driver.resting(outcome)
        assert slot
        trades.append(driver.filled(3, slot[0], outcome, "5", price))
    driver.batch(3, *trades)
    return driver, trades  # type: ignore[return-value] # messages


def end(driver: EngineDriver, winner: Outcome = UP) -> None:
    """The window closes, is flat, and resolves."""
    driver.batch(895)
    driver.batch(895.5, driver.flat(895.5))
    driver.batch(900)
    resolved = WindowResolved(slug=driver.window.slug, winner=winner, ts_recv_ns=at(960))
    driver.batch(960, resolved)
    driver.batch(1_081)
    assert driver.engine.finished


def test_fills_that_stay_matched_are_told_once_within_the_bound() -> None:
    driver, _ = both_matched()
    driver.batch(122)
    assert not driver.notices(NoticeKind.UNSETTLED)
    driver.batch(123)
    driver.batch(300)
    told = driver.notices(NoticeKind.UNSETTLED)
    assert [n.detail for n in told] == [
        "trade trade-1: 5 up shares matched, not settled",
        "trade trade-2: 5 down shares matched, not settled",
    ]
    assert {n.reason for n in told} == {"late"}
    assert driver.engine.view()["unsettled"] == 2
    assert driver.engine.counters.fills_unsettled == 2


def test_the_profit_of_what_never_settled_is_kept_apart() -> None:
    driver, _ = both_matched()
    end(driver)
    session = driver.session
    assert session.profit_u6 == 50_000
    assert session.settled_profit_u6 == 0
    assert session.worst_profit_u6 == -2_600_000  # only the losing leg settles


def test_a_fill_matched_just_before_the_end_is_told_at_the_end() -> None:
    driver = quoting_driver()
    slot = driver.resting(UP)
    assert slot
    driver.batch(3, replace(driver.filled(3, slot[0], UP, "5", "0.47"), ts_recv_ns=at(1_000)))
    end(driver)
    assert [n.reason for n in driver.notices(NoticeKind.UNSETTLED)] == ["window over"]


@pytest.mark.parametrize("status", [TradeStatus.MINED, TradeStatus.CONFIRMED, TradeStatus.FAILED])
def test_what_settled_or_failed_is_not_told(status: TradeStatus) -> None:
    driver, trades = both_matched()
    later = [replace(trade, status=status) for trade in trades]  # type: ignore[type-var] # messages
    driver.batch(60, *later)  # type: ignore[arg-type] # messages
    end(driver)
    assert not driver.notices(NoticeKind.UNSETTLED)
    assert driver.session.settled_profit_u6 == driver.session.profit_u6
    assert driver.session.worst_profit_u6 == driver.session.profit_u6


def test_shares_that_no_trade_ever_told_count_in_the_worst_result() -> None:
    driver = quoting_driver()
    slot = driver.resting(DOWN)
    assert slot
    driver.batch(3, driver.found(3, slot[0], 5_000_000))
    end(driver, winner=UP)
    assert driver.session.profit_u6 == 0
    assert driver.session.worst_profit_u6 == -2_600_000


def test_without_a_winner_the_worst_of_both_counts() -> None:
    driver, _ = both_matched()
    assert driver.session.worst_profit_u6 == -2_600_000


def test_no_bid_that_a_failed_trade_would_bring_to_the_limit() -> None:
    """Up and Down matched, Up filled again, Down failed: that was a net of ten."""
    driver, trades = both_matched()
    driver.books(4, "0.46/0.48", "0.51/0.53")
    assert driver.submits == []
    assert "net_diff" in driver.session.decision.hold_reason
    settled = [replace(trade, status=TradeStatus.MINED) for trade in trades]  # type: ignore[type-var] # messages
    driver.batch(5, *settled)  # type: ignore[arg-type] # messages
    driver.books(5.1, "0.46/0.48", "0.45/0.47")
    assert {s.outcome for s in driver.submits} == {UP, DOWN}


def test_a_trade_that_fails_may_bring_the_net_to_the_limit_and_that_is_told() -> None:
    driver = EngineDriver()
    driver.start()
    fills = [driver.filled(3, f"other-{n}", o, "5", "0.4") for n, o in enumerate((UP, DOWN, UP))]
    driver.batch(3, *fills)
    assert driver.engine.counters.limit_violations == 0
    driver.batch(4, replace(fills[1], status=TradeStatus.FAILED))
    assert driver.engine.counters.limit_violations == 1
    (told,) = driver.notices(NoticeKind.LIMIT_REACHED)
    assert (told.reason, told.detail) == ("reversed fill", "net 10000000 u6")


def test_the_gate_closes_for_the_worst_subset_and_says_so() -> None:
    limits = LimitParams(max_net_diff_u6=5_000_000)
    driver = quoting_driver(params(limits=limits, bid_size_u6=5_000_000))
    both = [driver.filled(3, f"other-{o}", o, "5", "0.4") for o in (UP, DOWN)]
    driver.batch(3, *both)
    assert driver.session.inventory.working.can_open(limits)
    assert not driver.session.can_open
    driver.books(3.1, "0.46/0.48", "0.51/0.53")
    why = driver.engine.view()["why"]
    assert "PM_MAX_NET_DIFF=5 is reached if matched shares are taken back" in str(why)


def test_the_loss_limit_counts_the_leg_that_may_be_taken_back() -> None:
    limits = LimitParams(max_window_loss_u6=2_400_000)
    driver = quoting_driver(params(limits=limits))
    for outcome, price in ((UP, "0.47"), (DOWN, "0.52")):
        slot = driver.resting(outcome)
        assert slot
        driver.batch(3, driver.filled(3, slot[0], outcome, "5", price))
    assert driver.session.loss_limit.reached == "PM_MAX_WINDOW_LOSS"  # 2.60 if Up fails
