from __future__ import annotations

import pytest
from msgspec.structs import replace

from pmcore.engine.strategy.engine import WindowEngine
from pmcore.machines.rotation import WindowState
from pmcore.messages.control import Halt, Resume
from pmcore.messages.execution import VenueMode, VenueModeChanged
from pmcore.messages.gate import PlacingGateChanged
from pmcore.messages.market_data import FeedState, FeedStatusChanged
from pmcore.messages.notices import NoticeKind
from pmcore.messages.prior_loss import PriorLossChanged
from pmcore.messages.rotation import WindowAnnounced, WindowResolved
from pmcore.messages.timers import Tick
from pmcore.messages.user import TradeStatus, UserChannelChanged, UserChannelState
from pmcore.model.errors import InvariantError
from pmcore.model.market import Outcome, TakerSide
from pmcore.model.params import LimitParams, OfiMode, OfiParams
from pmcore.model.units import NS_PER_S
from support.builders import at, book, fill, params, trade, window
from support.engine_driver import EngineDriver, quoting_driver

UP, DOWN = Outcome.UP, Outcome.DOWN
BOOKS = ("0.46/0.48", "0.51/0.53")


def test_nothing_is_quoted_before_the_venue_says_flat() -> None:
    driver = EngineDriver()
    gate = PlacingGateChanged(open=True, ts_recv_ns=at(1))
    driver.batch(1, UserChannelChanged(state=UserChannelState.UP, ts_recv_ns=at(1)), gate)
    assert driver.asked_flat
    driver.books(1.1, *BOOKS)
    assert driver.outputs == []
    driver.batch(7)
    assert driver.asked_flat  # asked again after a while without an answer
    driver.batch(7.1, driver.flat(7.1))
    assert not driver.asked_flat
    driver.books(7.2, *BOOKS)
    assert len(driver.submits) == 2


def test_nothing_is_quoted_before_the_open() -> None:
    driver = EngineDriver()
    driver.start(-5)
    driver.books(-4, *BOOKS)
    assert driver.submits == []
    driver.books(0, *BOOKS)
    assert len(driver.submits) == 2


def test_commands_carry_their_cause_and_expiry() -> None:
    driver = EngineDriver()
    driver.start()
    driver.books(2, *BOOKS)
    order = driver.submits[0]
    assert (order.ts_cause_ns, order.ts_step_ns) == (at(2), at(2))
    assert order.expires_at_ns == at(3)
    assert order.client_order_id == "r1.btc-updown-15m-1790766900.1"
    assert order.tick_e4 == 10


def test_orders_of_windows_that_open_together_have_different_ids() -> None:
    eth = replace(window(), series="eth-15m", slug=window().slug.replace("btc", "eth"))
    ids = []
    for driver in (EngineDriver(), EngineDriver(of=eth)):
        driver.start()
        for outcome, bid, ask in ((UP, "0.46", "0.48"), (DOWN, "0.51", "0.53")):
            driver.batch(2, book(outcome, bid, ask, at_ns=at(2), slug=driver.window.slug))
            ids += [order.client_order_id for order in driver.submits]
    assert len(ids) == len(set(ids)) == 4


def test_a_bid_size_below_the_minimum_refuses_once_and_names_the_value() -> None:
    driver = EngineDriver(params(bid_size_u6=2_000_000))
    driver.start()
    driver.books(2, *BOOKS)
    driver.books(3, *BOOKS)
    assert driver.submits == []
    notices = driver.notices(NoticeKind.QUOTES_REFUSED)
    assert len(notices) == 1
    assert "PM_BID_SIZE=5" in notices[0].detail
    assert "PM_BID_SIZE=5" in str(driver.engine.view()["refused"])


