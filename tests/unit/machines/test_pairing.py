"""Shares paired first in first out."""

from __future__ import annotations

from pmcore.machines.pairing import Lot, Pair, Pairing, dearest_e4, pair_lots
from pmcore.model.market import Outcome

UP, DOWN = Outcome.UP, Outcome.DOWN


def test_nothing_and_whole_pairs_leave_nothing() -> None:
    assert pair_lots([]) == Pairing()
    up, down = Lot(4700, 5, 1), Lot(5200, 5, 2)
    for buys in ([(UP, up), (DOWN, down)], [(DOWN, down), (UP, up)]):
        assert pair_lots(buys) == Pairing((Pair(up, down),))
    assert Pair(up, down).cost_e4 == 9900


def test_the_oldest_shares_are_paired_first_and_lots_are_divided() -> None:
    buys = [
        (UP, Lot(3000, 5, 10)),
        (DOWN, Lot(6000, 7, 20)),
        (UP, Lot(6500, 5, 30)),
        (UP, Lot(2000, 1, 40)),
    ]
    assert pair_lots(buys) == Pairing(
        (
            Pair(Lot(3000, 5, 10), Lot(6000, 5, 20)),
            Pair(Lot(6500, 2, 30), Lot(6000, 2, 20)),
        ),
        (Lot(6500, 3, 30), Lot(2000, 1, 40)),
    )
    assert pair_lots([*buys, (DOWN, Lot(100, 10, 50))]).unpaired == (Lot(100, 6, 50),)


def test_the_dearest_of_the_shares_that_a_bid_would_pair() -> None:
    lots = (Lot(3000, 5), Lot(6500, 3), Lot(9000, 1))
    assert [dearest_e4(lots, size) for size in (0, 1, 5, 6, 8, 9, 100)] == [
        *(0, 3000, 3000, 6500, 6500, 9000, 9000),
    ]
    assert dearest_e4((), 5) == 0
