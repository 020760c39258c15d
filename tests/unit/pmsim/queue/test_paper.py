from __future__ import annotations

from collections.abc import Sequence

from pmcore.messages.execution import (
    CancelFailed,
    FailureStage,
    OrderAccepted,
    OrderCancelled,
    OrderFailed,
    OrderSubmitting,
    WindowFlat,
)
from pmcore.messages.market_data import (
    BookSnapshot,
    SnapshotOrigin,
    TickSizeChanged,
    TradePrinted,
)
from pmcore.messages.orders import CancelOrders, CancelWindow, SubmitOrder
from pmcore.messages.user import (
    FillReported,
    OrderUpdated,
    OrderUpdateKind,
    TradeStatus,
    UserChannelChanged,
    UserChannelState,
)
from pmcore.model.errors import Reason
from pmcore.model.market import Outcome, TakerSide, Window
from pmcore.model.units import NS_PER_MS, NS_PER_S
from pmsim.queue.paper import CommandAnswer, CommandVenue
from pmsim.queue.paper_venue import PaperParams

SHARE = 1_000_000
MS = NS_PER_MS
SLUG = "btc-updown-15m-1790766900"
WINDOW = Window(
    series="btc-15m",
    slug=SLUG,
    condition_id="0xc0",
    up_token_id="11",
    down_token_id="22",
    open_ns=0,
    close_ns=900 * NS_PER_S,
    tick_e4=100,
    min_size_u6=5 * SHARE,
)
PARAMS = PaperParams(
    entry_latency_ms=50, cancel_latency_ms=30, mined_delay_ms=2_000, confirmed_delay_ms=5_000
)


def snapshot(outcome: Outcome, bid: int, ask: int, ms: int = 0) -> BookSnapshot:
    return BookSnapshot(
        slug=SLUG,
        outcome=outcome,
        bids=((bid * 100, 10 * SHARE),),
        asks=((ask * 100, 10 * SHARE),),
        hash="",
        origin=SnapshotOrigin.SUBSCRIBE,
        ts_event_ns=ms * MS,
        ts_recv_ns=ms * MS,
    )


def sold(price: int, size: int, ms: int) -> TradePrinted:
    return TradePrinted(
        slug=SLUG,
        outcome=Outcome.UP,
        taker_side=TakerSide.SELL,
        price_e4=price * 100,
        size_u6=size * SHARE,
        ts_event_ns=ms * MS,
        ts_recv_ns=ms * MS,
    )


def submit(
    order_id: str,
    price: int,
    *,
    outcome: Outcome = Outcome.UP,
    size_u6: int = 5 * SHARE,
    slug: str = SLUG,
    price_e4: int | None = None,
) -> SubmitOrder:
    return SubmitOrder(
        client_order_id=order_id,
        slug=slug,
        outcome=outcome,
        price_e4=price * 100 if price_e4 is None else price_e4,
        size_u6=size_u6,
        tick_e4=100,
        expires_at_ns=1_000 * MS,
        ts_step_ns=0,
    )


def venue() -> CommandVenue:
    paper = CommandVenue(PARAMS)
    paper.add_window(WINDOW)
    paper.market(0, snapshot(Outcome.UP, 48, 52))
    paper.market(0, snapshot(Outcome.DOWN, 48, 52))
    return paper


def kinds(messages: Sequence[CommandAnswer]) -> list[type]:
    return [type(message) for message in messages]


def refusal(paper: CommandVenue, command: SubmitOrder) -> tuple[FailureStage, Reason]:
    answers = [*paper.command(10 * MS, command), *paper.advance(500 * MS)]
    failed = [message for message in answers if isinstance(message, OrderFailed)]
    assert len(failed) == 1
    assert failed[0].client_order_id == command.client_order_id
    return failed[0].stage, failed[0].reason


def test_the_user_channel_comes_up_with_the_first_window() -> None:
    paper = CommandVenue(PARAMS)
    assert paper.advance(1) == []
    paper.add_window(WINDOW)
    [up] = paper.advance(2)
    assert isinstance(up, UserChannelChanged)
    assert up.state is UserChannelState.UP
    assert paper.advance(3) == []


def test_the_life_of_a_filled_order() -> None:
    paper = venue()
    [submitting] = paper.command(10 * MS, submit("a", 48))
    assert isinstance(submitting, OrderSubmitting)
    assert (paper.next_ns(), paper.open_orders(SLUG)) == (60 * MS, 0)
    accepted, placed = paper.advance(60 * MS)
    assert isinstance(accepted, OrderAccepted)
    assert accepted.order_hash == submitting.order_hash
    assert isinstance(placed, OrderUpdated)
    assert (placed.kind, placed.status) == (OrderUpdateKind.PLACEMENT, "live")
    assert paper.open_orders(SLUG) == 1

    fill, update = paper.market(100 * MS, sold(48, 12, 100))
    assert isinstance(fill, FillReported)
    assert (fill.size_u6, fill.price_e4, fill.token_id) == (2 * SHARE, 4800, "11")
    assert fill.status is TradeStatus.MATCHED
    assert isinstance(update, OrderUpdated)
    assert (update.kind, update.matched_u6) == (OrderUpdateKind.UPDATE, 2 * SHARE)
    rest, done = paper.market(110 * MS, sold(48, 50, 110))
    assert isinstance(rest, FillReported)
    assert isinstance(done, OrderUpdated)
    assert (rest.size_u6, done.status) == (3 * SHARE, "matched")
    assert rest.trade_id != fill.trade_id
    assert paper.open_orders(SLUG) == 0

    paper.drop_window(SLUG)
    later = paper.advance(60_000 * MS)
    settled = [(m.trade_id, m.status) for m in later if isinstance(m, FillReported)]
    assert settled == [
        (fill.trade_id, TradeStatus.MINED),
        (rest.trade_id, TradeStatus.MINED),
        (fill.trade_id, TradeStatus.CONFIRMED),
        (rest.trade_id, TradeStatus.CONFIRMED),
    ]
    assert paper.next_ns() is None