@pytest.mark.parametrize("state", [FeedState.DOWN, FeedState.SILENT, FeedState.RESYNCING])
def test_a_feed_that_is_not_live_cancels(state: FeedState) -> None:
    driver = quoting_driver()
    status = FeedStatusChanged(slug=driver.window.slug, state=state, ts_recv_ns=at(2))
    driver.batch(2, status)
    assert len(driver.cancels) == 2
    assert "feed" in driver.session.decision.hold_reason


def test_another_windows_messages_change_nothing() -> None:
    driver = quoting_driver()
    driver.batch(
        2,
        FeedStatusChanged(slug="other", state=FeedState.DOWN, ts_recv_ns=at(2)),
        book(UP, "0.10", "0.12", at_ns=at(2), slug="other"),
        WindowResolved(slug="other", winner=UP, ts_recv_ns=at(2)),
        WindowAnnounced(window=window(), ts_recv_ns=at(2)),
    )
    assert driver.outputs == []
    assert driver.session.winner is None


def test_a_stale_book_cancels() -> None:
    driver = quoting_driver()
    driver.batch(4.1)
    assert driver.cancels == []
    driver.batch(4.11)
    assert len(driver.cancels) == 2


@pytest.mark.parametrize(("fresh", "bid", "ask"), [(UP, "0.46", "0.48"), (DOWN, "0.52", "0.54")])
def test_one_fresh_book_stands_for_both(fresh: Outcome, bid: str, ask: str) -> None:
    driver = quoting_driver()
    driver.batch(4.5, book(fresh, bid, ask, at_ns=at(4.5)))
    view = driver.session.quote_view(driver.session.side_views(at(4.5)))
    assert (view.up.bid_e4, view.up.ask_e4) == (4600, 4800)
    assert (view.down.bid_e4, view.down.ask_e4) == (5200, 5400)
    assert driver.cancels == []


@pytest.mark.parametrize(
    ("market", "ours_e4", "tick_e4"),
    [
        ("0.001", 10, 10),
        ("0.01", 10, 100),
        ("0.001", 100, 100),
        ("0.001", 25, 50),
        ("0.01", 25, 100),
    ],
)
def test_the_grid_is_within_the_markets_and_ours(market: str, ours_e4: int, tick_e4: int) -> None:
    driver = EngineDriver(params(finest_tick_e4=ours_e4), of=window(tick=market))
    assert driver.session.tick_e4 == tick_e4


def test_an_empty_side_stays_empty_in_the_mirror() -> None:
    driver = quoting_driver()
    driver.batch(4.5, book(UP, "0.46", None, at_ns=at(4.5)))
    assert driver.session.quote_view(driver.session.side_views(at(4.5))).down.bid_e4 is None
    assert len(driver.cancels) == 2


def test_a_user_channel_that_is_down_cancels() -> None:
    driver = quoting_driver()
    driver.batch(2, UserChannelChanged(state=UserChannelState.DOWN, ts_recv_ns=at(2)))
    assert len(driver.cancels) == 2


def test_halt_cancels_and_resume_quotes_again() -> None:
    driver = quoting_driver()
    driver.batch(2, Halt(reason="", by="me", ts_recv_ns=at(2)))
    assert len(driver.cancels) == 2
    driver.confirm_cancel(2.1)
    driver.books(2.5, *BOOKS)
    assert driver.submits == []
    driver.batch(2.6, Resume(by="me", ts_recv_ns=at(2.6)))
    assert len(driver.submits) == 2
    assert driver.notices(NoticeKind.HALTED)
    assert driver.notices(NoticeKind.RESUMED)


@pytest.mark.parametrize(
    ("mode", "cancels", "places"),
    [
        (VenueMode.POST_ONLY, 0, True),
        (VenueMode.CANCEL_ONLY, 0, False),
        (VenueMode.RESTARTING, 0, False),
        (VenueMode.DISABLED, 0, False),
        (VenueMode.CLOSED_ONLY, 2, False),
    ],
)
def test_venue_modes_change_quoting(mode: VenueMode, cancels: int, places: bool) -> None:
    driver = quoting_driver()
    changed = VenueModeChanged(
        slug=driver.window.slug, mode=mode, until_ns=at(10), ts_exec_ns=at(2)
    )
    driver.batch(2, changed)
    assert len(driver.cancels) == cancels
    fresh = EngineDriver()
    fresh.start()
    fresh.batch(1.5, changed)
    fresh.books(2, *BOOKS)
    assert bool(fresh.submits) is places
    fresh.books(10, *BOOKS)
    if not places:
        assert len(fresh.submits) == 2  # its time is over


