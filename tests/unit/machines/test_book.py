"""Both books of a window: what makes them usable, and what does not."""

from __future__ import annotations

import pytest

from pmcore.machines.book import DOUBTS_LIMIT, BookEffect, BookState, Touch, WindowBooks
from pmcore.machines.book_hash import book_hash
from pmcore.messages.market_data import SnapshotOrigin
from pmcore.model.market import BookSide, Outcome
from support.builders import T0_NS
from support.venue_books import (
    ASKS,
    BIDS,
    MS,
    after_trade,
    bid,
    cent_window,
    delta,
    finer,
    printed,
    snapshot,
)

UP, DOWN = Outcome.UP, Outcome.DOWN
WRONG = "0" * 40


def live(*, search: bool = False) -> WindowBooks:
    books = WindowBooks(cent_window(), search_last_trade=search)
    assert books.apply(snapshot()) == BookEffect()
    return books


def hash_of(
    bids: tuple[tuple[int, int], ...], ms: int, *, last_trade: str = "", outcome: Outcome = UP
) -> str:
    return book_hash(
        cent_window(),
        outcome,
        ts_event_ns=T0_NS + ms * MS,
        bids=bids,
        asks=ASKS,
        tick_e4=100,
        last_trade=last_trade,
    )


def test_a_fresh_pair_of_books_knows_nothing() -> None:
    books = WindowBooks(cent_window())
    assert books.state(UP) is BookState.EMPTY
    assert books.touch(UP) == Touch(None, None, 0)
    assert books.levels(UP, BookSide.BID) == ()
    assert books.checkpoint(UP, 1) is None


def test_the_depth_is_that_of_the_own_touch() -> None:
    books = live()
    best = (max(BIDS)[1], min(ASKS)[1])
    assert (books.depth_u6(UP), books.depth_u6(DOWN)) == (best, (0, 0))


def test_a_book_that_fits_its_hash_is_live() -> None:
    books = live()
    assert books.state(UP) is BookState.LIVE
    assert books.state(DOWN) is BookState.EMPTY
    assert books.counters.books_verified == 1
    assert books.touch(UP) == Touch(4900, 5100, T0_NS + 100)
    assert list(books.levels(UP, BookSide.BID)) == sorted(BIDS, reverse=True)
    assert list(books.levels(UP, BookSide.ASK)) == sorted(ASKS)


def test_a_book_that_contradicts_its_hash_is_a_gap_until_the_next_one_fits() -> None:
    books = WindowBooks(cent_window())
    assert books.apply(snapshot(hash_=WRONG)).gap == "book_hash"
    assert books.state(UP) is BookState.GAP
    assert books.counters.books_mismatched == 1
    assert books.checkpoint(UP, 1) is None
    books.apply(snapshot(ms=1))
    assert books.state(UP) is BookState.LIVE


def test_a_book_without_a_hash_is_taken_and_counted_as_unverifiable() -> None:
    books = WindowBooks(cent_window())
    assert books.apply(snapshot(hash_="")) == BookEffect()
    assert books.state(UP) is BookState.LIVE
    assert books.counters.books_unverifiable == 1


def test_a_checkpoint_restores_the_book_and_is_not_counted() -> None:
    books = live()
    taken = books.checkpoint(UP, T0_NS + 5)
    assert taken is not None
    late = WindowBooks(cent_window())
    late.apply(taken)
    assert late.state(UP) is BookState.LIVE
    assert late.levels(UP, BookSide.BID) == books.levels(UP, BookSide.BID)
    assert late.counters == WindowBooks(cent_window()).counters
    late.apply(delta(bid(4800, 7_000_000, hash_of((BIDS[0], (4800, 7_000_000), BIDS[2]), 20))))
    assert late.counters.change_hashes_verified == 1


@pytest.mark.parametrize("origin", [SnapshotOrigin.REST, SnapshotOrigin.CHECKPOINT])
def test_an_older_rest_book_or_checkpoint_does_not_replace_a_newer_book(
    origin: SnapshotOrigin,
) -> None:
    books = live()
    books.apply(delta(bid(5000, 1_000_000), ms=20))
    books.apply(snapshot(origin=origin, ms=19))
    assert books.touch(UP).bid_e4 == 5000
    books.apply(snapshot(origin=origin, ms=20))
    assert books.touch(UP).bid_e4 == 4900


def test_an_older_frame_of_the_socket_counts_because_arrival_orders() -> None:
    books = live()
    books.apply(delta(bid(5000, 1_000_000), ms=20))
    books.apply(snapshot(ms=19))
    assert books.touch(UP).bid_e4 == 4900


def test_changes_set_and_remove_levels() -> None:
    books = live()
    books.apply(delta(bid(4900, 0), bid(4800, 5_000_000), bid(4600, 1_000_000), bid(4500, 0)))
    assert list(books.levels(UP, BookSide.BID)) == [
        (4800, 5_000_000),
        (4700, 30_000_000),
        (4600, 1_000_000),
    ]


