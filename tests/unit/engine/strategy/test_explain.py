"""Why nothing rests: each obstacle on its own, and never an empty answer."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from pmcore.engine.strategy.decision import decide_commands
from pmcore.engine.strategy.why import Obstacle
from pmcore.machines.order_lifecycle import OrderState
from pmcore.messages.control import Halt
from pmcore.messages.execution import VenueMode
from pmcore.messages.gate import PlacingGateChanged
from pmcore.messages.market_data import FeedState
from pmcore.messages.user import OrderUpdateKind, UserChannelState
from pmcore.model.errors import Reason
from pmcore.model.market import Outcome, TakerSide
from pmcore.model.params import LimitParams, OfiParams
from pmcore.model.units import NS_PER_S
from support.builders import at, book, fill, params, trade
from support.desk import Desk, quoting_desk

UP, DOWN = Outcome.UP, Outcome.DOWN
BOOKS = ("0.46/0.48", "0.51/0.53")


def started(**changes: object) -> Desk:
    desk = Desk(params(**changes))
    desk.start()
    return desk


def closed_gate() -> Desk:
    desk = started()
    reason = "waiting for the venue's first heartbeat"
    desk.batch(1.05, PlacingGateChanged(open=False, reason=reason, ts_recv_ns=at(1.05)))
    desk.books(1.1, *BOOKS)
    return desk


def unasked() -> Desk:
    desk = Desk()
    desk.batch(1)
    return desk


def halted() -> Desk:
    desk = started()
    desk.batch(2, Halt(reason="drill", by="me", ts_recv_ns=at(2)))
    return desk


def too_small() -> Desk:
    desk = started(bid_size_u6=2_000_000)
    desk.books(2, *BOOKS)
    return desk


def refused() -> Desk:
    desk = quoting_desk()
    desk.batch(2, desk.failed("r1.btc-updown-15m-1790766900.1", Reason.AUTH))
    desk.confirm_cancel(2.1)
    desk.batch(5)
    return desk


def before_the_open() -> Desk:
    desk = Desk()
    desk.start(-5)
    desk.books(-4, *BOOKS)
    return desk


def feed_away() -> Desk:
    desk = started()
    desk.session.feed, desk.session.feed_reason = FeedState.RESYNCING, "reconnected"
    desk.batch(2)
    return desk


def user_away() -> Desk:
    desk = started()
    desk.session.user = UserChannelState.DOWN
    desk.batch(2)
    return desk


def closed_only() -> Desk:
    desk = started()
    desk.session.venue_mode = VenueMode.CLOSED_ONLY
    desk.batch(2)
    return desk


def toxic() -> Desk:
    desk = started(ofi=OfiParams(threshold_u6=1_000_000))
    printed = trade(UP, TakerSide.BUY, "2", at_ns=at(2))
    desk.batch(2, book(UP, "0.46", "0.48", at_ns=at(2)), printed)
    return desk


def no_book() -> Desk:
    desk = started()
    desk.batch(2)
    return desk


def stale() -> Desk:
    desk = quoting_desk()
    desk.batch(9)
    desk.confirm_cancel(9.1)
    desk.batch(12)
    return desk


def crossed() -> Desk:
    desk = started()
    desk.batch(2, book(UP, "0.60", "0.40", at_ns=at(2)), book(DOWN, "0.70", "0.50", at_ns=at(2)))
    return desk


def one_sided() -> Desk:
    desk = started()
    desk.books(2, "0.46/-", "0.51/-")
    return desk


def limit() -> Desk:
    desk = started()
    desk.batch(2, fill(UP, "10", "0.47"), fill(DOWN, "10", "0.50", trade_id="t2"))
    desk.books(2, *BOOKS)
    return desk


def ending() -> Desk:
    desk = started()
    desk.books(700, *BOOKS)
    return desk


def second_leg() -> Desk:
    desk = started()
    desk.session.sides[UP].extra_ticks = 5
    desk.session.sides[UP].last_cross_ns = at(1.1)
    desk.books(1.1, "0.001/0.004", "0.996/0.999")
    return desk


def pair_risk() -> Desk:
    desk = started(limits=LimitParams(max_position_value_u6=2_500_000))
    desk.books(2, *BOOKS)
    return desk


def hedge_too_dear() -> Desk:
    desk = started()
    desk.batch(2, fill(UP, "5", "0.995"))
    desk.books(2, *BOOKS)
    return desk


def venue_mode() -> Desk:
    desk = started()
    desk.session.venue_mode = VenueMode.CANCEL_ONLY
    desk.books(2, *BOOKS)
    return desk


def order_cap() -> Desk:
    desk = started(max_orders_per_window=0)
    desk.books(2, *BOOKS)
    return desk


def matched_but_not_told() -> Desk:
    """The hedge's own event says 5 of 5 matched; no trade tells it."""
    desk = quoting_desk()
    up, down = (f"r1.{desk.window.slug}.{number}" for number in (1, 2))
    desk.batch(2, desk.filled(2, up, UP, "5", "0.47"))
    update = desk.user_order(2.1, down, OrderUpdateKind.UPDATE, matched=5_000_000)
    token_id = desk.window.down_token_id
    desk.batch(2.1, msgspec.structs.replace(update, status="matched", token_id=token_id))
    desk.books(2.5, *BOOKS)
    return desk


