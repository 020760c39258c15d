from __future__ import annotations

import hashlib

import msgspec
import pytest

from pmcore.machines.book import BookState, WindowBooks
from pmcore.messages.market_data import BookDelta, BookSnapshot, TradePrinted
from pmcore.messages.user import FillReported, OrderUpdated, OrderUpdateKind, TradeStatus
from pmcore.model.errors import InvariantError
from pmcore.model.market import Outcome, Window
from pmcore.model.units import NS_PER_S, SHARE_U6
from pmcore.venue.market_frames import MarketFrameParser
from pmcore.venue.user_frames import UserFrameParser
from pmsim.run.synthetic import SyntheticVenue
from pmsim.venue.ports import (
    MarketFrame,
    OrderSide,
    OrderStatus,
    TimeInForce,
    UserFrame,
    VenueEvent,
)
from support.sim_worlds import ME, WORLD_START_NS, new_order, play, synthetic


def digest(events: list[VenueEvent]) -> str:
    return hashlib.sha256(msgspec.json.encode(events)).hexdigest()


def running(venue: SyntheticVenue) -> Window:
    return next(
        listing.window
        for listing in venue.listings()
        if listing.window.open_ns <= venue.now_ns < listing.window.close_ns
    )


def touch(venue: SyntheticVenue, token_id: str) -> tuple[int, int]:
    book = venue.book(token_id)
    assert book is not None
    bids, asks = book["bids"], book["asks"]
    assert isinstance(bids, list)
    assert isinstance(asks, list)
    return round(float(bids[-1]["price"]) * 10_000), round(float(asks[-1]["price"]) * 10_000)


def own_messages(events: list[VenueEvent]) -> list[OrderUpdated | FillReported]:
    parser = UserFrameParser(api_key=ME.owner, maker_addresses=frozenset({ME.maker_address}))
    messages: list[OrderUpdated | FillReported] = []
    for event in events:
        if isinstance(event, UserFrame):
            text = msgspec.json.encode(event.frame)
            for message in parser.parse(text, ts_recv_ns=event.at_ns):
                assert isinstance(message, OrderUpdated | FillReported)
                messages.append(message)
    assert not parser.unusable
    return messages


def test_a_seed_is_a_world() -> None:
    first, again = synthetic(seed=3), synthetic(seed=3)
    assert digest(play(first, 40)) == digest(play(again, 40, step_ms=977))
    assert digest(play(synthetic(seed=4), 40)) != digest(play(synthetic(seed=3), 40))


def test_one_series_does_not_move_another() -> None:
    alone = play(synthetic(series="btc-updown-30s"), 10)
    beside = play(synthetic(series="eth-updown-30s,btc-updown-30s"), 10)
    markets = {event.condition_id for event in alone}
    assert [e for e in beside if e.condition_id in markets] == alone


def test_after_the_crowd_stopped_windows_go_on_and_their_books_stay() -> None:
    venue = synthetic(series="btc-updown-30s")
    play(venue, 10)
    first = running(venue)
    venue.stop_crowd()
    play(venue, 1)  # what was on its way
    book = venue.book(first.up_token_id)
    events = play(venue, 10)
    assert [e for e in events if e.condition_id == first.condition_id] == []
    assert venue.book(first.up_token_id) == book
    later = play(venue, 50)
    assert any("market_resolved" in e.text for e in later if isinstance(e, MarketFrame))
    assert running(venue) != first
    assert touch(venue, running(venue).up_token_id)[0] > 0


