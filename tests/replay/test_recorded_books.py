"""Real recordings: nearly every whole-book hash reproduces, and nothing is lost on the way."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import pytest

from pmcore.machines.book import BookCounters, BookState, WindowBooks
from pmcore.messages.market_data import FeedStatusChanged, TradePrinted, UnderlyingPriced
from pmcore.model.market import Outcome
from pmcore.venue.market_frames import MarketFrameParser
from pmsim.recordings.reader import Recording, RecordingFormat
from support.recordings import recording, venue_sample

pytestmark = pytest.mark.recordings


class Pass:
    """One pass over a recording with the search for unseen trades."""

    def __init__(self, path: Path, *, search: bool = True) -> None:
        self.recording = Recording(path)
        self.windows = self.recording.windows()
        self.parser = MarketFrameParser(*self.windows)
        self.gaps: Counter[str] = Counter()
        self.trades = self.unseen_trades = 0
        self.books = {
            window.slug: WindowBooks(window, search_last_trade=search) for window in self.windows
        }
        for frame in self.recording.frames():
            for message in self.parser.parse(frame.raw, ts_recv_ns=frame.recv_ns):
                assert not isinstance(message, FeedStatusChanged | UnderlyingPriced)
                effect = self.books[message.slug].apply(message)
                self.gaps[effect.gap] += bool(effect.gap)
                self.trades += isinstance(message, TradePrinted)
                self.unseen_trades += effect.unseen_trade_e4 is not None

    @property
    def counters(self) -> BookCounters:
        total = BookCounters()
        for books in self.books.values():
            for name, value in msgspec.structs.asdict(books.counters).items():
                setattr(total, name, getattr(total, name) + value)
        return total

    def assert_clean(self) -> None:
        assert self.recording.unusable == {}
        assert set(self.parser.unusable) <= {"other_channel"}
        assert +self.gaps == Counter()


def assert_verified(counters: BookCounters, at_least: int) -> None:
    whole = counters.books_verified + counters.books_mismatched + counters.books_unverifiable
    assert whole >= at_least
    assert counters.books_verified >= 0.999 * whole


def test_market_books() -> None:
    for path in recording("market_books/*.books.jsonl.gz"):
        done = Pass(path)
        done.assert_clean()
        assert_verified(done.counters, at_least=1_500)
        assert done.unseen_trades > 0.7 * done.parser.events
        assert len(done.windows) == 1
        assert done.windows[0].slug in path.name
        assert done.windows[0].inferred == ("up_token_id", "down_token_id")


def test_the_raw_market_channel() -> None:
    (path,) = recording("market_raw/jg15m*.jsonl.gz")
    done = Pass(path)
    done.assert_clean()
    assert_verified(done.counters, at_least=540)
    assert done.counters.change_hashes_mismatched == 0
    assert done.counters.touch_disagreements == 0
    assert len(done.windows) == 3
    (path,) = recording("market_raw/marfusios*.txt.gz")
    done = Pass(path)
    done.assert_clean()
    assert done.recording.format is RecordingFormat.TEXT
    assert_verified(done.counters, at_least=24)
    assert done.counters.change_hashes_verified > 200
    assert done.counters.change_hashes_mismatched == 0
    assert len(done.windows) == 12
    assert {window.neg_risk for window in done.windows} == {True, False}


def test_books_without_hashes() -> None:
    for path in recording("books_1hz/*.jsonl.gz"):
        done = Pass(path)
        done.assert_clean()
        assert done.recording.format is RecordingFormat.BOOKS_1HZ
        assert done.counters.books_unverifiable == done.parser.events > 2_000
        (window,) = done.windows
        assert window.slug in path.name
        up, down = (done.books[window.slug].touch(outcome) for outcome in Outcome)
        assert up.bid_e4 is None or down.ask_e4 == 10_000 - up.bid_e4


def test_books_and_trades_of_the_four_file_collection() -> None:
    paths = recording("tob_trades/caio_*.json.gz")
    outcomes = []
    for path in paths:
        done = Pass(path)
        done.assert_clean()
        assert done.recording.format is RecordingFormat.CAIO
        outcomes.append((done.windows, done.parser.events, done.trades, done.counters))
    assert outcomes[1:] == outcomes[:-1]
    windows, events, trades, counters = outcomes[0]
    assert windows[0].slug == "sol-updown-15m-1765450800"
    assert (events, trades, counters.books_unverifiable) == (743, 247, 496)


def test_the_session_with_changes_and_trades() -> None:
    done = Pass(venue_sample("ws_market_session_btc15m_2026-09-30.jsonl"))
    done.assert_clean()
    assert done.counters == BookCounters(
        books_verified=5, change_hashes_verified=26, touch_agreements=40
    )
    (books,) = done.books.values()
    assert all(books.state(outcome) is BookState.LIVE for outcome in Outcome)


def test_the_session_as_seen_live_without_a_search() -> None:
    done = Pass(venue_sample("ws_market_session_btc15m_2026-09-30.jsonl"), search=False)
    done.assert_clean()
    assert done.counters.books_mismatched == 0
    assert done.counters.change_hashes_verified == 26


def test_two_passes_are_the_same() -> None:
    path = recording("market_raw/jg15m*.jsonl.gz")[0]
    once = Recording(path)
    assert list(once.frames()) == list(once.frames())
    assert once.windows() == Recording(path).windows()