def test_requote_waits_for_the_confirmed_cancel() -> None:
    driver = quoting_driver()
    driver.books(2, "0.48/0.50", "0.49/0.51")
    assert len(driver.cancels) == 2
    assert driver.submits == []
    driver.books(2.1, "0.48/0.50", "0.49/0.51")
    assert driver.outputs == []
    driver.confirm_cancel(2.2, "r1.btc-updown-15m-1790766900.1", "r1.btc-updown-15m-1790766900.2")
    assert [(s.outcome, s.price_e4) for s in driver.submits] == [(UP, 4900), (DOWN, 5000)]
    assert driver.engine.counters.requotes == 2
    assert driver.engine.counters.orders_cancelled == 2


def test_a_cancel_counts_in_the_worst_case_until_the_user_channel_agrees() -> None:
    driver = quoting_driver()
    driver.books(2, "0.48/0.50", "0.49/0.51")
    driver.confirm_cancel(2.2, *driver.cancels, user=False)
    assert driver.submits == []  # five going and five new would be ten
    assert "net_diff" in driver.session.decision.hold_reason
    driver.books(3.1, "0.48/0.50", "0.49/0.51")
    assert driver.submits == []
    old = driver.session.orders.alive()
    driver.books(3.2, "0.48/0.50", "0.49/0.51")  # silence proves nothing: the executor is asked
    assert driver.submits == []
    assert driver.cancels == [order.client_order_id for order in old]
    driver.batch(3.3, *(driver.found(3.3, order.client_order_id, 0) for order in old))
    assert len(driver.submits) == 2


def test_one_bid_without_a_price_means_no_bid() -> None:
    driver = EngineDriver(of=window(tick="0.01"))
    driver.start()
    driver.books(2, "0.98/0.99", "0.00/0.01")
    assert driver.submits == []
    assert "no first leg" in driver.session.decision.hold_reason


def test_a_pair_that_would_break_a_limit_is_not_begun() -> None:
    limits = LimitParams(max_position_value_u6=2_500_000)
    driver = EngineDriver(params(limits=limits))
    driver.start()
    driver.books(2, *BOOKS)  # 5 x .52 = 2.60
    assert driver.submits == []
    assert "position_value" in driver.session.decision.hold_reason
    assert driver.session.decision.mode == "risk"


def test_inventory_measures() -> None:
    driver = EngineDriver()
    driver.start()
    driver.batch(
        2, driver.filled(2, "a", UP, "5", "0.47"), driver.filled(2, "b", DOWN, "5", "0.52")
    )
    counters = driver.engine.counters
    assert (counters.fills, counters.filled_u6) == (2, 10_000_000)
    assert counters.max_abs_net_diff_u6 == 5_000_000
    assert counters.max_pair_cost_e4 == 9900
    assert counters.limit_violations == 0
    driver.batch(3, driver.filled(3, "c", UP, "50", "0.47"))
    assert counters.limit_violations == 1
    assert driver.notices(NoticeKind.LIMIT_REACHED)


def test_fills_that_cannot_be_ours_or_be_true_are_dropped() -> None:
    driver = EngineDriver()
    driver.start()
    good = fill(UP, "5", "0.47", status=TradeStatus.CONFIRMED)
    other_market = fill(UP, "5", "0.47", trade_id="x")
    foreign = replace(other_market, token_id="99")
    elsewhere = replace(other_market, condition_id="0xother")
    driver.batch(2, good, foreign, elsewhere, fill(UP, "5", "0.47", status=TradeStatus.FAILED))
    assert driver.session.inventory.working.up.qty_u6 == 5_000_000
    reasons = [n.reason for n in driver.notices(NoticeKind.INPUT_DROPPED)]
    assert reasons == ["foreign_token", "contradicting_fill"]


