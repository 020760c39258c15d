from __future__ import annotations

import msgspec
import pytest

from pmcore.messages.market_data import (
    BookDelta,
    BookSnapshot,
    FeedState,
    FeedStatusChanged,
    LevelChange,
    SnapshotOrigin,
    TickSizeChanged,
    TradePrinted,
)
from pmcore.model.errors import InvariantError
from pmcore.model.market import BookSide, Outcome, TakerSide, Window
from pmcore.model.units import NS_PER_MS, NS_PER_S
from pmsim.queue.model import QueueModel

UP, DOWN = Outcome.UP, Outcome.DOWN
SHARE = 1_000_000
WINDOW = Window(
    series="btc-15m",
    slug="btc-updown-15m-1790766900",
    condition_id="0xc0",
    up_token_id="11",
    down_token_id="22",
    open_ns=0,
    close_ns=900 * NS_PER_S,
    tick_e4=100,
    min_size_u6=5 * SHARE,
)


def book(
    bids: dict[int, int],
    asks: dict[int, int],
    *,
    outcome: Outcome = UP,
    ms: int = 0,
    origin: SnapshotOrigin = SnapshotOrigin.SUBSCRIBE,
) -> BookSnapshot:
    """Levels in cents and shares."""
    return BookSnapshot(
        slug=WINDOW.slug,
        outcome=outcome,
        bids=tuple((p * 100, s * SHARE) for p, s in sorted(bids.items())),
        asks=tuple((p * 100, s * SHARE) for p, s in sorted(asks.items(), reverse=True)),
        hash="",
        origin=origin,
        ts_event_ns=ms * NS_PER_MS,
        ts_recv_ns=ms * NS_PER_MS,
    )


def trade(
    price: int,
    size: int,
    *,
    outcome: Outcome = UP,
    side: TakerSide = TakerSide.SELL,
    ms: int = 10,
) -> TradePrinted:
    return TradePrinted(
        slug=WINDOW.slug,
        outcome=outcome,
        taker_side=side,
        price_e4=price * 100,
        size_u6=size * SHARE,
        ts_event_ns=ms * NS_PER_MS,
        ts_recv_ns=ms * NS_PER_MS,
    )


def level(price: int, size: int, *, side: BookSide = BookSide.BID, ms: int = 10) -> BookDelta:
    change = LevelChange(outcome=UP, side=side, price_e4=price * 100, size_u6=size * SHARE)
    return BookDelta(
        slug=WINDOW.slug,
        changes=(change,),
        ts_event_ns=ms * NS_PER_MS,
        ts_recv_ns=ms * NS_PER_MS,
    )


def queue_with_order(*, price: int = 48, size: int = 5, ms: int = 5) -> QueueModel:
    queue = QueueModel(WINDOW)
    queue.on_market(book({48: 100, 47: 50}, {52: 30}))
    queue.add("a", UP, price * 100, size * SHARE, ms * NS_PER_MS)
    return queue


def test_a_new_order_stands_behind_all_that_is_displayed() -> None:
    assert queue_with_order().ahead_u6("a") == 100 * SHARE
    assert queue_with_order(price=49).ahead_u6("a") == 0


def test_trades_eat_the_queue_ahead_before_us() -> None:
    queue = queue_with_order()
    assert queue.on_market(trade(48, 98)) == []
    assert queue.ahead_u6("a") == 2 * SHARE
    assert queue.on_market(trade(48, 5, ms=20)) == [("a", 3 * SHARE, 4800)]
    assert queue.on_market(trade(48, 50, ms=30)) == [("a", 2 * SHARE, 4800)]
    assert queue.remove("a") == 0


def test_a_taker_who_buys_the_complement_hits_our_bid() -> None:
    queue = queue_with_order()
    fills = queue.on_market(trade(52, 103, outcome=DOWN, side=TakerSide.BUY))
    assert fills == [("a", 3 * SHARE, 4800)]


@pytest.mark.parametrize(
    "print_",
    [
        trade(49, 500),
        trade(48, 500, side=TakerSide.BUY),
        trade(51, 500, outcome=DOWN, side=TakerSide.BUY),
        trade(52, 500, outcome=DOWN),
    ],
)
def test_trades_elsewhere_do_not_touch_us(print_: TradePrinted) -> None:
    queue = queue_with_order()
    assert queue.on_market(print_) == []
    assert queue.ahead_u6("a") == 100 * SHARE


def test_better_bids_that_are_still_shown_are_hit_before_us() -> None:
    queue = queue_with_order(price=47)
    assert queue.on_market(trade(47, 152)) == [("a", 2 * SHARE, 4700)]


def test_cancels_are_behind_us_but_the_queue_never_exceeds_what_is_shown() -> None:
    queue = queue_with_order()
    queue.on_market(level(48, 130))
    assert queue.ahead_u6("a") == 100 * SHARE
    queue.on_market(level(48, 110))
    assert queue.ahead_u6("a") == 100 * SHARE
    queue.on_market(level(48, 60))
    assert queue.ahead_u6("a") == 60 * SHARE