def test_the_frames_keep_verified_books() -> None:
    venue = synthetic()
    window = running(venue)
    venue.advance(venue.now_ns)
    parser, books = MarketFrameParser(window), WindowBooks(window, search_last_trade=True)
    kinds: dict[type, int] = {}
    dump = venue.initial_dump([window.up_token_id, window.down_token_id])
    assert dump is not None
    texts = [(venue.now_ns, dump)]
    texts += [
        (event.at_ns, event.text)
        for event in play(venue, 20)
        if isinstance(event, MarketFrame) and event.condition_id == window.condition_id
    ]
    for at_ns, text in texts:
        for message in parser.parse(text, ts_recv_ns=at_ns):
            assert isinstance(message, BookSnapshot | BookDelta | TradePrinted)
            kinds[type(message)] = kinds.get(type(message), 0) + 1
            books.apply(message)
    counters = books.counters
    assert not parser.unusable
    assert (counters.books_mismatched, counters.books_unverifiable) == (0, 0)
    assert (counters.change_hashes_mismatched, counters.touch_disagreements) == (0, 0)
    assert counters.books_verified > 10
    assert kinds[BookDelta] > 20 * 20
    assert kinds[TradePrinted] > 3
    for outcome in Outcome:
        assert books.state(outcome) is BookState.LIVE
        own = books.touch(outcome)
        assert (own.bid_e4, own.ask_e4) == touch(venue, window.token_id(outcome))


def test_a_print_comes_35_ms_after_its_books() -> None:
    events = [e for e in play(synthetic(), 20) if isinstance(e, MarketFrame)]
    prints = [e for e in events if '"last_trade_price"' in e.text and '"side"' in e.text]
    books = {e.at_ns for e in events if '"event_type":"book"' in e.text}
    assert prints
    assert all(e.at_ns - 35_000_000 in books for e in prints)


def test_windows_follow_each_other_and_resolve() -> None:
    venue = synthetic()
    play(venue, 75, step_ms=5_000)
    listings = venue.listings()
    assert [one.window.open_ns for one in listings] == [
        WORLD_START_NS + n * 30 * NS_PER_S for n in range(4)
    ]
    assert [one.closed for one in listings] == [True, True, False, False]
    assert all((one.winner is not None) is one.closed for one in listings)
    gone = listings[0].window
    assert venue.book(gone.up_token_id) is None
    assert venue.initial_dump([gone.up_token_id]) is None
    won = listings[0].winner
    assert listings[0].up_price_e4 == (10_000 if won is Outcome.UP else 0)


def test_a_coming_window_exists_when_it_is_asked_for() -> None:
    venue = synthetic()
    slug = f"btc-updown-30s-{WORLD_START_NS // NS_PER_S + 90}"
    listing = venue.listing(slug)
    assert listing is not None
    assert listing.accepting_orders
    assert venue.listing("btc-updown-30s-17") is None
    assert venue.listing("doge-updown-30s-1790766990") is None
    token = listing.window.up_token_id
    assert venue.place(ME.owner, new_order("0x1", token, 4000), venue.now_ns).status == "live"


def test_our_order_is_in_the_book_and_fills_for_real() -> None:
    venue = synthetic()
    venue.advance(venue.now_ns)
    window = running(venue)
    _, ask_e4 = touch(venue, window.up_token_id)
    order = new_order("0x1", window.up_token_id, ask_e4 - 100, shares=20)
    assert venue.place(ME.owner, order, venue.now_ns).status == "live"
    assert touch(venue, window.up_token_id)[0] == ask_e4 - 100
    messages = own_messages(play(venue, 60))
    fills = [m for m in messages if isinstance(m, FillReported)]
    matched = [m for m in fills if m.status is TradeStatus.MATCHED]
    confirmed = [m for m in fills if m.status is TradeStatus.CONFIRMED]
    assert sum(m.size_u6 for m in matched) == 20 * SHARE_U6
    assert {m.price_e4 for m in matched} == {ask_e4 - 100}
    assert [m.trade_id for m in matched] == [m.trade_id for m in confirmed]
    assert venue.balance_u6(ME.owner, window.up_token_id) == 20 * SHARE_U6
    floored_u6 = venue.balance_u6(ME.owner) - (10**12 - (ask_e4 - 100) * 20 * 100)
    assert 0 <= floored_u6 < len(matched)
    updates = [m for m in messages if isinstance(m, OrderUpdated)]
    assert updates[0].kind is OrderUpdateKind.PLACEMENT
    assert updates[-1].matched_u6 == 20 * SHARE_U6
    record = venue.order("0x1")
    assert record is not None
    assert record.status is OrderStatus.MATCHED
    assert [t.trade_id for t in venue.trades(ME.owner)][::-1] == record.trade_ids
    assert venue.accounts.ledger.unaccounted_u6() == 0


