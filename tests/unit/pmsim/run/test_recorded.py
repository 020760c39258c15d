from __future__ import annotations

import msgspec
import pytest

from pmcore.machines.book import WindowBooks
from pmcore.messages.market_data import BookDelta, BookSnapshot, TradePrinted
from pmcore.messages.user import FillReported, OrderUpdated, TradeStatus
from pmcore.model.market import Outcome, TakerSide, Window
from pmcore.model.units import NS_PER_MS, NS_PER_S, SHARE_U6
from pmcore.venue.encode import book_frame, to_text, trade_frame
from pmcore.venue.market_frames import MarketFrameParser
from pmcore.venue.user_frames import UserFrameParser
from pmsim.run.recorded import RecordedParams, RecordedVenue
from pmsim.venue.ports import (
    MarketFrame,
    OrderSide,
    OrderStatus,
    TimeInForce,
    UserFrame,
    VenueEvent,
)
from support.sim_worlds import ME, WORLD_START_NS, new_order, play, synthetic

MS = NS_PER_MS
OPEN_NS = WORLD_START_NS
WINDOW = Window(
    series="btc-30s",
    slug=f"btc-updown-30s-{OPEN_NS // NS_PER_S}",
    condition_id="0x" + "cd" * 32,
    up_token_id="11",
    down_token_id="22",
    open_ns=OPEN_NS,
    close_ns=OPEN_NS + 30 * NS_PER_S,
    tick_e4=100,
    min_size_u6=5 * SHARE_U6,
)


def book_text(at_ns: int, bids: dict[int, int], asks: dict[int, int], outcome: Outcome) -> str:
    frame = book_frame(
        WINDOW,
        outcome,
        bids=[(p * 100, s * SHARE_U6) for p, s in bids.items()],
        asks=[(p * 100, s * SHARE_U6) for p, s in asks.items()],
        ts_event_ns=at_ns,
        tick_e4=100,
        last_trade="",
    )
    return to_text(frame)


def sold_text(at_ns: int, price: int, size: int) -> str:
    frame = trade_frame(
        WINDOW,
        Outcome.UP,
        taker_side=TakerSide.SELL,
        price_e4=price * 100,
        size_u6=size * SHARE_U6,
        ts_event_ns=at_ns,
    )
    return to_text(frame)


def recording() -> list[tuple[int, str]]:
    at = OPEN_NS + 100 * MS
    return [
        (at, book_text(at, {48: 10, 47: 5}, {52: 10}, Outcome.UP)),
        (at, book_text(at, {48: 10}, {52: 10, 53: 5}, Outcome.DOWN)),
        (at + 50 * MS, "PONG"),
        (at + 60 * MS, '{"event_type":"new_market","market":"0x9"}'),
        (at + 1_000 * MS, sold_text(at + 1_000 * MS, 48, 12)),
        (at + 2_000 * MS, sold_text(at + 2_000 * MS, 48, 30)),
        (at + 29_000 * MS, book_text(at, {90: 10}, {92: 10}, Outcome.UP)),
        (at + 29_000 * MS, book_text(at, {8: 10}, {10: 10}, Outcome.DOWN)),
    ]


def recorded(frames: list[tuple[int, str]] | None = None) -> RecordedVenue:
    frames = recording() if frames is None else frames
    venue = RecordedVenue([WINDOW], frames, RecordedParams(), source="test")
    venue.add_account(ME)
    return venue


def own(events: list[VenueEvent]) -> list[OrderUpdated | FillReported]:
    parser = UserFrameParser(api_key=ME.owner, maker_addresses=frozenset({ME.maker_address}))
    return [
        message
        for event in events
        if isinstance(event, UserFrame)
        for message in parser.parse(msgspec.json.encode(event.frame), ts_recv_ns=event.at_ns)
        if isinstance(message, OrderUpdated | FillReported)
    ]


def test_frames_go_out_unchanged_at_their_times() -> None:
    venue = recorded()
    assert venue.now_ns == OPEN_NS + 100 * MS
    played = [(e.at_ns, e.text) for e in play(venue, 40) if isinstance(e, MarketFrame)]
    assert played == [frame for frame in recording() if frame[1] != "PONG"]


def test_a_synthetic_recording_plays_back_byte_for_byte() -> None:
    world = synthetic()
    window = world.listings()[0].window
    frames = [
        (event.at_ns, event.text)
        for event in play(world, 10)
        if isinstance(event, MarketFrame) and event.condition_id == window.condition_id
    ]
    venue = RecordedVenue([window], iter(frames), RecordedParams())
    assert [(e.at_ns, e.text) for e in play(venue, 11) if isinstance(e, MarketFrame)] == frames


