from __future__ import annotations

import pytest

from pmcore.model.market import BookSide, Outcome
from pmsim.queue.depth import MergedDepth, opposite, spans, swept, up_key

BID, ASK = BookSide.BID, BookSide.ASK


@pytest.mark.parametrize(
    ("outcome", "side", "price_e4", "expected"),
    [
        (Outcome.UP, BID, 4800, (BID, 4800)),
        (Outcome.UP, ASK, 5200, (ASK, -5200)),
        (Outcome.DOWN, BID, 4800, (ASK, -5200)),
        (Outcome.DOWN, ASK, 5200, (BID, 4800)),
    ],
)
def test_every_order_has_one_place(
    outcome: Outcome, side: BookSide, price_e4: int, expected: tuple[BookSide, int]
) -> None:
    assert up_key(outcome, side, price_e4) == expected
    assert opposite(opposite(side)) is side


def test_sweep_stops_at_the_first_level_that_stands() -> None:
    before = {48: 10, 47: 20, 46: 30}
    assert swept(before, {47: 5, 46: 1}) == [(48, 10), (47, 15)]
    assert swept(before, {48: 12}) == []
    assert swept(before, {49: 1}) == []
    assert swept(before, {}) == [(48, 10), (47, 20), (46, 30)]


def test_a_trade_price_of_either_token_may_name_a_sweep() -> None:
    sweep = [(4800, 1), (4600, 1)]
    assert spans(sweep, 4700)
    assert spans(sweep, 5300)
    assert not spans(sweep, 5000)
    assert not spans([], 4700)


def test_an_empty_depth_is_not_crossed() -> None:
    assert not MergedDepth().crossed()
