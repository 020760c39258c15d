"""Matched shares want a trade, and a trade wants to settle: what is missing is asked for."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from pmcore.machines import fill_watch
from pmcore.machines.fill_watch import FillsDue, FillWatch
from pmcore.messages.user import FillReported, OrderUpdated, OrderUpdateKind, TradeStatus
from pmcore.model.market import Outcome
from pmcore.model.units import NS_PER_S
from support.builders import CONDITION, UP_TOKEN, fill

UPDATE, CANCELLATION = OrderUpdateKind.UPDATE, OrderUpdateKind.CANCELLATION


def said(matched_u6: int | None, kind: OrderUpdateKind = UPDATE) -> OrderUpdated:
    return OrderUpdated(
        kind=kind,
        order_hash="0xhash",
        condition_id=CONDITION,
        token_id=UP_TOKEN,
        price_e4=4700,
        original_u6=5_000_000,
        matched_u6=matched_u6,
        ts_event_ns=0,
        ts_recv_ns=0,
    )


def seconds_of(watch: FillWatch, upto: int) -> list[int]:
    """The seconds in which something was due."""
    return [s for s in range(upto) if watch.due(s * NS_PER_S) != FillsDue()]


def test_a_match_without_a_trade_is_asked_for_less_and_less_often() -> None:
    watch = FillWatch()
    watch.hear(0, said(5_000_000))
    assert seconds_of(watch, 220) == [3, 9, 21, 45, 93, 153, 213]
    assert watch.owed_orders == 1


@pytest.mark.parametrize("first", ["trade", "event"])
def test_a_trade_for_all_of_it_ends_the_question_in_either_order(first: str) -> None:
    watch = FillWatch()
    trade = fill(Outcome.UP, "5", "0.47", status=TradeStatus.CONFIRMED)
    messages: list[OrderUpdated | FillReported]
    messages = [trade, said(5_000_000)] if first == "trade" else [said(5_000_000), trade]
    for message in messages:
        watch.hear(0, message)
    assert seconds_of(watch, 100) == []


def test_a_part_that_was_told_leaves_the_rest_owed_and_a_repeat_counts_once() -> None:
    watch = FillWatch()
    watch.hear(0, said(5_000_000))
    part = fill(Outcome.UP, "2.5", "0.47", trade_id="a", status=TradeStatus.CONFIRMED)
    for _ in range(2):
        watch.hear(0, part)
    assert watch.due(3 * NS_PER_S).order_hashes == ("0xhash",)
    watch.hear(4 * NS_PER_S, replace(part, trade_id="b"))
    assert watch.owed_orders == 0


@pytest.mark.parametrize("message", [said(0), said(None), said(5_000_000, CANCELLATION)])
def test_what_proves_no_match_asks_for_nothing(message: OrderUpdated) -> None:
    watch = FillWatch()
    watch.hear(0, message)
    assert seconds_of(watch, 100) == []


def test_a_cancelled_order_that_was_matched_in_part_wants_its_trade() -> None:
    watch = FillWatch()
    watch.hear(0, said(2_000_000, CANCELLATION))
    assert watch.due(3 * NS_PER_S).order_hashes == ("0xhash",)


def test_a_trade_that_does_not_settle_is_asked_for_a_bounded_number_of_times() -> None:
    watch = FillWatch()
    watch.hear(0, fill(Outcome.UP, "5", "0.47"))
    minutes = [m for m in range(200) if watch.due(m * 60 * NS_PER_S).trade_ids]
    assert minutes == [1, 3, 7, 15, 31, 63]


@pytest.mark.parametrize("status", [TradeStatus.MINED, TradeStatus.CONFIRMED, TradeStatus.FAILED])
def test_a_trade_that_settled_or_failed_is_not_asked_for(status: TradeStatus) -> None:
    watch = FillWatch()
    matched = fill(Outcome.UP, "5", "0.47")
    watch.hear(0, matched)
    watch.hear(1, replace(matched, status=status))
    assert seconds_of(watch, 100) == []


def test_its_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fill_watch, "REMEMBERED", 10)
    watch = FillWatch()
    for number in range(50):
        watch.hear(0, replace(said(1_000_000), order_hash=f"0x{number}"))
        watch.hear(0, fill(Outcome.UP, "5", "0.47", trade_id=f"t{number}", order_hash="0xother"))
    due = watch.due(100 * NS_PER_S)
    assert (len(due.order_hashes), len(due.trade_ids)) == (10, 10)
    assert {len(value) for value in vars(watch).values()} == {10}


def test_many_trades_are_asked_for_in_small_numbers() -> None:
    watch = FillWatch()
    for number in range(50):
        watch.hear(0, fill(Outcome.UP, "5", "0.47", trade_id=f"t{number}"))
    asked = [len(watch.due((60 + s) * NS_PER_S).trade_ids) for s in range(4)]
    assert asked == [20, 20, 10, 0]


def test_overdue_tells_how_often_trades_were_asked_for_and_ends_with_them() -> None:
    watch = FillWatch()
    message = OrderUpdated(
        kind=OrderUpdateKind.UPDATE,
        order_hash="0xlate",
        condition_id="0xc",
        token_id="1",
        price_e4=4700,
        original_u6=5_000_000,
        matched_u6=5_000_000,
        ts_event_ns=0,
        ts_recv_ns=0,
    )
    watch.hear(0, message)
    assert watch.overdue == 0
    for asked in (1, 2):
        watch.due(asked * 60 * NS_PER_S)
        assert watch.overdue == asked
    trade = FillReported(
        trade_id="t",
        order_hash="0xlate",
        condition_id="0xc",
        token_id="1",
        price_e4=4700,
        size_u6=5_000_000,
        status=TradeStatus.MATCHED,
        ts_event_ns=0,
        ts_recv_ns=0,
    )
    watch.hear(121 * NS_PER_S, trade)
    assert watch.overdue == 0