def test_what_the_venue_says_to_a_bad_order() -> None:
    venue = synthetic()
    window = running(venue)
    token = window.up_token_id
    _, ask_e4 = touch(venue, token)

    def error(order_hash: str = "0x9", **changes: object) -> tuple[int, str]:
        base = new_order(order_hash, token, 4000)
        answer = venue.place(ME.owner, msgspec.structs.replace(base, **changes), venue.now_ns)
        assert answer.status == ""
        return answer.http_status, answer.error

    assert error(token_id="5") == (404, "No orderbook exists for the requested token id")
    assert error(price_e4=4050) == (
        400,
        "order 0x9 is invalid. Price (0.405) breaks minimum tick size rule: 0.01",
    )
    assert error(size_u6=4_990_000) == (
        400,
        "order 0x9 is invalid. Size (4.99) lower than the minimum: 5",
    )
    assert error(size_u6=5_000_001) == (400, "Invalid order payload")
    assert error(time_in_force=TimeInForce.FOK) == (400, "Invalid order payload")
    assert error(price_e4=ask_e4) == (400, "invalid post-only order: order crosses book")
    short = "not enough balance / allowance: the balance is not enough -> balance: "
    assert error(size_u6=10**13) == (400, f"{short}{10**12}, order amount: {4 * 10**12}")
    assert error(side=OrderSide.SELL) == (400, f"{short}0, order amount: 5000000")
    assert venue.place(ME.owner, new_order("0x9", token, 4000), venue.now_ns).error == ""
    assert error() == (400, "order 0x9 is invalid. Duplicated.")


def test_our_own_two_bids_cross() -> None:
    venue = synthetic()
    window = running(venue)
    bid_e4, _ = touch(venue, window.up_token_id)
    up = new_order("0x1", window.up_token_id, bid_e4)
    down = new_order("0x2", window.down_token_id, 10_000 - bid_e4)
    assert venue.place(ME.owner, up, venue.now_ns).error == ""
    assert venue.place(ME.owner, down, venue.now_ns).http_status == 400


def test_a_taker_order_matches_at_entry() -> None:
    venue = synthetic()
    window = running(venue)
    _, ask_e4 = touch(venue, window.up_token_id)
    take = new_order(
        "0x1",
        window.up_token_id,
        ask_e4,
        shares=2,
        time_in_force=TimeInForce.FAK,
        post_only=False,
    )
    answer = venue.place(ME.owner, take, venue.now_ns)
    assert (answer.status, answer.making_u6, answer.taking_u6) == (
        "matched",
        ask_e4 * 200,
        2 * SHARE_U6,
    )
    assert answer.trade_ids == (venue.trades(ME.owner)[0].trade_id,)
    sell = new_order(
        "0x2",
        window.up_token_id,
        ask_e4 - 1_000,
        shares=2,
        side=OrderSide.SELL,
        time_in_force=TimeInForce.FOK,
        post_only=False,
    )
    answer = venue.place(ME.owner, sell, venue.now_ns)
    assert (answer.making_u6, venue.balance_u6(ME.owner, window.up_token_id)) == (2 * SHARE_U6, 0)
    nothing = msgspec.structs.replace(take, order_hash="0x3", price_e4=100)
    assert "no orders found" in venue.place(ME.owner, nothing, venue.now_ns).error
    too_much = msgspec.structs.replace(
        take, order_hash="0x4", size_u6=10**11, time_in_force=TimeInForce.FOK
    )
    assert "fully filled" in venue.place(ME.owner, too_much, venue.now_ns).error


