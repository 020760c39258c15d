"""A window that ends with matched trades that nobody settled: told, and its profit kept apart."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from pmcore.messages.notices import NoticeKind
from pmcore.messages.rotation import WindowResolved
from pmcore.messages.user import TradeStatus
from pmcore.model.market import Outcome
from support.builders import at
from support.desk import Desk, quoting_desk

UP, DOWN = Outcome.UP, Outcome.DOWN


def both_matched() -> tuple[Desk, list[object]]:
    """Both bids of five fill at 0.47 and 0.52 in second 3, and both trades stay MATCHED."""
    desk = quoting_desk()
    trades = []
    for outcome, price in ((UP, "0.47"), (DOWN, "0.52")):
        slot = desk.resting(outcome)
        assert slot
        trades.append(desk.filled(3, slot[0], outcome, "5", price))
    desk.batch(3, *trades)
    return desk, trades  # type: ignore[return-value] # messages


def end(desk: Desk, winner: Outcome = UP) -> None:
    """The window closes, is flat, and resolves."""
    desk.batch(895)
    desk.batch(895.5, desk.flat(895.5))
    desk.batch(900)
    resolved = WindowResolved(slug=desk.window.slug, winner=winner, ts_recv_ns=at(960))
    desk.batch(960, resolved)
    desk.batch(1_081)
    assert desk.engine.finished


def test_fills_that_stay_matched_are_told_once_within_the_bound() -> None:
    desk, _ = both_matched()
    desk.batch(122)
    assert not desk.notices(NoticeKind.UNSETTLED)
    desk.batch(123)
    desk.batch(300)
    told = desk.notices(NoticeKind.UNSETTLED)
    assert [n.detail for n in told] == [
        "trade trade-1: 5 up shares matched, not settled",
        "trade trade-2: 5 down shares matched, not settled",
    ]
    assert {n.reason for n in told} == {"late"}
    assert desk.engine.view()["unsettled"] == 2
    assert desk.engine.counters.fills_unsettled == 2


def test_the_profit_of_what_never_settled_is_kept_apart() -> None:
    desk, _ = both_matched()
    end(desk)
    session = desk.session
    assert session.profit_u6 == 50_000
    assert session.settled_profit_u6 == 0
    assert session.worst_profit_u6 == -2_600_000  # only the losing leg settles


def test_a_fill_matched_just_before_the_end_is_told_at_the_end() -> None:
    desk = quoting_desk()
    slot = desk.resting(UP)
    assert slot
    desk.batch(3, replace(desk.filled(3, slot[0], UP, "5", "0.47"), ts_recv_ns=at(1_000)))
    end(desk)
    assert [n.reason for n in desk.notices(NoticeKind.UNSETTLED)] == ["window over"]


@pytest.mark.parametrize("status", [TradeStatus.MINED, TradeStatus.CONFIRMED, TradeStatus.FAILED])
def test_what_settled_or_failed_is_not_told(status: TradeStatus) -> None:
    desk, trades = both_matched()
    later = [replace(trade, status=status) for trade in trades]  # type: ignore[type-var] # messages
    desk.batch(60, *later)  # type: ignore[arg-type] # messages
    end(desk)
    assert not desk.notices(NoticeKind.UNSETTLED)
    assert desk.session.settled_profit_u6 == desk.session.profit_u6
    assert desk.session.worst_profit_u6 == desk.session.profit_u6


def test_shares_that_no_trade_ever_told_count_in_the_worst_result() -> None:
    desk = quoting_desk()
    slot = desk.resting(DOWN)
    assert slot
    desk.batch(3, desk.found(3, slot[0], 5_000_000))
    end(desk, winner=UP)
    assert desk.session.profit_u6 == 0
    assert desk.session.worst_profit_u6 == -2_600_000


def test_without_a_winner_the_worst_of_both_counts() -> None:
    desk, _ = both_matched()
    assert desk.session.worst_profit_u6 == -2_600_000