def test_changes_before_the_first_book_are_ignored() -> None:
    books = WindowBooks(cent_window())
    assert books.apply(delta(bid(4900, 5_000_000), damaged=(UP,))) == BookEffect()
    assert books.state(UP) is BookState.EMPTY


def test_a_crossed_book_is_not_usable_and_heals_by_itself() -> None:
    books = live()
    books.apply(delta(bid(5100, 1_000_000)))
    assert books.state(UP) is BookState.CROSSED
    books.apply(delta(bid(5100, 0)))
    assert books.state(UP) is BookState.LIVE


def test_a_change_hash_holds_after_the_last_frame_of_its_event() -> None:
    books = live()
    after = (BIDS[0], (4800, 7_000_000), (4900, 8_000_000))
    event_hash = hash_of(after, 20)
    books.apply(delta(bid(4800, 7_000_000, event_hash)))
    assert books.counters.change_hashes_verified == 0
    books.apply(delta(bid(4900, 8_000_000, event_hash)))
    assert books.counters.change_hashes_verified == 1
    books.apply(delta(bid(4900, 8_000_000, event_hash)))
    assert books.counters.change_hashes_verified == 1
    assert books.counters.change_hashes_mismatched == 0


def test_a_change_hash_that_another_follows_first_is_mismatched_and_no_gap() -> None:
    books = live()
    books.apply(delta(bid(4800, 7_000_000, WRONG)))
    assert books.counters.change_hashes_mismatched == 0
    assert books.apply(delta(bid(4800, 6_000_000, "1" * 40))) == BookEffect()
    assert books.counters.change_hashes_mismatched == 1
    assert books.state(UP) is BookState.LIVE
    books.apply(snapshot(ms=40))
    assert books.counters.change_hashes_mismatched == 2


def test_a_book_with_the_open_groups_own_hash_closes_it_uncounted() -> None:
    books = live()
    whole = snapshot(ms=20)
    books.apply(delta(bid(4800, 7_000_000, whole.hash)))
    books.apply(whole)
    assert books.counters.change_hashes_mismatched == 0


def test_change_hashes_that_never_fit_with_no_agreeing_touch_are_a_gap() -> None:
    books = live()
    gaps = [
        books.apply(delta(bid(4800, 1_000_000 + n, f"{n:040x}", touch=(4500, 5500)))).gap
        for n in range(DOUBTS_LIMIT + 3)
    ]
    assert gaps == [""] * DOUBTS_LIMIT + ["change_hashes", "", ""]
    assert books.state(UP) is BookState.GAP
    assert books.counters.touch_disagreements == DOUBTS_LIMIT + 3
    whole = (BIDS[0], (4800, 2_000_000), BIDS[2])
    books.apply(delta(bid(4800, 2_000_000, hash_of(whole, 20))))
    assert books.state(UP) is BookState.LIVE


def test_an_agreeing_touch_takes_the_doubts_away() -> None:
    books = live()
    for n in range(3 * DOUBTS_LIMIT):
        touch = (4900, 5100) if n % (DOUBTS_LIMIT - 1) == 0 else (4500, 5500)
        assert books.apply(delta(bid(4800, 1_000_000 + n, f"{n:040x}", touch=touch))).gap == ""
    assert books.counters.touch_agreements == 4


@pytest.mark.parametrize(
    ("touch", "agrees"),
    [
        ((4900, 5100), True),
        ((4900, None), True),
        ((None, 5100), True),
        ((4800, 5100), False),
        ((4900, 5200), False),
    ],
)
def test_the_venues_touch_is_compared_with_ours(
    touch: tuple[int | None, int | None], agrees: bool
) -> None:
    books = live()
    books.apply(delta(bid(4800, 1_000_000, touch=touch)))
    assert books.counters.touch_agreements == agrees
    assert books.counters.touch_disagreements == (not agrees)


def test_an_empty_side_agrees_with_zero_and_one() -> None:
    books = WindowBooks(cent_window())
    books.apply(snapshot(bids=(BIDS[0],), asks=()))
    books.apply(delta(bid(4700, 0, touch=(0, 10_000))))
    assert books.counters.touch_agreements == 1
    assert books.state(UP) is BookState.LIVE
    assert books.touch(UP) == Touch(None, None, T0_NS + 20 * MS + 100)


def test_after_a_trade_the_print_gives_the_price_in_the_hash() -> None:
    books = live()
    books.apply(printed(5100, outcome=DOWN))
    books.apply(after_trade(traded="0.490"))
    assert books.counters.books_verified == 2
    books.apply(snapshot(DOWN))
    books.apply(after_trade(DOWN, traded="0.490", ms=11))
    assert books.counters.books_verified == 4


def test_after_a_trade_nobody_printed_yet_the_book_is_usable_but_unverifiable() -> None:
    books = live()
    assert books.apply(after_trade(traded="0.470")) == BookEffect()
    assert books.state(UP) is BookState.LIVE
    assert books.counters.books_unverifiable == 1
    books.apply(printed(4700))
    books.apply(
        delta(
            bid(
                4800,
                7_000_000,
                hash_of((BIDS[0], (4800, 7_000_000), BIDS[2]), 20, last_trade="0.470"),
            )
        )
    )
    assert books.counters.change_hashes_verified == 1


