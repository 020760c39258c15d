"""The strategy asks for a merge when capital is short, and counts what came of it."""

from __future__ import annotations

from typing import Any

import pytest

from pmcore.messages.control import Halt
from pmcore.messages.gate import PlacingGateChanged
from pmcore.messages.notices import NoticeKind
from pmcore.messages.orders import MergePairs, SubmitOrder
from pmcore.messages.user import PositionsRead, TokenShares, TradeStatus
from pmcore.model.market import Outcome
from pmcore.model.params import LimitParams, StrategyParams
from pmcore.model.units import SHARE_U6
from support.builders import at, params
from support.engine_driver import EngineDriver
from support.merges import FAILED, MERGED, UNKNOWN, merge_report

UP, DOWN = Outcome.UP, Outcome.DOWN
LAG_S = 180


def merging_params(min_pairs: int = 5, **changes: object) -> StrategyParams:
    return params(merge_min_pairs_u6=min_pairs * SHARE_U6, **changes)


def driver_with_pairs(
    strategy: StrategyParams | None = None, status: TradeStatus = TradeStatus.CONFIRMED
) -> EngineDriver:
    """Ten pairs at .47 and .52, which the limit of 5 dollars a side does not let grow."""
    driver = EngineDriver(strategy or merging_params())
    driver.start()
    tell_pairs(driver, 1, status)
    driver.books(1.1, "0.46/0.48", "0.51/0.53")
    return driver


def tell_pairs(driver: EngineDriver, t: float, status: TradeStatus) -> None:
    fills = [
        driver.filled(t, f"old.{o}", o, "9", price, trade_id=f"t-{o}", status=status)
        for o, price in ((UP, "0.47"), (DOWN, "0.52"))
    ]
    driver.batch(t, *fills)


def merges(driver: EngineDriver) -> list[MergePairs]:
    return [output for output in driver.all if isinstance(output, MergePairs)]


def submits(driver: EngineDriver) -> list[SubmitOrder]:
    return [output for output in driver.all if isinstance(output, SubmitOrder)]


def capital_in_use(driver: EngineDriver) -> dict[str, float]:
    """What /state compares with PM_MAX_POSITION_VALUE."""
    outcomes: Any = driver.engine.view()["outcomes"]
    return {name: side["capital_in_use"] for name, side in outcomes.items()}


def test_pairs_are_merged_when_the_value_limit_keeps_a_bid_away() -> None:
    driver = driver_with_pairs()
    (merge,) = merges(driver)
    assert merge.size_u6 == 9 * SHARE_U6
    assert merge.slug == driver.window.slug
    assert merge.merge_id == f"r1.{driver.window.slug}.merge.1"
    assert merge.expires_at_ns > merge.ts_step_ns
    driver.books(2, "0.46/0.48", "0.51/0.53")
    assert merges(driver) == [merge]


def test_what_was_merged_lets_the_next_pair_begin() -> None:
    driver = driver_with_pairs()
    (merge,) = merges(driver)
    assert not driver.submits
    assert capital_in_use(driver) == {"up": 4.23, "down": 4.68}
    report = merge_report(merge.merge_id, pairs=9, up=4.23, down=4.68, at_ns=at(3))
    driver.batch(3, report)
    driver.books(3.1, "0.46/0.48", "0.51/0.53")
    assert {order.outcome for order in submits(driver)} == {UP, DOWN}
    (notice,) = driver.notices(NoticeKind.MERGE)
    assert (notice.reason, notice.detail) == ("merged", "9 pairs")
    view = driver.engine.view()
    assert (view["merged"], view["merge_unknown"]) == (9, 0)
    assert capital_in_use(driver) == {"up": 0, "down": 0}
    driver.batch(4, report)
    assert len(driver.notices(NoticeKind.MERGE)) == 1


@pytest.mark.parametrize(("status", "shown"), [(FAILED, 0), (UNKNOWN, 9)])
def test_what_failed_or_is_unknown_frees_nothing(status: str, shown: int) -> None:
    driver = driver_with_pairs()
    (merge,) = merges(driver)
    driver.batch(3, merge_report(merge.merge_id, status, pairs=9, up=4.23, down=4.68))  # type: ignore[arg-type] # parametrized
    driver.books(3.1, "0.46/0.48", "0.51/0.53")
    assert not submits(driver)
    assert [notice.reason for notice in driver.notices(NoticeKind.MERGE)] == [str(status)]
    assert driver.engine.view()["merge_unknown"] == shown
    driver.books(40, "0.46/0.48", "0.51/0.53")
    assert len(merges(driver)) == (2 if status is FAILED else 1)


