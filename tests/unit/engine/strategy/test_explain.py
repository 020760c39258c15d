"""Why nothing rests: each obstacle on its own, and never an empty answer."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from pmcore.engine.strategy.decision import decide_commands
from pmcore.engine.strategy.explain import explain
from pmcore.engine.strategy.why import Obstacle
from pmcore.machines.order_lifecycle import OrderState
from pmcore.machines.quoting import Quote, QuoteMode, Targets
from pmcore.messages.control import Halt
from pmcore.messages.execution import VenueMode
from pmcore.messages.gate import PlacingGateChanged
from pmcore.messages.market_data import FeedState
from pmcore.messages.user import FillReported, OrderUpdateKind, UserChannelChanged, UserChannelState
from pmcore.model.errors import Reason
from pmcore.model.market import Outcome, TakerSide
from pmcore.model.params import (
    FairValueParams,
    FirstLegParams,
    LimitParams,
    OfiParams,
    UnderlyingMoveParams,
)
from pmcore.model.units import NS_PER_S
from support.builders import at, book, fill, params, trade, underlying
from support.engine_driver import EngineDriver, quoting_driver

UP, DOWN = Outcome.UP, Outcome.DOWN
BOOKS = ("0.46/0.48", "0.51/0.53")


def started(**changes: object) -> EngineDriver:
    driver = EngineDriver(params(**changes))
    driver.start()
    return driver


def closed_gate() -> EngineDriver:
    driver = started()
    reason = "waiting for the venue's first heartbeat"
    driver.batch(1.05, PlacingGateChanged(open=False, reason=reason, ts_recv_ns=at(1.05)))
    driver.books(1.1, *BOOKS)
    return driver


def unasked() -> EngineDriver:
    driver = EngineDriver()
    driver.batch(1)
    return driver


def halted() -> EngineDriver:
    driver = started()
    driver.batch(2, Halt(reason="drill", by="me", ts_recv_ns=at(2)))
    return driver


def too_small() -> EngineDriver:
    driver = started(bid_size_u6=2_000_000)
    driver.books(2, *BOOKS)
    return driver


def refused() -> EngineDriver:
    driver = quoting_driver()
    driver.batch(2, driver.failed("r1.btc-updown-15m-1790766900.1", Reason.AUTH))
    driver.confirm_cancel(2.1)
    driver.batch(5)
    return driver


def before_the_open() -> EngineDriver:
    driver = EngineDriver()
    driver.start(-5)
    driver.books(-4, *BOOKS)
    return driver


def feed_away() -> EngineDriver:
    driver = started()
    driver.session.feed.state, driver.session.feed.reason = FeedState.RESYNCING, "reconnected"
    driver.batch(2)
    return driver


def user_away() -> EngineDriver:
    driver = started()
    driver.session.user.state = UserChannelState.DOWN
    driver.batch(2)
    return driver


def closed_only() -> EngineDriver:
    driver = started()
    driver.session.venue_mode.mode = VenueMode.CLOSED_ONLY
    driver.batch(2)
    return driver


def toxic() -> EngineDriver:
    driver = started(ofi=OfiParams(threshold_u6=1_000_000))
    printed = trade(UP, TakerSide.BUY, "2", at_ns=at(2))
    driver.batch(2, book(UP, "0.46", "0.48", at_ns=at(2)), printed)
    return driver


def no_book() -> EngineDriver:
    driver = started()
    driver.batch(2)
    return driver


def stale() -> EngineDriver:
    driver = quoting_driver()
    driver.batch(9)
    driver.confirm_cancel(9.1)
    driver.batch(12)
    return driver


def crossed() -> EngineDriver:
    driver = started()
    driver.batch(2, book(UP, "0.60", "0.40", at_ns=at(2)), book(DOWN, "0.70", "0.50", at_ns=at(2)))
    return driver


def one_sided() -> EngineDriver:
    driver = started()
    driver.books(2, "0.46/-", "0.51/-")
    return driver


def limit() -> EngineDriver:
    driver = started()
    driver.batch(2, fill(UP, "10", "0.47"), fill(DOWN, "10", "0.50", trade_id="t2"))
    driver.books(2, *BOOKS)
    return driver


def ending() -> EngineDriver:
    driver = started()
    driver.books(700, *BOOKS)
    return driver


def gated() -> EngineDriver:
    driver = started(first_leg=FirstLegParams(within_ns=2 * NS_PER_S))
    driver.books(2, *BOOKS)
    return driver


def moved_underlying() -> EngineDriver:
    driver = started(underlying=UnderlyingMoveParams(move_ppm=200))
    prices = [underlying(price, at_ns=at(2)) for price in ("71000", "71100", "71000")]
    driver.batch(2, *prices)
    driver.books(2, *BOOKS)
    return driver


def overpriced() -> EngineDriver:
    driver = started(fair_value=FairValueParams(margin_e4=0))
    driver.batch(2, underlying("71000", at_ns=at(2)))
    driver.books(2, *BOOKS)
    return driver


def second_leg() -> EngineDriver:
    driver = started()
    driver.session.sides[UP].extra_ticks = 5
    driver.session.sides[UP].last_cross_ns = at(1.1)
    driver.books(1.1, "0.001/0.004", "0.996/0.999")
    return driver


def pair_risk() -> EngineDriver:
    driver = started(limits=LimitParams(max_position_value_u6=2_500_000))
    driver.books(2, *BOOKS)
    return driver


def hedge_too_dear() -> EngineDriver:
    driver = started()
    driver.batch(2, fill(UP, "5", "0.995"))
    driver.books(2, *BOOKS)
    return driver


def venue_mode() -> EngineDriver:
    driver = started()
    driver.session.venue_mode.mode = VenueMode.CANCEL_ONLY
    driver.books(2, *BOOKS)
    return driver


def order_cap() -> EngineDriver:
    driver = started(max_orders_per_window=0)
    driver.books(2, *BOOKS)
    return driver


def matched_but_not_told() -> EngineDriver:
    """The hedge's own event says 5 of 5 matched; no trade tells it."""
    driver = quoting_driver()
    up, down = (f"r1.{driver.window.slug}.{number}" for number in (1, 2))
    driver.batch(2, driver.filled(2, up, UP, "5", "0.47"))
    update = driver.user_order(2.1, down, OrderUpdateKind.UPDATE, matched=5_000_000)
    token_id = driver.window.down_token_id
    driver.batch(2.1, msgspec.structs.replace(update, status="matched", token_id=token_id))
    driver.books(2.5, *BOOKS)
    return driver