def test_a_late_subscriber_gets_the_books_of_now_with_hashes_that_fit() -> None:
    venue = recorded()
    assert venue.initial_dump(["11", "22"]) is None
    assert venue.book("11") is None
    venue.advance(OPEN_NS + NS_PER_S)
    text = venue.initial_dump(["11", "22", "33"])
    assert text is not None
    books = WindowBooks(WINDOW)
    for message in MarketFrameParser(WINDOW).parse(text, ts_recv_ns=0):
        assert isinstance(message, BookSnapshot | BookDelta | TradePrinted)
        books.apply(message)
    assert (books.counters.books_verified, books.touch(Outcome.UP).bid_e4) == (2, 4800)
    rest = venue.book("22")
    assert rest is not None
    assert rest["min_order_size"] == "5"


def test_a_bid_waits_its_turn_and_fills_as_a_mint() -> None:
    venue = recorded()
    venue.advance(OPEN_NS + 200 * MS)
    order = new_order("0x1", "11", 4800, shares=20)
    assert venue.place(ME.owner, order, OPEN_NS + 200 * MS).status == "live"
    messages = own(play(venue, 29))
    sizes = [
        m.size_u6 // SHARE_U6
        for m in messages
        if isinstance(m, FillReported) and m.status is TradeStatus.MATCHED
    ]
    assert sizes == [2, 18]
    fills = [m for m in messages if isinstance(m, FillReported)]
    assert {(m.token_id, m.price_e4) for m in fills} == {("11", 4800)}
    [first, *_] = venue.trades(ME.owner)[::-1]
    assert (first.outcome, first.side, first.price_e4) == (Outcome.DOWN, OrderSide.BUY, 5200)
    assert venue.balance_u6(ME.owner, "11") == 20 * SHARE_U6
    assert venue.balance_u6(ME.owner) == 10**12 - 4_800 * 2_000
    assert venue.accounts.ledger.unaccounted_u6() == 0


def test_an_offer_stands_as_a_bid_for_the_complement() -> None:
    venue = recorded()
    venue.advance(OPEN_NS + 200 * MS)
    venue.place(ME.owner, new_order("0x1", "11", 4900, shares=5), venue.now_ns)
    venue.advance(OPEN_NS + 1_200 * MS)
    assert venue.balance_u6(ME.owner, "11") == 5 * SHARE_U6
    offer = new_order("0x2", "11", 4900, shares=5, side=OrderSide.SELL)
    assert venue.place(ME.owner, offer, venue.now_ns).status == "live"
    own_cross = new_order("0x3", "11", 4900)
    assert venue.place(ME.owner, own_cross, venue.now_ns).http_status == 400
    play(venue, 29)
    assert venue.balance_u6(ME.owner, "11") == 0
    assert venue.balance_u6(ME.owner) == 10**12
    assert venue.accounts.ledger.unaccounted_u6() == 0


def test_what_a_recording_refuses() -> None:
    venue = recorded()
    venue.advance(OPEN_NS + 200 * MS)

    def error(**changes: object) -> str:
        order = msgspec.structs.replace(new_order("0x1", "11", 4800), **changes)
        return venue.place(ME.owner, order, venue.now_ns).error

    assert error(price_e4=5200) == "invalid post-only order: order crosses book"
    assert error(price_e4=5200, post_only=False) == "order match delayed due to market conditions"
    fak = error(post_only=False, time_in_force=TimeInForce.FAK)
    assert fak == "order match delayed due to market conditions"
    assert error(token_id="7") == "No orderbook exists for the requested token id"
    assert "minimum tick size" in error(price_e4=4810)


def test_cancels_and_lists() -> None:
    venue = recorded()
    venue.advance(OPEN_NS + 200 * MS)
    for number, token in enumerate(("11", "22", "11")):
        venue.place(ME.owner, new_order(f"0x{number}", token, 4000), venue.now_ns)
    assert venue.cancel(ME.owner, ["0x0"], venue.now_ns).canceled == ("0x0",)
    assert [record.order_hash for record in venue.open_orders(ME.owner)] == ["0x1", "0x2"]
    only_down = venue.cancel_market(ME.owner, venue.now_ns, token_id="22")
    assert only_down.canceled == ("0x1",)
    assert venue.cancel_all(ME.owner, venue.now_ns).canceled == ("0x2",)
    assert own(play(venue, 28))[-1].order_hash == "0x2"


