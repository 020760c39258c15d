"""The levels of a book."""

from __future__ import annotations

import pytest

from pmcore.machines.book_hash import level_text
from pmcore.machines.book_levels import Ladder, TokenBook
from pmcore.model.market import BookSide
from support.venue_books import ASKS

BEST_LAST = [(4700, 5_000_000), (4800, 2_000_000)]


def test_a_ladder_sorts_what_comes_and_drops_empty_levels() -> None:
    ladder = Ladder(BookSide.ASK, [(5100, 1), (5300, 3), (5200, 0)])
    assert ladder.levels() == [(5300, 3), (5100, 1)]
    assert (ladder.best_e4, ladder.best_u6) == (5100, 1)
    assert ladder.texts == [level_text((5300, 3)), level_text((5100, 1))]
    assert (Ladder(BookSide.BID).best_e4, Ladder(BookSide.BID).best_u6) == (None, 0)


@pytest.mark.parametrize(
    "levels",
    [
        [(5300, 3), (5200, 0), (5100, 1)],  # in order, with an empty one
        [(5100, 1), (5300, 3)],  # out of order
        [(5300, 9), (5300, 3), (5100, 1)],  # one twice: the last one counts
    ],
)
def test_a_ladder_is_the_same_whatever_way_the_levels_come(levels: list[tuple[int, int]]) -> None:
    ladder, plain = Ladder(BookSide.ASK, levels), Ladder(BookSide.ASK, [(5300, 3), (5100, 1)])
    assert ladder.levels() == plain.levels() == [(5300, 3), (5100, 1)]
    assert ladder.texts == plain.texts


def test_a_ladder_knows_its_grid() -> None:
    assert not Ladder(BookSide.ASK, ASKS).off_grid(100)
    assert Ladder(BookSide.BID, [(4910, 1)]).off_grid(100)


def test_a_level_is_set_changed_and_removed_with_its_text() -> None:
    ladder = Ladder(BookSide.BID, BEST_LAST)
    ladder.put(4750, 1_000_000)
    ladder.put(4700, 7_000_000)
    ladder.put(4800, 0)
    ladder.put(4999, 0)
    assert ladder.levels() == [(4700, 7_000_000), (4750, 1_000_000)]
    assert ladder.texts == [level_text((4700, 7_000_000)), level_text((4750, 1_000_000))]


def test_the_joined_text_and_the_best_price_follow_every_change() -> None:
    ladder = Ladder(BookSide.ASK, [(5200, 2_000_000)])
    for price_e4, size_u6, best_e4 in (
        *((5100, 1_000_000, 5100), (5100, 3_000_000, 5100), (5100, 0, 5200)),
        *((5100, 0, 5200), (5200, 0, None)),
    ):
        ladder.joined()
        ladder.put(price_e4, size_u6)
        assert ladder.joined() == b",".join(ladder.texts)
        assert ladder.best_e4 == best_e4


def token_book(bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> TokenBook:
    return TokenBook(bids, asks, ts_event_ns=1, ts_recv_ns=2)


def test_a_book_knows_its_sides_its_grid_and_where_a_trade_was() -> None:
    book = token_book([(4800, 1)], [(4905, 1)])
    assert (book.side(BookSide.BID), book.side(BookSide.ASK)) == (book.bids, book.asks)
    assert book.off_grid(100)
    assert token_book([(4805, 1)], []).off_grid(100)
    assert not book.off_grid(5)
    assert book.likely_trades_e4() == [4800, 4905, 5200, 5095]
    assert token_book([], []).likely_trades_e4() == []