def test_a_print_after_its_book_does_not_count_twice() -> None:
    queue = queue_with_order()
    queue.on_market(book({48: 40, 47: 50}, {52: 30}, ms=10, origin=SnapshotOrigin.TRADE))
    assert queue.ahead_u6("a") == 40 * SHARE
    assert queue.on_market(trade(48, 60, ms=45)) == []
    assert queue.ahead_u6("a") == 40 * SHARE
    assert queue.on_market(trade(48, 42, ms=2_000)) == [("a", 2 * SHARE, 4800)]


def test_shares_that_a_sweep_took_above_us_are_not_ours() -> None:
    queue = queue_with_order(price=47)
    queue.on_market(book({47: 50}, {52: 30}, ms=10, origin=SnapshotOrigin.TRADE))
    assert queue.on_market(trade(47, 152, ms=45)) == [("a", 2 * SHARE, 4700)]


def test_a_trade_that_happened_before_we_rested_does_not_fill_us() -> None:
    queue = QueueModel(WINDOW)
    queue.on_market(book({48: 100}, {52: 30}))
    queue.on_market(book({48: 40}, {52: 30}, ms=10, origin=SnapshotOrigin.TRADE))
    queue.add("a", UP, 4800, 5 * SHARE, 20 * NS_PER_MS)
    assert queue.on_market(trade(48, 60, ms=45)) == []
    assert queue.ahead_u6("a") == 40 * SHARE


def test_one_trade_fills_two_orders_in_priority_and_never_more_than_its_size() -> None:
    queue = queue_with_order(price=49)
    queue.add("b", UP, 4900, 5 * SHARE, 6 * NS_PER_MS)
    queue.add("c", UP, 4800, 5 * SHARE, 7 * NS_PER_MS)
    assert queue.on_market(trade(48, 7)) == [("a", 5 * SHARE, 4900), ("b", 2 * SHARE, 4900)]


def test_asks_that_run_through_our_price_fill_us_once_for_what_they_offer() -> None:
    queue = queue_with_order()
    moved = book({40: 10}, {48: 3, 52: 30}, ms=10)
    assert queue.on_market(moved) == [("a", 3 * SHARE, 4800)]
    assert queue.on_market(moved) == []
    assert queue.on_market(book({40: 10}, {47: 1, 48: 3}, ms=11)) == [("a", 1 * SHARE, 4800)]
    queue.on_market(book({40: 10}, {50: 3}, ms=12))
    assert queue.on_market(book({40: 10}, {48: 3}, ms=13)) == [("a", 1 * SHARE, 4800)]


def test_a_book_that_is_itself_crossed_fills_nobody() -> None:
    queue = queue_with_order()
    assert queue.on_market(level(48, 9, side=BookSide.ASK)) == []


def test_without_prints_trades_are_inferred_from_the_touch() -> None:
    queue = queue_with_order()
    queue.on_market(book({48: 100}, {52: 30}, ms=10, origin=SnapshotOrigin.TRADE))
    late = book({47: 20}, {52: 30}, ms=2_010, origin=SnapshotOrigin.TRADE)
    assert queue.on_market(late) == []  # exactly the queue ahead of us
    assert queue.ahead_u6("a") == 0
    again = book({48: 10}, {52: 30}, ms=2_020, origin=SnapshotOrigin.TRADE)
    queue.on_market(again)
    gone = book({47: 20}, {52: 30}, ms=2_030, origin=SnapshotOrigin.TRADE)
    assert queue.on_market(gone) == [("a", 5 * SHARE, 4800)]


def test_an_inferred_trade_must_be_told_apart_from_one_on_the_other_side() -> None:
    both = book({48: 20}, {52: 10}, ms=3_000, origin=SnapshotOrigin.TRADE)
    for hint, ahead in ((None, 20), (4800, 20), (5200, 20), (6000, 20)):
        queue = queue_with_order()
        queue.on_market(book({48: 100}, {52: 30}, ms=10, origin=SnapshotOrigin.TRADE))
        queue.on_market(both, unseen_trade_e4=hint)
        assert queue.ahead_u6("a") == ahead * SHARE
    queue = queue_with_order(price=49)
    queue.on_market(book({49: 2, 48: 100}, {53: 30}, ms=10, origin=SnapshotOrigin.TRADE))
    hit = book({48: 100}, {53: 29}, ms=3_000, origin=SnapshotOrigin.TRADE)
    assert queue.on_market(hit) == []
    queue.on_market(book({49: 2, 48: 100}, {53: 30}, ms=3_010, origin=SnapshotOrigin.TRADE))
    hit = book({48: 100}, {53: 29}, ms=3_020, origin=SnapshotOrigin.TRADE)
    assert queue.on_market(hit, unseen_trade_e4=5100) == [("a", 2 * SHARE, 4900)]


