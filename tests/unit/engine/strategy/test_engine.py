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
from pmcore.messages.rotation import WindowAnnounced, WindowResolved
from pmcore.messages.timers import Tick
from pmcore.messages.user import TradeStatus, UserChannelChanged, UserChannelState
from pmcore.model.errors import InvariantError
from pmcore.model.market import Outcome, TakerSide
from pmcore.model.params import LimitParams, OfiMode, OfiParams
from pmcore.model.units import NS_PER_S
from support.builders import at, book, fill, params, trade, window
from support.desk import Desk, quoting_desk

UP, DOWN = Outcome.UP, Outcome.DOWN
BOOKS = ("0.46/0.48", "0.51/0.53")


def test_nothing_is_quoted_before_the_venue_says_flat() -> None:
    desk = Desk()
    gate = PlacingGateChanged(open=True, ts_recv_ns=at(1))
    desk.batch(1, UserChannelChanged(state=UserChannelState.UP, ts_recv_ns=at(1)), gate)
    assert desk.asked_flat
    desk.books(1.1, *BOOKS)
    assert desk.outputs == []
    desk.batch(7)
    assert desk.asked_flat  # asked again after a while without an answer
    desk.batch(7.1, desk.flat(7.1))
    assert not desk.asked_flat
    desk.books(7.2, *BOOKS)
    assert len(desk.submits) == 2


def test_nothing_is_quoted_before_the_open() -> None:
    desk = Desk()
    desk.start(-5)
    desk.books(-4, *BOOKS)
    assert desk.submits == []
    desk.books(0, *BOOKS)
    assert len(desk.submits) == 2


def test_commands_carry_their_cause_and_expiry() -> None:
    desk = Desk()
    desk.start()
    desk.books(2, *BOOKS)
    order = desk.submits[0]
    assert (order.ts_cause_ns, order.ts_step_ns) == (at(2), at(2))
    assert order.expires_at_ns == at(3)
    assert order.client_order_id == "r1.btc-updown-15m-1790766900.1"
    assert order.tick_e4 == 10


def test_orders_of_windows_that_open_together_have_different_ids() -> None:
    eth = replace(window(), series="eth-15m", slug=window().slug.replace("btc", "eth"))
    ids = []
    for desk in (Desk(), Desk(of=eth)):
        desk.start()
        for outcome, bid, ask in ((UP, "0.46", "0.48"), (DOWN, "0.51", "0.53")):
            desk.batch(2, book(outcome, bid, ask, at_ns=at(2), slug=desk.window.slug))
            ids += [order.client_order_id for order in desk.submits]
    assert len(ids) == len(set(ids)) == 4


def test_a_bid_size_below_the_minimum_refuses_once_and_names_the_value() -> None:
    desk = Desk(params(bid_size_u6=2_000_000))
    desk.start()
    desk.books(2, *BOOKS)
    desk.books(3, *BOOKS)
    assert desk.submits == []
    notices = desk.notices(NoticeKind.QUOTES_REFUSED)
    assert len(notices) == 1
    assert "PM_BID_SIZE=5" in notices[0].detail
    assert "PM_BID_SIZE=5" in str(desk.engine.view()["refused"])


@pytest.mark.parametrize("state", [FeedState.DOWN, FeedState.SILENT, FeedState.RESYNCING])
def test_a_feed_that_is_not_live_cancels(state: FeedState) -> None:
    desk = quoting_desk()
    status = FeedStatusChanged(slug=desk.window.slug, state=state, ts_recv_ns=at(2))
    desk.batch(2, status)
    assert len(desk.cancels) == 2
    assert "feed" in desk.session.hold_reason


def test_another_windows_messages_change_nothing() -> None:
    desk = quoting_desk()
    desk.batch(
        2,
        FeedStatusChanged(slug="other", state=FeedState.DOWN, ts_recv_ns=at(2)),
        book(UP, "0.10", "0.12", at_ns=at(2), slug="other"),
        WindowResolved(slug="other", winner=UP, ts_recv_ns=at(2)),
        WindowAnnounced(window=window(), ts_recv_ns=at(2)),
    )
    assert desk.outputs == []
    assert desk.session.winner is None


def test_a_stale_book_cancels() -> None:
    desk = quoting_desk()
    desk.batch(4.1)
    assert desk.cancels == []
    desk.batch(4.11)
    assert len(desk.cancels) == 2


@pytest.mark.parametrize(("fresh", "bid", "ask"), [(UP, "0.46", "0.48"), (DOWN, "0.52", "0.54")])
def test_one_fresh_book_stands_for_both(fresh: Outcome, bid: str, ask: str) -> None:
    desk = quoting_desk()
    desk.batch(4.5, book(fresh, bid, ask, at_ns=at(4.5)))
    view = desk.session.quote_view(at(4.5))
    assert (view.up.bid_e4, view.up.ask_e4) == (4600, 4800)
    assert (view.down.bid_e4, view.down.ask_e4) == (5200, 5400)
    assert desk.cancels == []


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
    desk = Desk(params(finest_tick_e4=ours_e4), of=window(tick=market))
    assert desk.session.tick_e4 == tick_e4