def test_reversed_fills_are_told() -> None:
    driver = EngineDriver()
    driver.start()
    driver.batch(2, fill(UP, "5", "0.47"), fill(UP, "5", "0.47", status=TradeStatus.FAILED))
    assert driver.engine.counters.fills_reversed == 1
    assert driver.notices(NoticeKind.FILL_REVERSED)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (LimitParams(max_window_loss_u6=2_000_000), "PM_MAX_WINDOW_LOSS"),
        (LimitParams(max_window_loss_u6=2_350_000), "PM_MAX_WINDOW_LOSS"),
        (LimitParams(max_daily_loss_u6=3_000_000), "PM_MAX_DAILY_LOSS"),
        (LimitParams(max_daily_loss_u6=3_350_000), "PM_MAX_DAILY_LOSS"),
    ],
)
def test_loss_limits_wind_down(limits: LimitParams, reason: str) -> None:
    driver = EngineDriver(params(limits=limits), prior_loss_u6=1_000_000)
    driver.start()
    driver.books(1.5, *BOOKS)
    driver.batch(2, driver.filled(2, "a", UP, "5", "0.47"))
    assert driver.session.clock.state is WindowState.WINDING_DOWN
    (notice,) = driver.notices(NoticeKind.LOSS_LIMIT)
    assert notice.reason == reason
    assert notice.detail == "profit of this window in the worst case: -2.35 dollars"
    driver.batch(2.5)
    assert len(driver.notices(NoticeKind.LOSS_LIMIT)) == 1


def test_what_other_windows_lose_meanwhile_counts() -> None:
    driver = quoting_driver(params(limits=LimitParams(max_daily_loss_u6=3_000_000)))
    driver.batch(2, PriorLossChanged(loss_u6=2_999_999, ts_recv_ns=at(2)))
    assert driver.session.loss_limit.reached == ""
    driver.batch(3, PriorLossChanged(loss_u6=3_000_000, ts_recv_ns=at(3)))
    assert driver.session.loss_limit.reached == "PM_MAX_DAILY_LOSS"
    assert driver.session.clock.state is WindowState.WINDING_DOWN


def test_the_end_of_a_window() -> None:
    driver = EngineDriver(params(settle_grace_ns=10 * NS_PER_S))
    driver.start()
    driver.books(600, *BOOKS)
    driver.accept(600.1)
    driver.books(660, *BOOKS)  # no new risk: both go
    assert len(driver.cancels) == 2
    driver.confirm_cancel(660.2)
    driver.batch(
        661, driver.filled(661, "r1.btc-updown-15m-1790766900.1", UP, "5", "0.47")
    )  # a late fill
    assert [s.outcome for s in driver.submits] == [DOWN]  # hedging goes on
    driver.accept(662.1)
    driver.books(895, *BOOKS)
    assert driver.asked_flat
    assert driver.cancels == []
    driver.books(896, *BOOKS)
    assert driver.outputs == []
    driver.batch(896.5, driver.flat(896.5))
    driver.batch(900)
    assert driver.session.clock.state is WindowState.AWAITING_RESOLUTION
    driver.batch(960, WindowResolved(slug=driver.window.slug, winner=UP, ts_recv_ns=at(960)))
    assert driver.engine.finished
    view = driver.engine.view()
    assert (view["winner"], view["profit"]) == ("up", pytest.approx(5 - 2.35))
    driver.batch(961)
    assert driver.outputs == []


def test_time_never_runs_backwards() -> None:
    driver = quoting_driver()
    with pytest.raises(InvariantError):
        driver.engine.step(at(0), Tick())