def test_a_search_finds_the_price_of_an_unseen_trade_and_reports_it_once() -> None:
    books = live(search=True)
    books.apply(snapshot(DOWN))
    assert books.apply(after_trade(traded="0.491")).unseen_trade_e4 == 4910
    assert books.apply(after_trade(DOWN, traded="0.491")) == BookEffect()
    assert books.apply(after_trade(traded="0.491")).unseen_trade_e4 == 4910
    assert books.apply(after_trade(DOWN, traded="0.491", ms=9)) == BookEffect()
    assert books.apply(after_trade(DOWN, traded="0.850", ms=12)).unseen_trade_e4 == 8500
    assert books.counters.books_verified == 7


def test_a_market_that_prints_its_trades_has_no_unseen_ones() -> None:
    books = live(search=True)
    books.apply(printed(4900))
    assert books.apply(after_trade(traded="0.333")) == BookEffect()
    assert books.counters.books_verified == 2


def test_a_book_without_trade_or_last_price_reports_no_trade() -> None:
    books = live()
    assert books.apply(after_trade(traded="")) == BookEffect()
    assert books.counters.books_verified == 2


def test_a_search_that_finds_nothing_is_a_mismatch_but_no_proof_of_a_gap() -> None:
    books = live(search=True)
    assert books.apply(after_trade(traded="", hash_=WRONG)).gap == ""
    assert books.counters.books_mismatched == 1


def test_a_search_in_an_empty_book_starts_in_the_middle() -> None:
    books = live(search=True)
    found = books.apply(after_trade(traded="0.003", bids=(), asks=()))
    assert found.unseen_trade_e4 == 30


def test_a_hash_proves_a_finer_tick_nobody_announced() -> None:
    books = live(search=True)
    books.apply(
        after_trade(traded="0.977", hashed_tick_e4=10, bids=((9740, 1), (9760, 1)), asks=())
    )
    assert books.counters.books_mismatched == 0
    assert books.tick_e4 == 10
    assert books.apply(delta(bid(9750, 1_000_000))) == BookEffect()


def test_a_frame_that_gives_its_last_trade_but_no_tick_is_tried_on_the_usual_ticks() -> None:
    books = WindowBooks(cent_window())
    books.apply(snapshot(tick_e4=None, hashed_tick_e4=10))
    assert books.counters.books_verified == 1
    assert books.tick_e4 == 10


def test_a_frame_without_a_hash_may_show_a_finer_tick() -> None:
    books = WindowBooks(cent_window())
    books.apply(snapshot(hash_="", tick_e4=None, bids=((4910, 1_000_000),)))
    assert (books.tick_e4, books.state(UP)) == (10, BookState.LIVE)
    told = WindowBooks(cent_window())
    told.apply(snapshot(hash_="", tick_e4=10))
    assert told.tick_e4 == 10


@pytest.mark.parametrize(
    "off_grid",
    [
        after_trade(traded="0.480", bids=((4910, 1_000_000),)),
        snapshot(hash_="", bids=((4911, 1_000_000),)),
    ],
)
def test_levels_off_the_grid_that_nothing_confirms_are_a_gap(off_grid: object) -> None:
    books = live()
    assert books.apply(off_grid).gap == "off_grid"  # type: ignore[arg-type] # both are snapshots
    assert books.state(UP) is BookState.GAP


@pytest.mark.parametrize("price_e4", [4950, 0, 10_000])
def test_a_change_off_the_grid_is_left_out_and_the_book_is_a_gap(price_e4: int) -> None:
    books = live()
    assert books.apply(delta(bid(price_e4, 1_000_000))).gap == "off_grid"
    assert books.apply(delta(bid(price_e4, 1_000_000))).gap == ""
    assert books.touch(UP).bid_e4 == 4900
    assert books.state(UP) is BookState.GAP


def test_a_damaged_message_is_a_gap() -> None:
    books = live()
    assert books.apply(delta(damaged=(UP,))).gap == "damaged"
    assert books.apply(delta(damaged=(UP, DOWN))).gap == ""
    assert books.state(UP) is BookState.GAP
    books.apply(snapshot(ms=40))
    assert books.apply(snapshot(bids=(), asks=(), hash_="", damaged="bad_size")).gap == "damaged"
    assert books.state(UP) is BookState.GAP


def test_a_finer_tick_drops_both_books_a_coarser_one_is_not_believed() -> None:
    books = live()
    books.apply(finer(1000))
    assert (books.tick_e4, books.state(UP)) == (100, BookState.LIVE)
    books.apply(finer(10))
    assert (books.tick_e4, books.state(UP)) == (10, BookState.EMPTY)


def test_reset_drops_both_books() -> None:
    books = live()
    books.reset()
    assert books.state(UP) is BookState.EMPTY


def test_the_tick_of_a_frame_is_believed_when_its_hash_agrees() -> None:
    books = WindowBooks(cent_window())
    books.apply(snapshot(tick_e4=1, hashed_tick_e4=1))
    assert books.counters.books_verified == 1
    assert books.tick_e4 == 1