def test_an_empty_side_stays_empty_in_the_mirror() -> None:
    desk = quoting_desk()
    desk.batch(4.5, book(UP, "0.46", None, at_ns=at(4.5)))
    assert desk.session.quote_view(at(4.5)).down.bid_e4 is None
    assert len(desk.cancels) == 2


def test_a_user_channel_that_is_down_cancels() -> None:
    desk = quoting_desk()
    desk.batch(2, UserChannelChanged(state=UserChannelState.DOWN, ts_recv_ns=at(2)))
    assert len(desk.cancels) == 2


def test_halt_cancels_and_resume_quotes_again() -> None:
    desk = quoting_desk()
    desk.batch(2, Halt(reason="", by="me", ts_recv_ns=at(2)))
    assert len(desk.cancels) == 2
    desk.confirm_cancel(2.1)
    desk.books(2.5, *BOOKS)
    assert desk.submits == []
    desk.batch(2.6, Resume(by="me", ts_recv_ns=at(2.6)))
    assert len(desk.submits) == 2
    assert desk.notices(NoticeKind.HALTED)
    assert desk.notices(NoticeKind.RESUMED)


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
    desk = quoting_desk()
    changed = VenueModeChanged(slug=desk.window.slug, mode=mode, until_ns=at(10), ts_exec_ns=at(2))
    desk.batch(2, changed)
    assert len(desk.cancels) == cancels
    fresh = Desk()
    fresh.start()
    fresh.batch(1.5, changed)
    fresh.books(2, *BOOKS)
    assert bool(fresh.submits) is places
    fresh.books(10, *BOOKS)
    if not places:
        assert len(fresh.submits) == 2  # its time is over


def test_requote_waits_for_the_confirmed_cancel() -> None:
    desk = quoting_desk()
    desk.books(2, "0.48/0.50", "0.49/0.51")
    assert len(desk.cancels) == 2
    assert desk.submits == []
    desk.books(2.1, "0.48/0.50", "0.49/0.51")
    assert desk.outputs == []
    desk.confirm_cancel(2.2, "r1.btc-updown-15m-1790766900.1", "r1.btc-updown-15m-1790766900.2")
    assert [(s.outcome, s.price_e4) for s in desk.submits] == [(UP, 4900), (DOWN, 5000)]
    assert desk.engine.counters.requotes == 2
    assert desk.engine.counters.orders_cancelled == 2


def test_a_cancel_counts_in_the_worst_case_until_the_user_channel_agrees() -> None:
    desk = quoting_desk()
    desk.books(2, "0.48/0.50", "0.49/0.51")
    desk.confirm_cancel(2.2, *desk.cancels, user=False)
    assert desk.submits == []  # five going and five new would be ten
    assert "net_diff" in desk.session.hold_reason
    desk.books(3.1, "0.48/0.50", "0.49/0.51")
    assert desk.submits == []
    old = desk.session.orders.alive()
    desk.books(3.2, "0.48/0.50", "0.49/0.51")  # silence proves nothing: the executor is asked
    assert desk.submits == []
    assert desk.cancels == [order.client_order_id for order in old]
    desk.batch(3.3, *(desk.found(3.3, order.client_order_id, 0) for order in old))
    assert len(desk.submits) == 2


def test_one_bid_without_a_price_means_no_bid() -> None:
    desk = Desk(of=window(tick="0.01"))
    desk.start()
    desk.books(2, "0.98/0.99", "0.00/0.01")
    assert desk.submits == []
    assert "no first leg" in desk.session.hold_reason


def test_a_pair_that_would_break_a_limit_is_not_begun() -> None:
    limits = LimitParams(max_position_value_u6=2_500_000)
    desk = Desk(params(limits=limits))
    desk.start()
    desk.books(2, *BOOKS)  # 5 x .52 = 2.60
    assert desk.submits == []
    assert "position_value" in desk.session.hold_reason
    assert desk.session.mode == "risk"


def test_inventory_measures() -> None:
    desk = Desk()
    desk.start()
    desk.batch(2, desk.filled(2, "a", UP, "5", "0.47"), desk.filled(2, "b", DOWN, "5", "0.52"))
    counters = desk.engine.counters
    assert (counters.fills, counters.filled_u6) == (2, 10_000_000)
    assert counters.max_abs_net_diff_u6 == 5_000_000
    assert counters.max_pair_cost_e4 == 9900
    assert counters.limit_violations == 0
    desk.batch(3, desk.filled(3, "c", UP, "50", "0.47"))
    assert counters.limit_violations == 1
    assert desk.notices(NoticeKind.LIMIT_REACHED)


def test_fills_that_cannot_be_ours_or_be_true_are_dropped() -> None:
    desk = Desk()
    desk.start()
    good = fill(UP, "5", "0.47", status=TradeStatus.CONFIRMED)
    other_market = fill(UP, "5", "0.47", trade_id="x")
    foreign = replace(other_market, token_id="99")
    elsewhere = replace(other_market, condition_id="0xother")
    desk.batch(2, good, foreign, elsewhere, fill(UP, "5", "0.47", status=TradeStatus.FAILED))
    assert desk.session.inventory.working.up.qty_u6 == 5_000_000
    reasons = [n.reason for n in desk.notices(NoticeKind.INPUT_DROPPED)]
    assert reasons == ["foreign_token", "contradicting_fill"]