def never_told() -> EngineDriver:
    driver = matched_but_not_told()
    driver.books(2.2 + params().account_timeout_ns / NS_PER_S, *BOOKS)
    return driver


def unread_fill() -> EngineDriver:
    driver = started()
    up = UserChannelChanged(state=UserChannelState.UP, doubted_ns=at(1.5), ts_recv_ns=at(2))
    driver.batch(2, up)
    driver.books(2, *BOOKS)
    return driver


def debounce() -> EngineDriver:
    driver = started()
    for outcome in (UP, DOWN):
        driver.session.sides[outcome].last_placed_ns = at(1.95)
    driver.books(2, *BOOKS)
    return driver


def back_off() -> EngineDriver:
    driver = started()
    driver.books(2, *BOOKS)
    for order in driver.submits:
        driver.batch(2.01, driver.failed(order.client_order_id, Reason.BALANCE))
    return driver


def risk() -> EngineDriver:
    driver = quoting_driver()
    for order in driver.session.orders.alive():
        order.state, order.changed_ns = OrderState.GONE_REST, at(2)
    driver.books(2, *BOOKS)
    return driver


def sent() -> EngineDriver:
    driver = started()
    driver.books(2, *BOOKS)
    return driver


def unknown() -> EngineDriver:
    driver = sent()
    for order in driver.session.orders.alive():
        order.state = OrderState.UNKNOWN
    driver.batch(2.1)
    return driver


def cancelling() -> EngineDriver:
    driver = quoting_driver()
    driver.books(2, "0.40/0.42", "0.57/0.59")
    return driver


