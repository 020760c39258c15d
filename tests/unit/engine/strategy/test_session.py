"""One window's state and the views made of it."""

from __future__ import annotations

import pytest

from pmcore.engine.strategy.progress import MAX_EXTRA_TICKS, SideState
from pmcore.engine.strategy.session import MarketSession
from pmcore.machines.ofi_threshold import WarmStart
from pmcore.machines.rotation import WindowState
from pmcore.messages.execution import VenueMode
from pmcore.messages.market_data import FeedState, FeedStatusChanged
from pmcore.messages.user import TradeStatus, UserChannelState
from pmcore.model.market import Outcome
from pmcore.model.params import FirstLegParams, LimitParams
from pmcore.model.units import NS_PER_MS
from support.builders import at, book, fill, params, window
from support.engine_driver import quoting_driver

UP, DOWN = Outcome.UP, Outcome.DOWN


def open_session() -> MarketSession:
    """A window in which all is well and both books are fresh."""
    session = MarketSession(window(), params())
    session.flat_check.started_flat = session.gate.open = True
    session.user.state = UserChannelState.UP
    session.clock.advance(at(1))
    for outcome, bid, ask in ((UP, "0.46", "0.48"), (DOWN, "0.51", "0.53")):
        session.books.apply(book(outcome, bid, ask, at_ns=at(1)))
    return session