def test_reversed_fills_are_told() -> None:
    desk = Desk()
    desk.start()
    desk.batch(2, fill(UP, "5", "0.47"), fill(UP, "5", "0.47", status=TradeStatus.FAILED))
    assert desk.engine.counters.fills_reversed == 1
    assert desk.notices(NoticeKind.FILL_REVERSED)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (LimitParams(max_window_loss_u6=2_000_000), "PM_MAX_WINDOW_LOSS"),
        (LimitParams(max_daily_loss_u6=3_000_000), "PM_MAX_DAILY_LOSS"),
    ],
)
def test_loss_limits_wind_down(limits: LimitParams, reason: str) -> None:
    desk = Desk(params(limits=limits), prior_loss_u6=1_000_000)
    desk.start()
    desk.books(1.5, *BOOKS)
    desk.batch(2, desk.filled(2, "a", UP, "5", "0.47"))
    assert desk.session.clock.state is WindowState.WINDING_DOWN
    (notice,) = desk.notices(NoticeKind.LOSS_LIMIT)
    assert notice.reason == reason
    assert notice.detail == "profit of this window in the worst case: -2.35 dollars"
    desk.batch(2.5)
    assert len(desk.notices(NoticeKind.LOSS_LIMIT)) == 1


def test_the_end_of_a_window() -> None:
    desk = Desk(params(settle_grace_ns=10 * NS_PER_S))
    desk.start()
    desk.books(600, *BOOKS)
    desk.accept(600.1)
    desk.books(660, *BOOKS)  # no new risk: both go
    assert len(desk.cancels) == 2
    desk.confirm_cancel(660.2)
    desk.batch(
        661, desk.filled(661, "r1.btc-updown-15m-1790766900.1", UP, "5", "0.47")
    )  # a late fill
    assert [s.outcome for s in desk.submits] == [DOWN]  # hedging goes on
    desk.accept(662.1)
    desk.books(895, *BOOKS)
    assert desk.asked_flat
    assert desk.cancels == []
    desk.books(896, *BOOKS)
    assert desk.outputs == []
    desk.batch(896.5, desk.flat(896.5))
    desk.batch(900)
    assert desk.session.clock.state is WindowState.AWAITING_RESOLUTION
    desk.batch(960, WindowResolved(slug=desk.window.slug, winner=UP, ts_recv_ns=at(960)))
    assert desk.engine.finished
    view = desk.engine.view()
    assert (view["winner"], view["profit"]) == ("up", pytest.approx(5 - 2.35))
    desk.batch(961)
    assert desk.outputs == []


def test_time_never_runs_backwards() -> None:
    desk = quoting_desk()
    with pytest.raises(InvariantError):
        desk.engine.step(at(0), Tick())


def test_the_same_inputs_give_the_same_fingerprint() -> None:
    first, second = quoting_desk(), quoting_desk()
    assert first.engine.fingerprint == second.engine.fingerprint
    second.books(2, "0.48/0.50", "0.49/0.51")
    assert first.engine.fingerprint != second.engine.fingerprint


def test_books_that_gap_are_told() -> None:
    desk = Desk()
    wrong = book(UP, "0.46", "0.48")
    with_hash = replace(wrong, hash="ab" * 20, last_trade="")
    desk.batch(1, with_hash)
    assert desk.notices(NoticeKind.BOOK_GAP)


def test_adaptive_thresholds_travel_to_the_next_window() -> None:
    adaptive = params(ofi=OfiParams(mode=OfiMode.ADAPTIVE))
    desk = Desk(adaptive)
    desk.start()
    for n in range(80):
        desk.batch(2 + n, trade(UP, TakerSide.BUY, "200", at_ns=at(2 + n)))
    warm = desk.engine.warm_start()
    assert len(warm[UP].samples_u6[0]) > 50
    heir = WindowEngine(window(), adaptive, "r2", warm_start=warm)
    assert heir.session.flows[UP].thresholds.enter_u6 > 50_000_000


def test_toxicity_is_told_when_entered_and_left() -> None:
    desk = quoting_desk()
    desk.batch(2, trade(DOWN, TakerSide.SELL, "60", at_ns=at(2)))
    assert [n.reason for n in desk.notices(NoticeKind.TOXIC_ENTERED)] == ["down"]
    for second in range(3, 10):
        desk.batch(second)
    assert [n.reason for n in desk.notices(NoticeKind.TOXIC_LEFT)] == ["down"]
    assert desk.engine.counters.trades == 1


def test_the_view_is_for_people() -> None:
    desk = quoting_desk()
    view = desk.engine.view()
    assert view["state"] == "quoting"
    assert view["mode"] == "balanced"
    outcomes = view["outcomes"]
    assert isinstance(outcomes, dict)
    assert (outcomes["up"]["quote"], outcomes["up"]["bid"]) == (0.47, 0.46)
    assert Desk().engine.view()["hold"] == "starting"