def test_the_same_inputs_give_the_same_fingerprint() -> None:
    first, second = quoting_driver(), quoting_driver()
    assert first.engine.fingerprint == second.engine.fingerprint
    second.books(2, "0.48/0.50", "0.49/0.51")
    assert first.engine.fingerprint != second.engine.fingerprint


def test_books_that_gap_are_told() -> None:
    driver = EngineDriver()
    wrong = book(UP, "0.46", "0.48")
    with_hash = replace(wrong, hash="ab" * 20, last_trade="")
    driver.batch(1, with_hash)
    assert driver.notices(NoticeKind.BOOK_GAP)


def test_adaptive_thresholds_travel_to_the_next_window() -> None:
    adaptive = params(ofi=OfiParams(mode=OfiMode.ADAPTIVE))
    driver = EngineDriver(adaptive)
    driver.start()
    for n in range(80):
        driver.batch(2 + n, trade(UP, TakerSide.BUY, "200", at_ns=at(2 + n)))
    warm = driver.engine.warm_start()
    assert len(warm[UP].samples_u6[0]) > 50
    heir = WindowEngine(window(), adaptive, "r2", warm_start=warm)
    assert heir.session.flows[UP].thresholds.enter_u6 > 50_000_000


def test_the_mid_that_confirms_toxic_flow_is_seen_through_the_other_book() -> None:
    """Up's own book is silent and the mirrored one is quoted on: it must be looked at too."""
    driver = quoting_driver(params(ofi=OfiParams(mode=OfiMode.ADAPTIVE), stale_after_ns=10**9))
    driver.batch(10, book(DOWN, "0.51", "0.53", at_ns=at(10)))
    driver.batch(11, book(DOWN, "0.45", "0.47", at_ns=at(11)))
    driver.batch(11.1, trade(UP, TakerSide.BUY, "60", at_ns=at(11.1)))
    assert [n.reason for n in driver.notices(NoticeKind.TOXIC_ENTERED)] == ["up"]


def test_netted_flow_is_toxic_for_both_outcomes_and_buys_of_both_are_not() -> None:
    driver = quoting_driver(params(ofi=OfiParams(mode=OfiMode.NET, min_move_ticks=0)))
    for n in range(20):
        second = 2 + n / 10
        outcome = (UP, DOWN)[n % 2]
        driver.batch(second, trade(outcome, TakerSide.BUY, "60", at_ns=at(second)))
    assert driver.notices(NoticeKind.TOXIC_ENTERED) == []
    for n in range(20):
        second = 12 + n / 10
        side = (TakerSide.BUY, TakerSide.SELL)[n % 2]
        driver.batch(second, trade((UP, DOWN)[n % 2], side, "60", at_ns=at(second)))
    assert [n.reason for n in driver.notices(NoticeKind.TOXIC_ENTERED)] == ["up", "down"]
    assert driver.engine.counters.trades == 40


def test_toxicity_is_told_when_entered_and_left() -> None:
    driver = quoting_driver()
    driver.batch(2, trade(DOWN, TakerSide.SELL, "60", at_ns=at(2)))
    assert [n.reason for n in driver.notices(NoticeKind.TOXIC_ENTERED)] == ["down"]
    for second in range(3, 10):
        driver.batch(second)
    assert [n.reason for n in driver.notices(NoticeKind.TOXIC_LEFT)] == ["down"]
    assert driver.engine.counters.trades == 1


def test_the_view_is_for_people() -> None:
    driver = quoting_driver()
    view = driver.engine.view()
    assert view["state"] == "quoting"
    assert view["mode"] == "balanced"
    outcomes = view["outcomes"]
    assert isinstance(outcomes, dict)
    assert (outcomes["up"]["quote"], outcomes["up"]["bid"]) == (0.47, 0.46)
    assert EngineDriver().engine.view()["hold"] == "starting"