def test_what_the_venue_refuses() -> None:
    rejected = FailureStage.REJECTED
    assert refusal(venue(), submit("a", 52)) == (rejected, Reason.POST_ONLY_CROSSES)
    assert refusal(venue(), submit("a", 0, price_e4=4850)) == (rejected, Reason.TICK)
    assert refusal(venue(), submit("a", 100)) == (rejected, Reason.TICK)
    assert refusal(venue(), submit("a", 48, size_u6=4_990_000)) == (rejected, Reason.MIN_SIZE)
    assert refusal(venue(), submit("a", 48, size_u6=5_000_001)) == (rejected, Reason.INVALID_ORDER)


def test_our_own_two_bids_cross_through_the_merged_book() -> None:
    paper = venue()
    paper.command(0, submit("a", 50))
    paper.advance(50 * MS)
    down = submit("b", 50, outcome=Outcome.DOWN)
    assert refusal(paper, down) == (FailureStage.REJECTED, Reason.POST_ONLY_CROSSES)
    assert paper.open_orders(SLUG) == 1


def test_what_we_deny_before_it_is_sent() -> None:
    denied = FailureStage.DENIED
    assert refusal(venue(), submit("a", 48, slug="x-1")) == (denied, Reason.MARKET_CLOSED)
    paper = venue()
    paper.command(5 * MS, submit("a", 48))
    assert refusal(paper, submit("a", 48)) == (denied, Reason.DUPLICATE_COMMAND)
    paper = venue()
    paper.advance(1_001 * MS)
    assert refusal(paper, submit("a", 48)) == (denied, Reason.EXPIRED)


def test_a_finer_tick_is_taken_up() -> None:
    paper = venue()
    tick = TickSizeChanged(
        slug=SLUG, outcome=Outcome.UP, new_tick_e4=10, ts_event_ns=1, ts_recv_ns=1
    )
    paper.market(1, tick)
    paper.command(10 * MS, submit("a", 0, price_e4=4810))
    assert kinds(paper.advance(60 * MS)) == [OrderAccepted, OrderUpdated]


def test_a_cancel_takes_its_time_and_a_fill_may_come_first() -> None:
    paper = venue()
    paper.command(0, submit("a", 49))
    paper.advance(50 * MS)
    assert paper.command(60 * MS, _cancel("a")) == []
    assert kinds(paper.market(80 * MS, sold(48, 2, 80))) == [FillReported, OrderUpdated]
    cancelled, update = paper.advance(90 * MS)
    assert isinstance(cancelled, OrderCancelled)
    assert cancelled.filled_u6 == 2 * SHARE
    assert isinstance(update, OrderUpdated)
    assert (update.kind, update.status) == (OrderUpdateKind.CANCELLATION, "canceled")
    assert paper.open_orders(SLUG) == 0
    assert paper.market(200 * MS, sold(40, 50, 200)) == []


def test_a_cancel_never_overtakes_its_order() -> None:
    paper = venue()
    paper.command(0, submit("a", 49))
    paper.command(1 * MS, _cancel("a"))
    answers = paper.advance(50 * MS)
    assert kinds(answers) == [OrderAccepted, OrderUpdated, OrderCancelled, OrderUpdated]


def test_cancels_that_find_nothing_say_why() -> None:
    paper = venue()
    paper.command(0, submit("a", 49))
    paper.market(60 * MS, sold(48, 5, 60))
    paper.command(70 * MS, _cancel("a", "b"))
    reasons = [m.reason for m in paper.advance(100 * MS) if isinstance(m, CancelFailed)]
    assert reasons == [Reason.ALREADY_MATCHED, Reason.NOT_FOUND]


def test_cancel_window_ends_flat_even_with_an_order_under_way() -> None:
    paper = venue()
    paper.command(0, submit("a", 48))
    paper.command(40 * MS, submit("b", 48, outcome=Outcome.DOWN))
    paper.command(41 * MS, CancelWindow(slug=SLUG, reason="close", ts_step_ns=0))
    answers = paper.advance(200 * MS)
    assert sum(isinstance(m, OrderCancelled) for m in answers) == 2
    assert isinstance(answers[-1], WindowFlat)
    assert paper.open_orders(SLUG) == 0


def test_an_unknown_window_is_flat_and_silent() -> None:
    paper = venue()
    paper.drop_window(SLUG)
    assert paper.market(1 * MS, sold(48, 50, 1)) == []
    paper.command(1 * MS, CancelWindow(slug=SLUG, reason="close", ts_step_ns=0))
    assert kinds(paper.advance(100 * MS)) == [WindowFlat]
    assert paper.open_orders(SLUG) == 0


def test_an_order_of_a_window_dropped_on_its_way_is_forgotten() -> None:
    paper = venue()
    paper.command(0, submit("a", 48))
    paper.drop_window(SLUG)
    paper.add_window(WINDOW)
    assert paper.advance(100 * MS) == []


def test_time_that_runs_backwards_counts_as_now() -> None:
    paper = venue()
    paper.advance(100 * MS)
    [submitting] = paper.command(50 * MS, submit("a", 48))
    assert isinstance(submitting, OrderSubmitting)
    assert submitting.ts_exec_ns == 100 * MS


def _cancel(*order_ids: str) -> CancelOrders:
    return CancelOrders(slug=SLUG, client_order_ids=order_ids, reason="requote", ts_step_ns=0)