def test_the_window_ends_and_resolves_for_whom_the_last_book_favoured() -> None:
    venue = recorded()
    venue.advance(OPEN_NS + 200 * MS)
    venue.place(ME.owner, new_order("0x1", "11", 100), venue.now_ns)
    play(venue, 48)
    assert not venue.done
    listing = venue.listing(WINDOW.slug)
    assert listing is not None
    assert (listing.closed, listing.winner) == (False, None)
    play(venue, 3)
    assert venue.done
    [listing] = venue.listings()
    assert (listing.closed, listing.winner, listing.up_price_e4) == (True, Outcome.UP, 9_100)
    record = venue.order("0x1")
    assert record is not None
    assert record.status is OrderStatus.CANCELED_MARKET_RESOLVED
    assert venue.book("11") is None
    assert venue.initial_dump(["11"]) is None
    assert venue.next_ns() is None
    assert venue.listing("other") is None


def test_frames_after_the_resolution_are_not_played() -> None:
    late_ns = WINDOW.close_ns + 25 * NS_PER_S
    frames = [*recording(), (late_ns, book_text(late_ns, {48: 1}, {52: 1}, Outcome.UP))]
    played = [e for e in play(recorded(frames), 60) if isinstance(e, MarketFrame)]
    assert len(played) == len(recording()) - 1


def test_a_recording_that_ends_early_is_done_when_its_frames_are() -> None:
    window = msgspec.structs.replace(WINDOW, close_ns=OPEN_NS + 900 * NS_PER_S)
    venue = RecordedVenue([window], recording(), RecordedParams())
    play(venue, 29.5)
    assert venue.done


def test_an_empty_recording_begins_at_the_open() -> None:
    venue = recorded([])
    assert venue.now_ns == OPEN_NS
    assert venue.next_ns() == WINDOW.close_ns + 20 * NS_PER_S


@pytest.mark.parametrize("at_ns", [0, OPEN_NS])
def test_a_call_from_the_past_counts_as_now(at_ns: int) -> None:
    venue = recorded()
    venue.advance(OPEN_NS + 200 * MS)
    venue.place(ME.owner, new_order("0x1", "11", 4000), at_ns)
    record = venue.order("0x1")
    assert record is not None
    assert record.created_ns == OPEN_NS + 200 * MS


def test_good_till_date_ends_in_a_recording_too() -> None:
    long = [*recording(), (OPEN_NS + 200 * NS_PER_S, "PONG")]
    window = msgspec.structs.replace(WINDOW, close_ns=OPEN_NS + 300 * NS_PER_S)
    venue = RecordedVenue([window], long, RecordedParams())
    venue.add_account(ME)
    order = new_order("0x1", "11", 4000, time_in_force=TimeInForce.GTD)
    order = msgspec.structs.replace(order, expiration_s=venue.now_ns // NS_PER_S + 181)
    assert venue.place(ME.owner, order, venue.now_ns).status == "live"
    last = own(play(venue, 125, step_ms=1_000))[-1]
    assert isinstance(last, OrderUpdated)
    assert last.status == "canceled_expired_order"
    assert venue.open_orders(ME.owner) == []


def test_a_recording_has_positions_but_no_other_tick() -> None:
    venue = recorded()
    condition = WINDOW.condition_id
    assert venue.split(ME.owner, condition, 10 * SHARE_U6, venue.now_ns).error == ""
    assert venue.merge(ME.owner, condition, 4 * SHARE_U6, venue.now_ns).error == ""
    assert venue.redeem(ME.owner, condition, venue.now_ns).error == "market is not resolved"
    assert venue.redeem(ME.owner, "0x5", venue.now_ns).error == "market not found"
    assert venue.change_tick(condition, 10, venue.now_ns) != ""
    play(venue, 60, step_ms=1_000)
    assert venue.redeem(ME.owner, condition, venue.now_ns).cash_u6 == 6 * SHARE_U6
    assert venue.account_audit(ME.owner).shares_u6 == {}


def test_a_recording_takes_batches_one_by_one() -> None:
    venue = recorded()
    play(venue, 0.5)
    orders = [new_order("0x1", "11", 4000), new_order("0x2", "11", 5200)]
    answers = venue.place_batch(ME.owner, orders, venue.now_ns)
    assert [answer.status for answer in answers] == ["live", ""]