def test_cancels_say_what_they_did() -> None:
    venue = synthetic()
    window = running(venue)
    for number, token in enumerate((window.up_token_id, window.up_token_id, window.down_token_id)):
        order = new_order(f"0x{number}", token, 1_000 + 100 * number)
        assert venue.place(ME.owner, order, venue.now_ns).error == ""
    result = venue.cancel(ME.owner, ["0x0", "0x7", "0x0"], venue.now_ns)
    assert result.canceled == ("0x0",)
    assert result.not_canceled == (("0x7", "Order not found or already canceled"),)
    again = venue.cancel(ME.owner, ["0x0"], venue.now_ns)
    assert again.not_canceled == (("0x0", "Order not found or already canceled"),)
    by_token = venue.cancel_market(ME.owner, venue.now_ns, token_id=window.down_token_id)
    assert by_token.canceled == ("0x2",)
    assert venue.cancel_all(ME.owner, venue.now_ns).canceled == ("0x1",)
    assert venue.open_orders(ME.owner) == []
    kinds = [
        m.kind.value
        for m in own_messages(list(venue.advance(venue.now_ns)))
        if isinstance(m, OrderUpdated)
    ]
    assert kinds == ["placement"] * 3 + ["cancellation"] * 3


def test_a_matched_order_cannot_be_cancelled() -> None:
    venue = synthetic()
    window = running(venue)
    _, ask_e4 = touch(venue, window.up_token_id)
    take = new_order(
        "0x1", window.up_token_id, ask_e4, time_in_force=TimeInForce.FAK, post_only=False
    )
    assert venue.place(ME.owner, take, venue.now_ns).status == "matched"
    result = venue.cancel(ME.owner, ["0x1"], venue.now_ns)
    assert result.not_canceled == (("0x1", "Order already matched"),)


def test_resolution_cancels_what_still_rests() -> None:
    venue = synthetic()
    window = running(venue)
    for outcome in Outcome:
        order = new_order(f"0x{outcome}", window.token_id(outcome), 100)
        venue.place(ME.owner, order, venue.now_ns)
    events = play(venue, 45, step_ms=1_000)
    listing = venue.listing(window.slug)
    assert listing is not None
    record = venue.order(f"0x{listing.winner}")
    assert record is not None
    assert record.status is OrderStatus.CANCELED_MARKET_RESOLVED
    statuses = [m.status for m in own_messages(events) if isinstance(m, OrderUpdated)]
    assert statuses[-1] == "canceled_market_resolved"


@pytest.mark.parametrize("seed", [1, 2])
def test_a_failed_trade_gives_everything_back(seed: int) -> None:
    venue = synthetic(seed=seed, failed_ppm=1_000_000)
    window = running(venue)
    _, ask_e4 = touch(venue, window.up_token_id)
    take = new_order(
        "0x1", window.up_token_id, ask_e4, time_in_force=TimeInForce.FAK, post_only=False
    )
    venue.place(ME.owner, take, venue.now_ns)
    assert venue.balance_u6(ME.owner, window.up_token_id) > 0
    statuses = [
        event.frame["status"]
        for event in play(venue, 30, step_ms=1_000)
        if isinstance(event, UserFrame) and event.frame["event_type"] == "trade"
    ]
    assert statuses == ["MATCHED", "RETRYING", "FAILED"]
    assert venue.balance_u6(ME.owner, window.up_token_id) == 0
    assert venue.balance_u6(ME.owner) == 10**12
    assert venue.accounts.ledger.unaccounted_u6() == 0


def test_a_call_leaves_its_events_for_the_next_advance() -> None:
    venue = synthetic()
    venue.advance(venue.now_ns)
    at_ns = venue.now_ns + 1
    venue.place(ME.owner, new_order("0x1", running(venue).up_token_id, 4000), at_ns)
    assert venue.next_ns() == at_ns
    placed = venue.advance(at_ns)
    assert any(isinstance(event, UserFrame) for event in placed)
    next_ns = venue.next_ns()
    assert next_ns is not None
    assert next_ns > at_ns
    assert not venue.done


def test_old_windows_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pmsim.run.synthetic.KEPT_WINDOWS", 8)
    venue = synthetic(series="btc-updown-5s")
    play(venue, 40, step_ms=5_000)
    assert 0 < sum(listing.closed for listing in venue.listings()) <= 8


def test_unknown_accounts_are_our_mistake() -> None:
    venue = synthetic()
    with pytest.raises(InvariantError):
        venue.place("nobody", new_order("0x1", running(venue).up_token_id, 4000), venue.now_ns)
