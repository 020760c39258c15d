from __future__ import annotations

import msgspec

from pmcore.machines.book import BookState, WindowBooks
from pmcore.messages.market_data import BookDelta, BookSnapshot, TickSizeChanged, TradePrinted
from pmcore.model.market import Outcome
from pmcore.venue.market_frames import MarketFrameParser
from pmsim.venue.ports import MarketFrame, VenueEvent
from support.quiet_market import ANN, BOB, QuietMarket


def public(events: list[VenueEvent]) -> list[str]:
    return [e.text for e in events if isinstance(e, MarketFrame) and not e.custom]


def test_a_tick_becomes_finer_and_the_books_come_anew() -> None:
    market = QuietMarket()
    venue, window = market.venue, market.window
    market.post(ANN, 4000)
    dump = venue.initial_dump([window.up_token_id, window.down_token_id])
    market.later(0)
    assert market.post(ANN, 4050).error.endswith("breaks minimum tick size rule: 0.01")
    assert venue.change_tick(window.condition_id, 10, market.now_ns) == ""
    texts = public(market.later(0))
    kinds = [msgspec.json.decode(text)["event_type"] for text in texts]
    assert kinds == ["tick_size_change"] * 2 + ["book"] * 2
    first = msgspec.json.decode(texts[0])
    assert (first["old_tick_size"], first["new_tick_size"]) == ("0.01", "0.001")
    assert market.post(ANN, 4050).status == "live"
    market.post(BOB, 4050, 5, sell=True)
    texts += public(market.later(1))
    parser, books = MarketFrameParser(window), WindowBooks(window, search_last_trade=True)
    for number, text in enumerate([dump or "", *texts]):
        for message in parser.parse(text, ts_recv_ns=number):
            assert isinstance(message, BookSnapshot | BookDelta | TradePrinted | TickSizeChanged)
            books.apply(message)
    assert (books.counters.books_mismatched, books.counters.change_hashes_mismatched) == (0, 0)
    assert [books.state(outcome) for outcome in Outcome] == [BookState.LIVE] * 2
    book = venue.book(window.up_token_id)
    assert book is not None
    assert book["tick_size"] == "0.001"


def test_a_tick_never_becomes_coarser_or_odd() -> None:
    market = QuietMarket()
    venue, condition = market.venue, market.window.condition_id
    for tick_e4 in (1_000, 100, 7, 0):
        refusal = venue.change_tick(condition, tick_e4, market.now_ns)
        assert refusal == "a tick only becomes finer"
    assert venue.change_tick("0x5", 10, market.now_ns) == "market not found"


def test_near_a_limit_the_tick_becomes_finer_by_itself() -> None:
    market = QuietMarket(auto_tick=True)
    market.post(ANN, 9500)
    assert not any("tick_size_change" in text for text in public(market.later(0)))
    market.post(ANN, 9600)
    assert sum("tick_size_change" in text for text in public(market.later(0))) == 2
    market.post(ANN, 9700)
    assert not any("tick_size_change" in text for text in public(market.later(0)))
    low = QuietMarket(auto_tick=True)
    low.post(ANN, 400, sell=True)
    assert sum("tick_size_change" in text for text in public(low.later(0))) == 2


def test_the_custom_feature_tells_new_markets_and_touches() -> None:
    market = QuietMarket()
    market.post(ANN, 4000)
    custom = [e for e in market.later(0) if isinstance(e, MarketFrame) and e.custom]
    frames = [msgspec.json.decode(e.text) for e in custom]
    assert [(f["event_type"], f["best_bid"], f["best_ask"], f["spread"]) for f in frames] == [
        ("best_bid_ask", "0.4", "1", "0.6"),
        ("best_bid_ask", "0", "0.6", "0.6"),
    ]
    assert [e.token_ids for e in custom] == [
        (market.window.up_token_id,),
        (market.window.down_token_id,),
    ]
    next_slug = f"btc-updown-5m-{market.window.close_ns // 10**9}"
    assert market.venue.listing(next_slug) is not None
    new = [e for e in market.venue.advance(market.now_ns) if isinstance(e, MarketFrame)]
    assert [(e.custom, e.token_ids) for e in new] == [(True, ())]
    assert msgspec.json.decode(new[0].text)["event_type"] == "new_market"
