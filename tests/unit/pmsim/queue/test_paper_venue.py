"""The paper exchange as a venue: requests, answers, and what it says on the user channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from pmcore.engine.execution.io import (
    CancelAnswered,
    LookUpResult,
    OpenOrdersAnswered,
    OrderLookedUp,
    Posted,
    PostRejected,
)
from pmcore.messages.market_data import TickSizeChanged
from pmcore.messages.orders import SubmitOrder
from pmcore.messages.user import (
    FillReported,
    OrderUpdated,
    OrderUpdateKind,
    TradeStatus,
    UserChannelChanged,
    UserChannelState,
)
from pmcore.model.errors import Reason
from pmcore.model.latency import parse_latencies
from pmcore.model.market import Outcome
from pmsim.queue.line import FillModel
from pmsim.queue.paper_venue import (
    PaperAnswer,
    PaperMessage,
    PaperParams,
    PaperVenue,
    VenueAnswer,
)
from support.paper import MS, SHARE, SLUG, WINDOW, snapshot, sold, submit

PARAMS = PaperParams(
    latencies=parse_latencies("order=50,cancel=30,query=20"),
    mined_delay_ms=2_000,
    confirmed_delay_ms=5_000,
)


def venue(params: PaperParams = PARAMS) -> PaperVenue:
    paper = PaperVenue(params)
    paper.add_window(WINDOW)
    paper.market(0, snapshot(Outcome.UP, 48, 52))
    paper.market(0, snapshot(Outcome.DOWN, 48, 52))
    return paper


def id_of(order: str) -> str:
    return f"0x{order}"


def post(paper: PaperVenue, at_ms: int, command: SubmitOrder) -> int:
    return paper.post(at_ms * MS, command, id_of(command.client_order_id))


def answers(messages: Sequence[PaperMessage]) -> list[VenueAnswer]:
    return [message.answer for message in messages if isinstance(message, PaperAnswer)]


def kinds(messages: Sequence[PaperMessage]) -> list[type]:
    return [type(m.answer) if isinstance(m, PaperAnswer) else type(m) for m in messages]


def answer_to(paper: PaperVenue, at_ms: int, command: SubmitOrder) -> VenueAnswer:
    post(paper, at_ms, command)
    (answer,) = answers(paper.advance((at_ms + 50) * MS))
    return answer


def states(messages: Sequence[PaperMessage]) -> list[UserChannelState]:
    assert all(isinstance(message, UserChannelChanged) for message in messages)
    return [m.state for m in messages if isinstance(m, UserChannelChanged)]


def test_the_user_channel_begins_down_and_comes_up_with_the_first_window() -> None:
    paper = PaperVenue(PARAMS)
    assert states(paper.advance(1)) == [UserChannelState.DOWN]
    assert paper.advance(1) == []
    paper.add_window(WINDOW)
    assert states(paper.advance(2)) == [UserChannelState.UP]
    assert paper.advance(3) == []


def test_each_new_window_says_again_that_the_channel_is_up() -> None:
    """The stream keeps a day: whoever starts later must find it nevertheless."""
    paper = venue()
    paper.add_window(msgspec.structs.replace(WINDOW, slug="next"))
    assert states(paper.advance(1)) == [UserChannelState.UP]
    paper.add_window(WINDOW)
    assert paper.advance(2) == []


def test_the_life_of_a_filled_order() -> None:
    paper = venue()
    number = post(paper, 10, submit("a", 48))
    assert (paper.next_ns(), paper.open_orders(SLUG)) == (60 * MS, ())
    assert paper.advance(60 * MS - 1) == []
    answered, placed = paper.advance(60 * MS)
    assert answered == PaperAnswer(number, Posted("a"))
    assert isinstance(placed, OrderUpdated)
    assert (placed.kind, placed.status) == (OrderUpdateKind.PLACEMENT, "live")
    assert paper.open_orders(SLUG) == paper.open_orders() == ("0xa",)
    assert paper.open_orders("another") == ()

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
    assert paper.open_orders(SLUG) == ()

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


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (submit("a", 52), Reason.POST_ONLY_CROSSES),
        (submit("a", 0, price_e4=4850), Reason.TICK),
        (submit("a", 100), Reason.TICK),
        (submit("a", 48, size_u6=4_990_000), Reason.MIN_SIZE),
        (submit("a", 48, size_u6=5_000_001), Reason.INVALID_ORDER),
        (submit("a", 48, slug="x-1"), Reason.MARKET_CLOSED),
    ],
)
def test_what_the_venue_refuses(command: SubmitOrder, reason: Reason) -> None:
    paper = venue()
    assert answer_to(paper, 10, command) == PostRejected("a", reason, "paper")
    assert paper.open_orders() == ()


def test_an_id_is_taken_once() -> None:
    paper = venue()
    assert answer_to(paper, 0, submit("a", 48)) == Posted("a")
    again = answer_to(paper, 100, submit("a", 47))
    assert again == PostRejected("a", Reason.DUPLICATE, "paper")
    assert paper.open_orders() == ("0xa",)


def test_it_does_not_ask_whether_a_command_is_late() -> None:
    late = submit("a", 48, expires_at_ns=1)
    assert answer_to(venue(), 10, late) == Posted("a")


def test_our_own_two_bids_cross_through_the_merged_book() -> None:
    paper = venue()
    assert answer_to(paper, 0, submit("a", 50)) == Posted("a")
    down = answer_to(paper, 60, submit("b", 50, outcome=Outcome.DOWN))
    assert down == PostRejected("b", Reason.POST_ONLY_CROSSES, "paper")


def test_a_finer_tick_is_taken_up() -> None:
    paper = venue()
    tick = TickSizeChanged(
        slug=SLUG, outcome=Outcome.UP, new_tick_e4=10, ts_event_ns=1, ts_recv_ns=1
    )
    paper.market(1, tick)
    assert answer_to(paper, 10, submit("a", 0, price_e4=4810)) == Posted("a")


def test_a_cancel_takes_its_time_and_a_fill_may_come_first() -> None:
    paper = venue()
    answer_to(paper, 0, submit("a", 49))
    paper.delete(60 * MS, ("0xa",))
    assert kinds(paper.market(80 * MS, sold(48, 2, 80))) == [FillReported, OrderUpdated]
    answered, update = paper.advance(90 * MS)
    assert isinstance(answered, PaperAnswer)
    assert answered.answer == CancelAnswered(("0xa",), ("0xa",), {})
    assert isinstance(update, OrderUpdated)
    assert (update.kind, update.status) == (OrderUpdateKind.CANCELLATION, "canceled")
    assert update.matched_u6 == 2 * SHARE
    assert paper.open_orders(SLUG) == ()
    assert paper.market(200 * MS, sold(40, 50, 200)) == []


def test_cancels_that_find_nothing_say_why() -> None:
    paper = venue()
    answer_to(paper, 0, submit("a", 49))
    paper.market(60 * MS, sold(48, 5, 60))
    paper.delete(70 * MS, ("0xa", "0xb"))
    (answer,) = answers(paper.advance(100 * MS))
    assert answer == CancelAnswered(
        ("0xa", "0xb"), (), {"0xa": "Order already matched", "0xb": "Order not found"}
    )


def test_an_id_named_twice_is_cancelled_once() -> None:
    paper = venue()
    answer_to(paper, 0, submit("a", 49))
    paper.delete(60 * MS, ("0xa", "0xa"))
    (answer,) = answers(paper.advance(100 * MS))
    assert answer == CancelAnswered(("0xa", "0xa"), ("0xa",), {})


def test_a_list_shows_what_rests_when_the_question_arrives() -> None:
    paper = venue()
    post(paper, 0, submit("a", 48))
    paper.list_open(29 * MS, SLUG)
    paper.list_open(30 * MS, SLUG)
    lists = [a for a in answers(paper.advance(50 * MS)) if isinstance(a, OpenOrdersAnswered)]
    assert [each.order_hashes for each in lists] == [(), ("0xa",)]


def test_what_became_of_an_order() -> None:
    paper = venue()
    found: list[OrderLookedUp] = []

    def look(at_ms: int) -> None:
        paper.look_up(at_ms * MS, "0xa")
        messages = paper.advance((at_ms + 20) * MS)
        found.extend(a for a in answers(messages) if isinstance(a, OrderLookedUp))

    look(0)
    post(paper, 20, submit("a", 49))
    paper.advance(70 * MS)
    paper.market(80 * MS, sold(48, 2, 80))
    look(80)
    paper.market(110 * MS, sold(48, 9, 110))
    look(110)
    assert [(f.finding, f.filled_u6) for f in found] == [
        (LookUpResult.CANCELED, None),
        (LookUpResult.LIVE, 2 * SHARE),
        (LookUpResult.MATCHED, 5 * SHARE),
    ]


def test_a_request_arrives_before_market_data_of_its_instant() -> None:
    paper = venue()
    post(paper, 0, submit("a", 49))
    out = paper.market(50 * MS, sold(48, 5, 50))
    assert kinds(out) == [Posted, OrderUpdated, FillReported, OrderUpdated]


def test_an_order_of_a_window_dropped_on_its_way_is_refused() -> None:
    paper = venue()
    post(paper, 0, submit("a", 48))
    paper.drop_window(SLUG)
    assert paper.market(1 * MS, sold(48, 50, 1)) == []
    rejected = PostRejected("a", Reason.MARKET_CLOSED, "paper")
    assert answers(paper.advance(100 * MS)) == [rejected]


def test_time_that_runs_backwards_counts_as_now() -> None:
    paper = venue()
    paper.advance(100 * MS)
    post(paper, 50, submit("a", 48))
    assert paper.next_ns() == 150 * MS


@pytest.mark.parametrize(
    "shown",
    [{"tick_e4": 10}, {"bids": ((4790, 10 * SHARE), (4800, 10 * SHARE))}],
    ids=["told", "by a level"],
)
def test_a_book_may_show_a_finer_tick_than_was_announced(shown: dict[str, Any]) -> None:
    """Recordings lack `tick_size_change`, and the strategy too reads the tick off the book."""
    paper = venue()
    refused = PostRejected("a", Reason.TICK, "paper")
    assert answer_to(paper, 0, submit("a", 0, price_e4=4790)) == refused
    paper.market(60 * MS, msgspec.structs.replace(snapshot(Outcome.UP, 48, 52, ms=60), **shown))
    paper.market(60 * MS, snapshot(Outcome.UP, 48, 52, ms=61))
    assert answer_to(paper, 70, submit("b", 0, price_e4=4790)) == Posted("b")


def test_a_tick_never_becomes_coarser() -> None:
    """As in the feed and in the strategy (`MarketFrameParser`, `WindowBooks`)."""
    paper = venue()
    for tick_e4 in (10, 100):
        tick = TickSizeChanged(
            slug=SLUG, outcome=Outcome.UP, new_tick_e4=tick_e4, ts_event_ns=1, ts_recv_ns=1
        )
        paper.market(1, tick)
    assert answer_to(paper, 10, submit("a", 0, price_e4=4810)) == Posted("a")


@pytest.mark.parametrize("seed", range(1, 9))
def test_a_report_comes_later_than_its_match_and_none_overtakes_another(seed: int) -> None:
    latencies = parse_latencies("order=50,cancel=30,report=100/200/3000", seed)
    paper = venue(msgspec.structs.replace(PARAMS, latencies=latencies, mined_delay_ms=10))
    post(paper, 0, submit("a", 49))
    told = paper.advance(50 * MS)
    assert kinds(told) == [Posted]
    for at_ms in (60, 70, 80, 90):
        assert paper.market(at_ms * MS, sold(48, 1, at_ms)) == []
    assert paper.ledgers()[SLUG][FillModel.CENTRAL].up.qty_u6 == 4 * SHARE
    told = paper.advance(60_000 * MS)
    statuses = [m.status for m in told if isinstance(m, FillReported)]
    last_matched = max(n for n, each in enumerate(statuses) if each is TradeStatus.MATCHED)
    assert statuses.index(TradeStatus.MINED) > statuses.index(TradeStatus.MATCHED)
    assert statuses[last_matched:].count(TradeStatus.CONFIRMED) == 4
    updates = [(m.ts_event_ns, m.ts_recv_ns) for m in told if isinstance(m, OrderUpdated)]
    assert [event // MS for event, _ in updates] == [50, 60, 70, 80, 90]
    assert all(recv - event >= 100 * MS for event, recv in updates)
    of_trade: dict[str, list[TradeStatus]] = {}
    for message in told:
        if isinstance(message, FillReported):
            of_trade.setdefault(message.trade_id, []).append(message.status)
    order = [TradeStatus.MATCHED, TradeStatus.MINED, TradeStatus.CONFIRMED]
    assert list(of_trade.values()) == [order] * 4