def test_a_limit_that_is_reached_outright_is_short_of_capital_too() -> None:
    limits = LimitParams(max_position_value_u6=4 * SHARE_U6, max_net_diff_u6=20 * SHARE_U6)
    driver = driver_with_pairs(merging_params(limits=limits))
    assert not driver.session.can_open
    assert len(merges(driver)) == 1


def test_a_hedge_without_capital_merges_too() -> None:
    driver = EngineDriver(merging_params())
    driver.start()
    tell_pairs(driver, 1, TradeStatus.CONFIRMED)
    driver.batch(1, driver.filled(1, "more", UP, "1", "0.10", trade_id="more"))
    driver.batch(1, driver.filled(1, "more", UP, "4", "0.10", trade_id="most"))
    driver.books(1.1, "0.46/0.48", "0.51/0.53")
    assert driver.session.decision.mode.value == "hedge"
    assert len(merges(driver)) == 1


@pytest.mark.parametrize(
    "strategy",
    [
        merging_params(0),
        merging_params(10),
        merging_params(limits=LimitParams(max_position_value_u6=50 * SHARE_U6)),
    ],
    ids=["off", "too few", "capital is not short"],
)
def test_nothing_is_merged(strategy: StrategyParams) -> None:
    driver = driver_with_pairs(strategy)
    assert not merges(driver)
    assert ("merged" in driver.engine.view()) is (strategy.merge_min_pairs_u6 > 0)


def test_pairs_that_are_not_confirmed_wait() -> None:
    driver = driver_with_pairs(status=TradeStatus.MINED)
    assert not merges(driver)
    tell_pairs(driver, 2, TradeStatus.CONFIRMED)
    driver.books(2, "0.46/0.48", "0.51/0.53")
    assert len(merges(driver)) == 1


def test_while_nothing_may_rest_nothing_is_merged() -> None:
    driver = driver_with_pairs(status=TradeStatus.MINED)
    driver.batch(2, Halt(reason="operator", by="pm kill", ts_recv_ns=at(2)))
    tell_pairs(driver, 2, TradeStatus.CONFIRMED)
    driver.books(2, "0.46/0.48", "0.51/0.53")
    assert driver.session.hold(at(2))
    assert not merges(driver)


def test_while_the_executor_does_not_place_nothing_is_merged() -> None:
    driver = driver_with_pairs(status=TradeStatus.MINED)
    driver.batch(2, PlacingGateChanged(open=False, reason="why", ts_recv_ns=at(2)))
    tell_pairs(driver, 2, TradeStatus.CONFIRMED)
    assert not merges(driver)


def positions(driver: EngineDriver, t: float, shares: int) -> PositionsRead:
    held = tuple(TokenShares(driver.window.token_id(o), shares * SHARE_U6) for o in (UP, DOWN))
    return PositionsRead(held=held, asked_ns=at(t), ts_recv_ns=at(t))


def differs(driver: EngineDriver, t: float, shares: int) -> bool:
    """After two readings, far enough apart."""
    driver.batch(t, positions(driver, t, shares))
    driver.batch(t + 20, positions(driver, t + 20, shares))
    return bool(driver.session.positions.difference)


def test_while_a_merge_is_under_way_the_venue_may_show_the_pairs_or_not() -> None:
    late = LAG_S + 10
    assert not differs(driver_with_pairs(), late, 9)
    assert not differs(driver_with_pairs(), late, 0)
    assert differs(driver_with_pairs(merging_params(0)), late, 0)


def test_the_venue_must_show_a_merge_once_its_data_cannot_be_old_any_more() -> None:
    driver = driver_with_pairs()
    (merge,) = merges(driver)
    driver.batch(3, merge_report(merge.merge_id, MERGED, pairs=9, at_ns=at(3)))
    assert not differs(driver, 20, 9)
    assert not differs(driver, 60, 0)
    assert not differs(driver, LAG_S + 100, 0)
    assert differs(driver, LAG_S + 200, 9)


def test_what_is_unknown_may_be_shown_either_way_for_good() -> None:
    for shares in (0, 9):
        driver = driver_with_pairs()
        (merge,) = merges(driver)
        driver.batch(3, merge_report(merge.merge_id, UNKNOWN, pairs=9, at_ns=at(3)))
        assert not differs(driver, LAG_S + 100, shares)