def never_told() -> Desk:
    desk = matched_but_not_told()
    desk.books(2.2 + params().account_timeout_ns / NS_PER_S, *BOOKS)
    return desk


def debounce() -> Desk:
    desk = started()
    for outcome in (UP, DOWN):
        desk.session.sides[outcome].last_placed_ns = at(1.95)
    desk.books(2, *BOOKS)
    return desk


def back_off() -> Desk:
    desk = started()
    desk.books(2, *BOOKS)
    for order in desk.submits:
        desk.batch(2.01, desk.failed(order.client_order_id, Reason.BALANCE))
    return desk


def risk() -> Desk:
    desk = quoting_desk()
    for order in desk.session.orders.alive():
        order.state, order.changed_ns = OrderState.GONE_REST, at(2)
    desk.books(2, *BOOKS)
    return desk


def sent() -> Desk:
    desk = started()
    desk.books(2, *BOOKS)
    return desk


def unknown() -> Desk:
    desk = sent()
    for order in desk.session.orders.alive():
        order.state = OrderState.UNKNOWN
    desk.batch(2.1)
    return desk


def cancelling() -> Desk:
    desk = quoting_desk()
    desk.books(2, "0.40/0.42", "0.57/0.59")
    return desk


CASES: dict[Obstacle, tuple[Callable[[], Desk], str]] = {
    Obstacle.STARTING: (Desk, "starting"),
    Obstacle.BID_SENT: (sent, "waiting for the venue's answer"),
    Obstacle.BID_UNKNOWN: (unknown, "no answer"),
    Obstacle.CANCELLING: (cancelling, "a better price comes next"),
    Obstacle.HALTED: (halted, "halted: drill"),
    Obstacle.MIN_SIZE: (too_small, "set PM_BID_SIZE=5 or more"),
    Obstacle.VENUE_REFUSES: (refused, "the venue refuses orders: auth"),
    Obstacle.NOT_FLAT_YET: (unasked, "no old order is open"),
    Obstacle.WINDOW_STATE: (before_the_open, "pre_open"),
    Obstacle.FEED: (feed_away, "market feed resyncing: reconnected"),
    Obstacle.USER_CHANNEL: (user_away, "user channel down"),
    Obstacle.UNACCOUNTED_FILLS: (never_told, "not accounted for"),
    Obstacle.CLOSED_ONLY: (closed_only, "closed-only"),
    Obstacle.TOXIC: (toxic, "up +2 shares, threshold 1"),
    Obstacle.FIRST_BOOK: (no_book, "first whole book"),
    Obstacle.BOOK_STALE: (stale, "no market data for 10 s"),
    Obstacle.BOOK_BROKEN: (crossed, "up crossed, down crossed"),
    Obstacle.BOOK_ONE_SIDED: (one_sided, "no ask for up"),
    Obstacle.LIMIT: (limit, "PM_MAX_POSITION_VALUE=5 is reached"),
    Obstacle.NO_NEW_RISK: (ending, "ends soon"),
    Obstacle.NO_SECOND_LEG: (second_leg, "no first leg without a second"),
    Obstacle.PAIR_RISK: (pair_risk, "position_value"),
    Obstacle.EXCESS_SIDE: (hedge_too_dear, "5 more up than down"),
    Obstacle.HEDGE_WITHOUT_PRICE: (hedge_too_dear, "PM_PAIR_TARGET=0.99"),
    Obstacle.GATE: (closed_gate, "waiting for the venue's first heartbeat"),
    Obstacle.VENUE_MODE: (venue_mode, "cancel_only"),
    Obstacle.ORDER_CAP: (order_cap, "0 orders were placed"),
    Obstacle.TRADE_AWAITED: (matched_but_not_told, "waiting for the trade of matched down shares"),
    Obstacle.DEBOUNCE: (debounce, "PM_DEBOUNCE_MS=200"),
    Obstacle.BACK_OFF: (back_off, "balance: why"),
    Obstacle.RISK: (risk, "could break net_diff"),
}


