"""The book is what a plain dictionary of levels would be, whatever deltas come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pmcore.machines.book import BookState, WindowBooks
from pmcore.machines.book_hash import book_hash
from pmcore.messages.market_data import LevelChange
from pmcore.model.market import BookSide, Outcome
from support.venue_books import ASKS, BIDS, cent_window, delta, snapshot

LEVEL_PRICES = st.integers(1, 99).map(lambda cents: cents * 100)
SIZES = st.one_of(st.just(0), st.integers(1, 10**12))
CHANGES = st.lists(
    st.builds(
        LevelChange, st.sampled_from(Outcome), st.sampled_from(BookSide), LEVEL_PRICES, SIZES
    ),
    max_size=60,
)


def model_of(changes: list[LevelChange]) -> dict[tuple[Outcome, BookSide], dict[int, int]]:
    model = {
        (outcome, side): dict(levels)
        for outcome in Outcome
        for side, levels in ((BookSide.BID, BIDS), (BookSide.ASK, ASKS))
    }
    for change in changes:
        levels = model[change.outcome, change.side]
        levels[change.price_e4] = change.size_u6
        if not change.size_u6:
            del levels[change.price_e4]
    return model


@given(CHANGES)
def test_books_equal_a_naive_model(changes: list[LevelChange]) -> None:
    books = WindowBooks(cent_window())
    for outcome in Outcome:
        books.apply(snapshot(outcome))
    for change in changes:
        books.apply(delta(change))
    for (outcome, side), levels in model_of(changes).items():
        best_first = sorted(levels.items(), reverse=side is BookSide.BID)
        assert list(books.levels(outcome, side)) == best_first
    for outcome in Outcome:
        touch = books.touch(outcome)
        crossed = (
            touch.bid_e4 is not None and touch.ask_e4 is not None and touch.bid_e4 >= touch.ask_e4
        )
        assert (books.state(outcome) is BookState.CROSSED) == crossed


@given(CHANGES, st.integers(0, 59))
def test_the_hash_of_the_kept_book_is_that_of_the_naive_one(
    changes: list[LevelChange], ms: int
) -> None:
    books = WindowBooks(cent_window())
    for outcome in Outcome:
        books.apply(snapshot(outcome))
    books.apply(delta(*changes))
    model = model_of(changes)
    stamp = delta(ms=ms).ts_event_ns
    for outcome in Outcome:
        books.apply(delta(LevelChange(outcome, BookSide.BID, 100, 0, ""), ms=ms))
        model[outcome, BookSide.BID].pop(100, None)
        expected = book_hash(
            cent_window(),
            outcome,
            ts_event_ns=stamp,
            bids=sorted(model[outcome, BookSide.BID].items()),
            asks=sorted(model[outcome, BookSide.ASK].items(), reverse=True),
            tick_e4=100,
            last_trade="",
        )
        before = books.counters.change_hashes_verified
        books.apply(delta(LevelChange(outcome, BookSide.BID, 100, 0, expected), ms=ms))
        assert books.counters.change_hashes_verified == before + 1


@given(CHANGES)
def test_a_checkpoint_is_the_whole_book(changes: list[LevelChange]) -> None:
    books, late = WindowBooks(cent_window()), WindowBooks(cent_window())
    books.apply(snapshot())
    books.apply(delta(*changes))
    taken = books.checkpoint(Outcome.UP, 7)
    assert taken is not None
    late.apply(taken)
    for side in BookSide:
        assert late.levels(Outcome.UP, side) == books.levels(Outcome.UP, side)