CASES: dict[Obstacle, tuple[Callable[[], EngineDriver], str]] = {
    Obstacle.STARTING: (EngineDriver, "starting"),
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
    Obstacle.POSITIONS: (unread_fill, "waiting until the venue's positions agree"),
    Obstacle.CLOSED_ONLY: (closed_only, "closed-only"),
    Obstacle.TOXIC: (toxic, "up +2 shares, threshold 1"),
    Obstacle.FIRST_BOOK: (no_book, "first whole book"),
    Obstacle.BOOK_STALE: (stale, "no market data for 10 s"),
    Obstacle.BOOK_BROKEN: (crossed, "up crossed, down crossed"),
    Obstacle.BOOK_ONE_SIDED: (one_sided, "no ask for up"),
    Obstacle.LIMIT: (limit, "PM_MAX_POSITION_VALUE=5 is reached"),
    Obstacle.NO_NEW_RISK: (ending, "ends soon"),
    Obstacle.FIRST_LEG_GATE: (gated, "no new pair now: PM_FIRST_LEG_WITHIN_S=2"),
    Obstacle.UNDERLYING: (moved_underlying, "PM_UNDERLYING_MOVE_BP=2"),
    Obstacle.FAIR_VALUE: (overpriced, "the first price came after the opening"),
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
    driver = make()
    side = DOWN if obstacle in (Obstacle.HEDGE_WITHOUT_PRICE, Obstacle.TRADE_AWAITED) else UP
    why = driver.session.decision.whys[side]
    assert (why.obstacle, words in why.sentence) == (obstacle, True), why
    view = driver.engine.view()
    assert words in str(view["why"])
    for outcome in (UP, DOWN):
        order = driver.session.orders.slot(outcome)
        rests = order is not None and order.state is OrderState.RESTING
        sentence = driver.session.decision.whys[outcome].sentence
        assert sentence not in ("balanced", "hedge", "hold")
        assert bool(sentence) or (rests and order.cancel_requested_ns is None)  # type: ignore[union-attr] # rests


def test_a_bid_that_rests_needs_no_reason() -> None:
    driver = quoting_driver()
    driver.batch(1.3)
    assert {why.obstacle for why in driver.session.decision.whys.values()} == {Obstacle.NONE}
    assert driver.engine.view()["why"] == ""


def test_nothing_is_quoted_until_the_executor_says_that_it_places() -> None:
    driver = EngineDriver()
    driver.batch(1, driver.flat(1))
    driver.session.user.state = UserChannelState.UP
    driver.batch(1.05, driver.flat(1.05))
    driver.books(1.1, *BOOKS)
    assert driver.session.decision.whys[UP].obstacle is Obstacle.GATE
    assert driver.submits == []
    driver.batch(1.2, PlacingGateChanged(open=True, ts_recv_ns=at(1.2)))
    assert len(driver.submits) == 2


def test_a_gate_that_closes_stops_quoting_and_leaves_what_rests_to_the_executor() -> None:
    driver = quoting_driver()
    driver.batch(2, PlacingGateChanged(open=False, reason="gone", ts_recv_ns=at(2)))
    assert driver.cancels == []
    assert (
        decide_commands(driver.session, at(2.1), driver.session.side_views(at(2.1)), lambda: "x")
        == []
    )


def test_a_journal_of_before_the_gate_steps_with_an_open_one() -> None:
    assert EngineDriver(gated=False).session.gate.open
    assert not EngineDriver().session.gate.open


@pytest.mark.parametrize(
    ("fills", "words"),
    [
        ((fill(UP, "10", "0.30"),), "net difference of 10 shares: PM_MAX_NET_DIFF=10 is reached"),
        (
            (fill(UP, "1", "0.60"), fill(DOWN, "1", "0.45", trade_id="t2")),
            "pair cost 1.05: PM_MAX_PORTFOLIO_COST=1.02 is reached",
        ),
        (
            (fill(UP, "6", "0.10"), fill(DOWN, "6", "0.90", trade_id="t2")),
            "5.4 dollars in down: PM_MAX_POSITION_VALUE=5 is reached",
        ),
    ],
)
def test_the_limit_that_is_reached_is_named(fills: tuple[FillReported, ...], words: str) -> None:
    driver = started()
    driver.batch(2, *fills)
    whys = explain(driver.session, at(2), Targets(QuoteMode.NOT_OPEN))
    assert {why.text for why in whys.values()} == {words}


def test_a_loss_limit_is_named() -> None:
    driver = started()
    driver.session.loss_limit.reach("PM_MAX_DAILY_LOSS")
    whys = explain(driver.session, at(2), Targets(QuoteMode.NOT_OPEN))
    assert whys[UP].text == "PM_MAX_DAILY_LOSS reached: no new risk"


def test_a_wanted_bid_that_nothing_keeps_back_comes_with_the_next_decision() -> None:
    driver = started()
    wanted = Targets(QuoteMode.BALANCED, up=Quote(4700, 5_000_000), down=Quote(5200, 5_000_000))
    assert explain(driver.session, at(2), wanted)[UP].text == "the next decision places a bid"