def test_every_obstacle_has_its_case() -> None:
    assert set(CASES) == set(Obstacle) - {Obstacle.NONE}


@pytest.mark.parametrize("obstacle", CASES, ids=str)
def test_the_true_obstacle_is_named(obstacle: Obstacle) -> None:
    make, words = CASES[obstacle]
    desk = make()
    side = DOWN if obstacle in (Obstacle.HEDGE_WITHOUT_PRICE, Obstacle.TRADE_AWAITED) else UP
    why = desk.session.whys[side]
    assert (why.obstacle, words in why.sentence) == (obstacle, True), why
    view = desk.engine.view()
    assert words in str(view["why"])
    for outcome in (UP, DOWN):
        order = desk.session.orders.slot(outcome)
        rests = order is not None and order.state is OrderState.RESTING
        sentence = desk.session.whys[outcome].sentence
        assert sentence not in ("balanced", "hedge", "hold")
        assert bool(sentence) or (rests and order.cancel_requested_ns is None)  # type: ignore[union-attr] # rests


def test_a_bid_that_rests_needs_no_reason() -> None:
    desk = quoting_desk()
    desk.batch(1.3)
    assert {why.obstacle for why in desk.session.whys.values()} == {Obstacle.NONE}
    assert desk.engine.view()["why"] == ""


def test_nothing_is_quoted_until_the_executor_says_that_it_places() -> None:
    desk = Desk()
    desk.batch(1, desk.flat(1))
    desk.session.user = UserChannelState.UP
    desk.batch(1.05, desk.flat(1.05))
    desk.books(1.1, *BOOKS)
    assert desk.session.whys[UP].obstacle is Obstacle.GATE
    assert desk.submits == []
    desk.batch(1.2, PlacingGateChanged(open=True, ts_recv_ns=at(1.2)))
    assert len(desk.submits) == 2


def test_a_gate_that_closes_stops_quoting_and_leaves_what_rests_to_the_executor() -> None:
    desk = quoting_desk()
    desk.batch(2, PlacingGateChanged(open=False, reason="gone", ts_recv_ns=at(2)))
    assert desk.cancels == []
    assert decide_commands(desk.session, at(2.1), lambda: "x") == []


def test_a_journal_of_before_the_gate_steps_with_an_open_one() -> None:
    assert Desk(gated=False).session.gate_open
    assert not Desk().session.gate_open
