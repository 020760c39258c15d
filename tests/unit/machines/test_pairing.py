"""Shares paired first in first out."""

from __future__ import annotations

from pmcore.machines.pairing import Lot, dearest_e4, unpaired_lots
from pmcore.model.market import Outcome

UP, DOWN = Outcome.UP, Outcome.DOWN


def test_nothing_and_whole_pairs_leave_nothing() -> None:
    assert unpaired_lots([]) == ()
    assert unpaired_lots([(UP, Lot(4700, 5)), (DOWN, Lot(5200, 5))]) == ()


def test_the_newest_shares_of_the_larger_side_are_left() -> None:
    buys = [
        (UP, Lot(3000, 5)),
        (DOWN, Lot(6000, 7)),
        (UP, Lot(6500, 5)),
        (UP, Lot(2000, 1)),
    ]
    assert unpaired_lots(buys) == (Lot(6500, 3), Lot(2000, 1))
    assert unpaired_lots([*buys, (DOWN, Lot(100, 10))]) == (Lot(100, 6),)


def test_the_dearest_of_the_shares_that_a_bid_would_pair() -> None:
    lots = (Lot(3000, 5), Lot(6500, 3), Lot(9000, 1))
    assert [dearest_e4(lots, size) for size in (0, 1, 5, 6, 8, 9, 100)] == [
        *(0, 3000, 3000, 6500, 6500, 9000, 9000),
    ]
    assert dearest_e4((), 5) == 0
