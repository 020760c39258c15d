from __future__ import annotations

import pytest

from pmcore.model.errors import InvariantError
from pmcore.model.market import BookSide, Outcome
from pmsim.venue.matching import (
    BookOrder,
    MatchKind,
    MergedBook,
    Refusal,
    UpLevel,
    merge_levels,
    mirrored,
)
from pmsim.venue.ports import OrderSide

UP, DOWN = Outcome.UP, Outcome.DOWN
BUY, SELL = OrderSide.BUY, OrderSide.SELL


def order(
    order_id: str, outcome: Outcome, side: OrderSide, price_e4: int, size: int = 10
) -> BookOrder:
    return BookOrder(
        order_id=order_id,
        owner=order_id,
        outcome=outcome,
        side=side,
        price_e4=price_e4,
        leaves_u6=size,
    )


@pytest.mark.parametrize(
    ("maker", "taker", "kind"),
    [
        ((UP, SELL, 4900), (UP, BUY, 5000), MatchKind.TRANSFER),
        ((UP, BUY, 4900), (UP, SELL, 4800), MatchKind.TRANSFER),
        ((DOWN, BUY, 5100), (UP, BUY, 4900), MatchKind.MINT),
        ((DOWN, SELL, 5100), (UP, SELL, 4900), MatchKind.MERGE),
        ((UP, BUY, 4900), (DOWN, BUY, 5200), MatchKind.MINT),
        ((DOWN, BUY, 5100), (DOWN, SELL, 5100), MatchKind.TRANSFER),
    ],
)
def test_every_pair_of_orders_meets_at_the_makers_price(
    maker: tuple[Outcome, OrderSide, int], taker: tuple[Outcome, OrderSide, int], kind: MatchKind
) -> None:
    book = MergedBook()
    book.place(order("m", *maker))
    placed = book.place(order("t", *taker, 4))
    [match] = placed.matches
    assert (match.kind, match.price_e4, match.qty_u6) == (kind, maker[2], 4)
    assert match.maker.leaves_u6 == 6
    assert placed.rested_u6 == 0


def test_prices_that_do_not_reach_each_other_rest() -> None:
    book = MergedBook()
    book.place(order("m", DOWN, BUY, 5000))
    placed = book.place(order("t", UP, BUY, 4900))
    assert placed.matches == ()
    assert (book.best_e4(BookSide.BID), book.best_e4(BookSide.ASK)) == (4900, 5000)


def test_price_goes_before_time_and_time_before_size() -> None:
    book = MergedBook()
    book.place(order("late", DOWN, BUY, 5000, 3))
    book.place(order("best", UP, SELL, 4900, 3))
    book.place(order("later", UP, SELL, 5000, 100))
    placed = book.place(order("t", UP, BUY, 5000, 8))
    assert [(m.maker.order_id, m.qty_u6) for m in placed.matches] == [
        ("best", 3),
        ("late", 3),
        ("later", 2),
    ]
    assert placed.levels == (
        UpLevel(BookSide.ASK, 4900, 0),
        UpLevel(BookSide.ASK, 5000, 98),
    )


def test_a_remainder_rests_behind_what_it_took() -> None:
    book = MergedBook()
    book.place(order("m", UP, SELL, 5000, 3))
    placed = book.place(order("t", UP, BUY, 5000, 8))
    assert placed.rested_u6 == 5
    assert placed.levels[-1] == UpLevel(BookSide.BID, 5000, 5)


def test_a_post_only_order_never_takes() -> None:
    book = MergedBook()
    book.place(order("m", DOWN, BUY, 5200))
    refused = book.place(order("t", UP, BUY, 4800), post_only=True)
    assert refused.refusal is Refusal.POST_ONLY_CROSSES
    assert book.order("t") is None
    assert book.place(order("t", UP, BUY, 4700), post_only=True).rested_u6 == 10


def test_immediate_orders_leave_nothing_behind() -> None:
    book = MergedBook()
    book.place(order("m", UP, SELL, 5000, 3))
    assert book.take(order("t", UP, BUY, 4900)).refusal is Refusal.NO_MATCH
    fok = book.take(order("t", UP, BUY, 5000, 4), all_or_none=True)
    assert fok.refusal is Refusal.NOT_FILLABLE
    fak = book.take(order("t", UP, BUY, 5000, 4))
    assert [m.qty_u6 for m in fak.matches] == [3]
    assert book.order("t") is None
    assert book.best_e4(BookSide.BID) is None


def test_a_cancel_gives_the_level_as_it_stands() -> None:
    book = MergedBook()
    book.place(order("a", DOWN, BUY, 5000, 3))
    book.place(order("b", UP, SELL, 5000, 4))
    assert book.cancel("a") == UpLevel(BookSide.ASK, 5000, 4)
    assert book.cancel("a") is None
    assert book.size_u6(BookSide.ASK, 5000) == 4


def test_an_id_rests_once() -> None:
    book = MergedBook()
    book.place(order("a", UP, BUY, 5000))
    with pytest.raises(InvariantError):
        book.place(order("a", UP, BUY, 4900))


def test_levels_mirror_and_merge() -> None:
    level = UpLevel(BookSide.BID, 4600, 7)
    assert mirrored(level, UP) == (BookSide.BID, 4600, 7)
    assert mirrored(level, DOWN) == (BookSide.ASK, 5400, 7)
    later = UpLevel(BookSide.BID, 4600, 0)
    other = UpLevel(BookSide.ASK, 4700, 1)
    assert merge_levels([level, other, later]) == [later, other]


def test_a_match_leaves_no_less_than_the_grid_to_its_maker() -> None:
    book = MergedBook(10)
    book.place(order("first", UP, SELL, 5000, 50))
    book.place(order("second", UP, SELL, 5000, 50))
    placed = book.place(order("t", UP, BUY, 5000, 45))
    assert [(match.maker.order_id, match.qty_u6) for match in placed.matches] == [("first", 40)]
    assert placed.rested_u6 == 0
    assert book.order("t") is None
    assert book.size_u6(BookSide.ASK, 5000) == 60


def test_all_or_none_may_miss_less_than_the_grid() -> None:
    book = MergedBook(10)
    book.place(order("m", UP, SELL, 5000, 50))
    assert not book.fills(order("t", UP, BUY, 5000, 60))
    assert book.fills(order("t", UP, BUY, 5000, 59))
    assert book.take(order("t", UP, BUY, 5000, 59), all_or_none=True).matches[0].qty_u6 == 50


def test_an_order_shrinks_in_its_place_of_the_queue() -> None:
    book = MergedBook()
    book.place(order("first", UP, SELL, 5000, 50))
    assert book.is_alone("first")
    book.place(order("second", UP, SELL, 5000, 50))
    assert not book.is_alone("first")
    assert not book.is_alone("unknown")
    assert book.shrink("first", 5) == UpLevel(BookSide.ASK, 5000, 55)
    placed = book.take(order("t", UP, BUY, 5000, 6))
    assert [match.maker.order_id for match in placed.matches] == ["first", "second"]
    with pytest.raises(InvariantError):
        book.shrink("second", 50)