def test_a_single_print_ends_inference() -> None:
    queue = queue_with_order(price=49)
    queue.on_market(trade(40, 1))
    queue.on_market(book({48: 100}, {52: 30}, ms=20, origin=SnapshotOrigin.TRADE))
    moved = book({47: 20}, {52: 30}, ms=5_000, origin=SnapshotOrigin.TRADE)
    assert queue.on_market(moved) == []


def test_an_order_added_without_a_book_waits_for_one() -> None:
    queue = QueueModel(WINDOW)
    queue.add("a", UP, 4800, 5 * SHARE, 0)
    assert queue.ahead_u6("a") is None
    assert queue.on_market(trade(48, 500)) == []
    queue.on_market(level(48, 3))
    queue.on_market(book({48: 70}, {52: 30}))
    assert queue.ahead_u6("a") == 70 * SHARE


def test_a_lost_feed_drops_the_books_and_keeps_the_places() -> None:
    queue = queue_with_order()
    down = FeedStatusChanged(slug=WINDOW.slug, state=FeedState.DOWN, ts_recv_ns=1)
    queue.on_market(down)
    assert not queue.crosses(UP, 9900)
    queue.on_market(FeedStatusChanged(slug=WINDOW.slug, state=FeedState.LIVE, ts_recv_ns=2))
    queue.on_market(book({48: 30}, {52: 30}))
    assert queue.ahead_u6("a") == 30 * SHARE
    queue.on_market(
        TickSizeChanged(slug=WINDOW.slug, outcome=UP, new_tick_e4=10, ts_event_ns=3, ts_recv_ns=3)
    )
    assert not queue.crosses(UP, 9900)


def test_crossing_is_judged_on_both_books() -> None:
    queue = queue_with_order()
    assert queue.crosses(UP, 5200)
    assert not queue.crosses(UP, 5100)
    queue.on_market(book({50: 4}, {53: 1}, outcome=DOWN, ms=1))
    assert queue.crosses(UP, 5000)
    assert not queue.crosses(UP, 4900)
    assert queue.crosses(DOWN, 5300)
    assert not queue.crosses(DOWN, 5200)


def test_levels_appear_and_vanish_by_delta() -> None:
    queue = queue_with_order()
    queue.on_market(level(52, 0, side=BookSide.ASK))
    assert not queue.crosses(UP, 9900)


def test_other_windows_and_double_orders() -> None:
    queue = queue_with_order()
    other = TradePrinted(
        slug="other-1",
        outcome=UP,
        taker_side=TakerSide.SELL,
        price_e4=100,
        size_u6=10**12,
        ts_event_ns=1,
        ts_recv_ns=1,
    )
    assert queue.on_market(other) == []
    with pytest.raises(InvariantError):
        queue.add("a", UP, 4800, SHARE, 0)


def test_the_complements_frame_of_the_same_moment_changes_nothing() -> None:
    queue = queue_with_order()
    queue.on_market(book({48: 10}, {52: 30}, ms=10, origin=SnapshotOrigin.TRADE))
    queue.on_market(book({48: 70}, {52: 99}, outcome=DOWN, ms=10, origin=SnapshotOrigin.TRADE))
    assert queue.ahead_u6("a") == 10 * SHARE
    queue.on_market(book({48: 30}, {52: 4}, outcome=DOWN, ms=11, origin=SnapshotOrigin.TRADE))
    assert queue.ahead_u6("a") == 4 * SHARE


def test_one_tokens_recording_fills_the_other_tokens_bids() -> None:
    queue = QueueModel(WINDOW)
    queue.on_market(book({48: 100}, {52: 30}))
    queue.add("down", DOWN, 4800, 5 * SHARE, NS_PER_MS)
    assert queue.ahead_u6("down") == 30 * SHARE
    assert queue.on_market(trade(52, 32, side=TakerSide.BUY)) == [("down", 2 * SHARE, 4800)]
    assert queue.on_market(book({52: 1}, {55: 9}, ms=12)) == [("down", 1 * SHARE, 4800)]


def test_a_damaged_book_is_no_book() -> None:
    queue = queue_with_order()
    queue.on_market(msgspec.structs.replace(book({}, {}), damaged="bad_price"))
    assert not queue.crosses(UP, 9900)
    queue.on_market(book({48: 60}, {52: 30}, ms=11))
    assert queue.ahead_u6("a") == 60 * SHARE
    queue.on_market(msgspec.structs.replace(level(48, 1), damaged=(DOWN,)))
    assert queue.ahead_u6("a") == 60 * SHARE


def test_fills_lie_on_the_venues_size_grid() -> None:
    queue = queue_with_order(price=49)
    odd = msgspec.structs.replace(trade(49, 1), size_u6=1_234_567)
    assert queue.on_market(odd) == [("a", 1_230_000, 4900)]
