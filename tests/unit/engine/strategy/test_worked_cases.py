"""The worked cases of docs/strategy_guide.md#worked-cases, through the whole engine."""

from __future__ import annotations

import pytest

from pmcore.messages.user import TradeStatus
from pmcore.model.market import Outcome, TakerSide
from support.builders import at, params, trade
from support.desk import Desk, quoting_desk

UP, DOWN = Outcome.UP, Outcome.DOWN


@pytest.mark.parametrize(
    ("up", "down", "up_e4", "down_e4"),
    [
        ("0.46/0.48", "0.51/0.53", 4700, 5200),
        ("0.50/0.52", "0.50/0.52", 4950, 4950),
    ],
)
def test_flat_quotes_both(up: str, down: str, up_e4: int, down_e4: int) -> None:
    desk = Desk()
    desk.start()
    desk.books(2, up, down)
    assert [(s.outcome, s.price_e4, s.size_u6) for s in desk.submits] == [
        (UP, up_e4, 5_000_000),
        (DOWN, down_e4, 5_000_000),
    ]


def test_a_fill_cancels_its_side_and_hedges_the_other() -> None:
    desk = quoting_desk()
    up = desk.resting(UP)
    assert up
    desk.books(2, "0.47/0.49", "0.50/0.52")
    desk.batch(2.1, desk.filled(2.1, up[0], UP, "5", "0.47"))
    assert desk.resting(UP) is None
    # Down rests at .520 and the hedge is .519: inside the reprice threshold, so it stays
    assert desk.resting(DOWN) == ("r1.btc-updown-15m-1790766900.2", 5200)
    assert not desk.submits


def hedging_desk(price: str, down: str) -> Desk:
    """Five Up held at a price, nothing resting."""
    desk = Desk()
    desk.start()
    desk.batch(1.5, desk.filled(1.5, "old", UP, "5", price))
    desk.books(2, "0.47/0.49", down)
    return desk


def test_hedge_price() -> None:
    desk = hedging_desk("0.47", "0.50/0.52")
    assert [(s.outcome, s.price_e4) for s in desk.submits] == [(DOWN, 5190)]


@pytest.mark.parametrize(("price", "down"), [("0.47", "0.50/-"), ("0.995", "0.50/0.52")])
def test_no_hedge(price: str, down: str) -> None:
    assert hedging_desk(price, down).submits == []


def test_ten_a_side_is_not_can_open() -> None:
    desk = Desk(params(bid_size_u6=5_000_000))
    desk.start()
    desk.batch(
        1.5,
        desk.filled(1.5, "a", UP, "10", "0.47"),
        desk.filled(1.5, "b", DOWN, "10", "0.50"),
    )
    desk.books(2, "0.46/0.48", "0.51/0.53")
    assert not desk.session.can_open
    assert desk.submits == []


def test_losing_can_open_cancels_both() -> None:
    desk = quoting_desk()
    desk.batch(
        2,
        desk.filled(2, "a", UP, "10", "0.47"),
        desk.filled(2, "b", DOWN, "10", "0.50"),
    )
    assert len(desk.cancels) == 2


def test_toxic_flow_cancels_both_and_clears_in_silence() -> None:
    desk = quoting_desk()
    desk.batch(2, trade(UP, TakerSide.BUY, "60", at_ns=at(2)))
    assert len(desk.cancels) == 2
    desk.confirm_cancel(2.05)
    resumed = None
    for tenth in range(21, 90):
        t = tenth / 10
        if tenth % 10 == 0:
            desk.books(t, "0.46/0.48", "0.51/0.53")
        else:
            desk.batch(t)
        if desk.submits:
            resumed = t
            break
    assert resumed is not None
    assert 6.2 <= resumed <= 6.5  # window 3 s, recovery hold 1.2 s, one tick


def test_matched_then_failed_is_flat_again_and_never_balanced_in_between() -> None:
    desk = quoting_desk()
    up = desk.resting(UP)
    assert up
    desk.batch(2, desk.filled(2, up[0], UP, "5", "0.47", trade_id="t"))
    assert desk.session.inventory.working.net_diff_u6 == 5_000_000
    assert not any(s.outcome is UP for s in desk.submits)
    desk.batch(2.5)
    assert desk.session.mode == "hedge"
    failed = desk.filled(2.6, up[0], UP, "5", "0.47", trade_id="t", status=TradeStatus.FAILED)
    desk.batch(2.6, failed)
    working = desk.session.inventory.working
    assert (working.net_diff_u6, working.up.avg_cost_dollars) == (0, 0)
    assert desk.session.mode == "balanced"
    assert [(s.outcome, s.price_e4) for s in desk.submits] == [(UP, 4700)]
