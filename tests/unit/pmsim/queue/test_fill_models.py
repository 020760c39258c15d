"""Hand-made tapes with the right answer of each model, for one bid of 10 shares for Up at .48."""

from __future__ import annotations

import pytest

from pmcore.messages.market_data import (
    BookDelta,
    LevelChange,
    MarketDataMessage,
    SnapshotOrigin,
)
from pmcore.model.market import BookSide, Outcome, TakerSide
from pmcore.model.units import NS_PER_MS
from pmsim.queue.line import FillModel
from pmsim.queue.model import QueueModel
from unit.pmsim.queue.test_model import SHARE, WINDOW, book, trade

TRADE = SnapshotOrigin.TRADE


def shown(shares: int, *, ms: int, cents: int = 48) -> BookDelta:
    change = LevelChange(Outcome.UP, BookSide.BID, cents * 100, shares * SHARE)
    return BookDelta(
        slug=WINDOW.slug, changes=(change,), ts_event_ns=ms * NS_PER_MS, ts_recv_ns=ms * NS_PER_MS
    )


def sold(cents: int, shares: int, *, ms: int) -> MarketDataMessage:
    return trade(cents, shares, outcome=Outcome.UP, side=TakerSide.SELL, ms=ms)


START = book({48: 30, 47: 50}, {52: 40})
TAPES: dict[str, tuple[list[MarketDataMessage], tuple[int, int, int]]] = {
    "nothing happens": ([], (0, 0, 0)),
    "a trade smaller than the queue": ([sold(48, 20, ms=100)], (0, 0, 10)),
    "a trade that consumes the queue and half of ours": ([sold(48, 35, ms=100)], (5, 5, 10)),
    "a small trade at our price": ([sold(48, 4, ms=100)], (0, 0, 4)),
    "a trade at a better price": ([sold(49, 100, ms=100)], (0, 0, 0)),
    "all ahead cancel, then a small trade": (
        [shown(0, ms=100), sold(48, 8, ms=3_000)],
        (0, 8, 8),
    ),
    "half of those ahead cancel, then a trade": (
        [shown(15, ms=100), sold(48, 20, ms=3_000)],
        (0, 5, 10),
    ),
    "all ahead cancel, and a trade goes through": (
        [shown(0, ms=100), sold(47, 8, ms=3_000)],
        (8, 8, 8),
    ),
    "the book before its print": ([shown(0, ms=100), sold(48, 34, ms=130)], (4, 4, 10)),
    "the ask comes to our price": ([book({47: 50}, {48: 6}, ms=100)], (0, 6, 10)),
    "the ask goes through our price": ([book({46: 50}, {47: 6}, ms=100)], (6, 6, 10)),
    "books after trades, and never a print": (
        [
            book({48: 30, 47: 50}, {52: 39}, ms=100, origin=TRADE),
            book({47: 42}, {52: 39}, ms=3_000, origin=TRADE),
        ],
        (0, 8, 10),
    ),
    "a level that flickers in samples": (
        [book({48: size, 47: 50}, {52: 40}, ms=ms) for ms, size in ((1_000, 5), (2_000, 60))],
        (0, 0, 0),
    ),
}


@pytest.mark.parametrize("tape", TAPES)
def test_each_model_fills_what_it_says(tape: str) -> None:
    messages, answers = TAPES[tape]
    filled = []
    for model in FillModel:
        queue = QueueModel(WINDOW, model)
        queue.on_market(START)
        queue.add("ours", Outcome.UP, 4_800, 10 * SHARE, 0)
        fills = [fill for message in messages for fill in queue.on_market(message)]
        filled.append(sum(qty_u6 for _, qty_u6, _ in fills) // SHARE)
    assert tuple(filled) == answers


def test_the_pessimistic_queue_counts_those_who_cancelled() -> None:
    queue = QueueModel(WINDOW, FillModel.PESSIMISTIC)
    queue.add("before a book", Outcome.UP, 4_800, 10 * SHARE, 0)
    assert queue.ahead_u6("before a book") is None
    queue.on_market(START)
    queue.on_market(shown(10, ms=100))
    assert queue.ahead_u6("before a book") == 30 * SHARE
    queue.on_market(sold(48, 25, ms=3_000))
    assert queue.ahead_u6("before a book") == 5 * SHARE


def test_one_model_acts_and_the_others_keep_ledgers() -> None:
    queue = QueueModel(WINDOW, FillModel.CENTRAL, others=tuple(FillModel))
    queue.on_market(START)
    queue.add("ours", Outcome.UP, 4_800, 10 * SHARE, 0)
    assert queue.on_market(sold(48, 4, ms=100)) == []
    assert queue.on_market(sold(48, 29, ms=200)) == [("ours", 3 * SHARE, 4_800)]
    bought = {model: position.up.qty_u6 // SHARE for model, position in queue.ledgers.items()}
    assert bought == {"pessimistic": 3, "central": 3, "optimistic": 10}
    assert queue.ledgers[FillModel.OPTIMISTIC].up.cost_e4u6 == 4_800 * 10 * SHARE
    assert queue.ledgers[FillModel.OPTIMISTIC].down.qty_u6 == 0


def test_an_order_ends_where_it_ends_for_the_acting_model() -> None:
    queue = QueueModel(WINDOW, FillModel.OPTIMISTIC, others=tuple(FillModel))
    queue.on_market(START)
    queue.add("filled", Outcome.UP, 4_800, 10 * SHARE, 0)
    queue.add("cancelled", Outcome.UP, 4_700, 10 * SHARE, 0)
    queue.on_market(sold(48, 10, ms=100))  # all of it for the optimistic one, 20 still ahead
    assert queue.remove("cancelled") == 10 * SHARE
    queue.on_market(sold(40, 500, ms=200))
    assert [position.up.qty_u6 // SHARE for position in queue.ledgers.values()] == [0, 0, 10]


def test_what_another_model_filled_rests_on_in_the_acting_one() -> None:
    queue = QueueModel(WINDOW, FillModel.PESSIMISTIC, others=[FillModel.OPTIMISTIC])
    queue.on_market(START)
    queue.add("ours", Outcome.UP, 4_800, 10 * SHARE, 0)
    assert queue.on_market(sold(48, 10, ms=100)) == []
    assert queue.on_market(sold(47, 500, ms=200)) == [("ours", 10 * SHARE, 4_800)]
    assert set(queue.ledgers) == {FillModel.PESSIMISTIC, FillModel.OPTIMISTIC}