def test_post_only_refusals_step_back_and_wait_twice_as_long_up_to_a_bound() -> None:
    side, strategy = SideState(), params()
    waits = []
    for _ in range(MAX_EXTRA_TICKS + 2):
        side.crossed(at(1), strategy)
        waits.append((side.blocked_until_ns - at(1)) // NS_PER_MS)
    assert waits == [250, 500, 1000, 2000, 2000, 2000, 2000]
    assert side.extra_ticks == MAX_EXTRA_TICKS
    side.accepted()
    side.crossed(at(2), strategy)
    assert side.blocked_until_ns == at(2) + 250 * NS_PER_MS


def test_the_margin_is_forgotten_after_a_while_without_refusals() -> None:
    side, strategy = SideState(), params()
    side.forget_crosses(at(1), strategy)
    side.crossed(at(1), strategy)
    side.forget_crosses(at(10.9), strategy)
    assert side.extra_ticks == 1
    side.forget_crosses(at(11), strategy)
    assert side.extra_ticks == 0


def test_a_size_below_the_minimum_is_refused_with_what_to_set() -> None:
    session = MarketSession(window(), params(bid_size_u6=4_900_000))
    assert "PM_BID_SIZE=4.9" in session.refusals.text
    assert "set PM_BID_SIZE=5 or more" in session.hold(at(1))
    assert MarketSession(window(), params()).refusals.text == ""


def test_the_reasons_to_hold_in_their_order() -> None:
    session = open_session()
    assert session.hold(at(1)) == ""
    session.venue_mode.mode = VenueMode.CLOSED_ONLY
    assert "closed-only" in session.hold(at(1))
    session.user.state = UserChannelState.RECONCILING
    assert session.hold(at(1)) == "user channel reconciling"
    session.feed.state = FeedState.RESYNCING
    assert session.hold(at(1)) == "market feed resyncing"
    session.clock.state = WindowState.CANCELLING
    assert session.hold(at(1)) == "window cancelling"
    session.flat_check.started_flat = False
    assert "no old order" in session.hold(at(1))
    session.refusals.text = "never"
    assert session.hold(at(1)) == "never"
    session.halt.reason = "drill"
    assert session.hold(at(1)) == "halted: drill"


@pytest.mark.parametrize(
    ("state", "dropped"),
    [
        (FeedState.LIVE, False),
        (FeedState.RESYNCING, True),
        (FeedState.DOWN, True),
    ],
)
def test_a_feed_that_starts_anew_drops_the_books(state: FeedState, dropped: bool) -> None:
    session = open_session()
    word = FeedStatusChanged(slug=session.window.slug, state=state, reason="", ts_recv_ns=at(1))
    session.hear_feed(word)
    assert session.feed.state is state
    assert session.book_fresh(at(1), UP) is not dropped


def test_a_venue_mode_ends_by_itself() -> None:
    session = open_session()
    session.venue_mode.mode, session.venue_mode.until_ns = VenueMode.RESTARTING, at(5)
    assert session.venue_mode.at(at(4.999)) is VenueMode.RESTARTING
    assert session.venue_mode.at(at(5)) is VenueMode.NORMAL
    session.venue_mode.until_ns = None
    assert session.venue_mode.at(at(5)) is VenueMode.RESTARTING


@pytest.mark.parametrize(
    ("mode", "blocked"),
    [
        (VenueMode.NORMAL, False),
        (VenueMode.POST_ONLY, False),
        (VenueMode.CANCEL_ONLY, True),
        (VenueMode.DISABLED, True),
        (VenueMode.RESTARTING, True),
    ],
)
def test_modes_that_take_no_orders(mode: VenueMode, blocked: bool) -> None:
    session = open_session()
    session.venue_mode.mode = mode
    assert bool(session.placing_blocked(at(1))) is blocked


def test_a_window_has_only_so_many_orders() -> None:
    driver = quoting_driver(params(max_orders_per_window=2))
    assert "hedging only" in driver.session.placing_blocked(at(2))
    driver.batch(2, driver.filled(2, driver.resting(UP)[0], UP, "5", "0.47"))  # type: ignore[index] # it rests
    assert driver.session.placing_blocked(at(2)) == ""


def test_a_book_is_fresh_up_to_its_bound() -> None:
    session = open_session()
    assert session.book_fresh(at(4), UP)
    assert not session.book_fresh(at(4) + 1, UP)


def test_a_side_is_seen_through_the_other_when_its_own_book_is_old() -> None:
    session = open_session()
    own = session.side_view(at(1), UP)
    assert (own.bid_e4, own.ask_e4) == (4600, 4800)
    session.books.apply(book(DOWN, "0.55", None, at_ns=at(4)))
    mirrored = session.side_view(at(4.5), UP)
    assert (mirrored.bid_e4, mirrored.ask_e4) == (None, 4500)
    blind = session.side_view(at(30), UP)
    assert (blind.bid_e4, blind.ask_e4) == (None, None)


def test_the_gates_see_up_or_what_down_says_of_it() -> None:
    lopsided = params(first_leg=FirstLegParams(min_depth_share_bps=4_000, calm_ns=0))
    session = MarketSession(window(), lopsided)
    session.books.apply(book(UP, "0.46", "0.48", at_ns=at(1), size="5", ask_size="9"))
    session.books.apply(book(DOWN, "0.52", "0.54", at_ns=at(1)))
    session.look_at_first_leg(at(1), 9_400)
    assert "lopsided" in session.first_leg.closed
    session.books.apply(book(DOWN, "0.52", "0.54", at_ns=at(6), size="5"))
    session.look_at_first_leg(at(6), 9_400)
    assert session.first_leg.closed == ""
    session.books.apply(book(DOWN, "0.52", "0.54", at_ns=at(7), size="1", ask_size="5"))
    session.look_at_first_leg(at(7), 9_400)
    assert "lopsided" in session.first_leg.closed


def test_a_window_without_gates_never_looks() -> None:
    session = open_session()
    session.first_leg.closed = "untouched"
    session.look_at_first_leg(at(1), 9_400)
    assert session.first_leg.closed == "untouched"


def test_a_cancel_is_asked_again_after_a_while_without_an_answer() -> None:
    driver = quoting_driver()
    order = driver.session.orders.slot(UP)
    assert order is not None
    assert not driver.session.slot_view(at(2), UP).cancelling
    order.cancel_requested_ns = at(2)
    assert driver.session.slot_view(at(6.9), UP).cancelling
    assert not driver.session.slot_view(at(7), UP).cancelling


def test_the_gate_closes_on_either_view() -> None:
    session = MarketSession(window(), params(limits=LimitParams(max_net_diff_u6=5_000_000)))
    assert session.can_open
    session.inventory.apply(fill(UP, "5", "0.4"), UP)
    assert not session.can_open


def test_the_last_windows_thresholds_are_taken_over() -> None:
    warm = WarmStart(())
    assert MarketSession(window(), params(), warm_start={UP: warm}).flows[UP] is not None


def test_the_profit_is_the_worst_case_until_somebody_won() -> None:
    session = open_session()
    session.inventory.apply(fill(UP, "5", "0.4"), UP)
    assert session.profit_u6 == -2_000_000
    session.winner = UP
    assert session.profit_u6 == 3_000_000
    session.winner = DOWN
    assert session.profit_u6 == -2_000_000


def test_the_views_profits_are_negative_when_money_is_lost() -> None:
    session = open_session()
    session.inventory.apply(fill(UP, "5", "0.4"), UP)
    view = session.as_view(at(2))
    assert (view["profit"], view["worst_case_profit"], view["portfolio_cost"]) == (None, -2.0, None)
    session.inventory.apply(fill(DOWN, "5", "0.56", trade_id="t2"), DOWN)
    view = session.as_view(at(2))
    assert (view["worst_case_profit"], view["portfolio_cost"]) == (0.2, 0.96)
    assert "worst_loss" not in view
    session.winner = UP
    view = session.as_view(at(2))
    assert (view["profit"], view["worst_case_profit"]) == (0.2, None)


def test_the_view_names_what_a_person_wants_to_know() -> None:
    session = open_session()
    view = session.as_view(at(2))
    assert (view["profit"], view["winner"], view["tick"]) == (None, None, 0.001)
    up = view["outcomes"]["up"]  # type: ignore[index] # a mapping
    assert (up["bid"], up["ask"], up["book_age_ms"], up["quote"]) == (0.46, 0.48, 1000, None)
    assert {side: levels[0][0] for side, levels in up["levels"].items()} == {
        "bid": 0.46,
        "ask": 0.48,
    }
    session.inventory.apply(fill(UP, "5", "0.4"), UP)
    session.winner = UP
    assert session.as_view(at(2))["profit"] == 3.0
    empty = MarketSession(window(), params()).as_view(at(2))["outcomes"]["up"]  # type: ignore[index] # a mapping
    assert (empty["bid"], empty["ask"], empty["book_age_ms"]) == (None, None, None)
    assert empty["levels"] == {"bid": [], "ask": []}
    quoted = quoting_driver().session.as_view(at(2))["outcomes"]["up"]  # type: ignore[index] # a mapping
    assert (quoted["quote"], quoted["leaves"], quoted["order_state"]) == (0.47, 5.0, "resting")


def test_the_gate_closes_on_the_settled_view_alone() -> None:
    """A pair of which only one leg is mined: the other may still fail."""
    session = MarketSession(window(), params(limits=LimitParams(max_net_diff_u6=5_000_000)))
    session.inventory.apply(fill(UP, "5", "0.4", status=TradeStatus.MINED), UP)
    session.inventory.apply(fill(DOWN, "5", "0.5", trade_id="t2"), DOWN)
    assert session.inventory.working.can_open(session.params.limits)
    assert not session.can_open
    mined = fill(DOWN, "5", "0.5", trade_id="t2", status=TradeStatus.MINED)
    session.inventory.apply(mined, DOWN)
    assert session.can_open


def test_a_side_begins_without_margin_wait_or_memory() -> None:
    assert SideState() == SideState(None, 0, 0, 0, 0)
    session = open_session()
    assert session.side_view(at(1), UP).extra_ticks == 0
