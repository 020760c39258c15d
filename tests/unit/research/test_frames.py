"""The form of our frames stays within generous bands around what recordings show."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache

import pytest

from pmcore.machines.book import BookState, WindowBooks
from pmcore.messages.market_data import BookDelta, BookSnapshot, TickSizeChanged, TradePrinted
from pmcore.model.market import Outcome, parse_series
from pmcore.model.units import NS_PER_S
from pmcore.venue.market_frames import MarketFrameParser
from pmresearch.frames import FrameForm, form_table, recorded_form
from pmresearch.statistics import START_NS, frames_of_world, main
from pmsim.crowd.world_params import WORLDS
from pmsim.recordings.reader import Recording
from pmsim.run.synthetic import SyntheticParams, SyntheticVenue
from pmsim.venue.ports import MarketFrame
from support.recordings import recording, venue_sample

SECONDS = 30

BANDS: dict[str, tuple[float, float]] = {
    "price_change frames per stamp, mean": (1.0, 1.5),
    "price_change frames per stamp, max": (2, 12),
    "price_change that empties a level, %": (0.01, 4),
    "price_change that empties a level without a trade, %": (0, 0.8),
    "price_change whose first entry is SELL, %": (3, 15),
    "books after a trade with a price_change, %": (85, 99.5),
    "frames older than the one before, %": (8, 30),
    "trade sizes finer than 0.01, %": (25, 60),
    "new_market frames of other markets /min": (0, 4),
}
RATES: dict[str, dict[str, tuple[float, float]]] = {
    "light": {"frames /s": (30, 110), "trades /s": (1, 6)},
    "fitted": {"frames /s": (70, 220), "trades /s": (5, 18)},
    "busy": {"frames /s": (350, 750), "trades /s": (6, 22)},
}


@cache
def world_figures(name: str) -> dict[str, float | None]:
    form = frames_of_world("btc-updown-5m", 1, SECONDS, WORLDS[name])
    return {figure.name: figure.value for figure in form.figures()}


def assert_within(found: Mapping[str, float | None], bands: dict[str, tuple[float, float]]) -> None:
    outside = {
        name: (found[name], band)
        for name, band in bands.items()
        if (value := found[name]) is None or not band[0] <= value <= band[1]
    }
    assert outside == {}


@pytest.mark.parametrize("name", WORLDS)
def test_frames_have_the_form_of_recorded_ones(name: str) -> None:
    assert_within(world_figures(name), BANDS)


@pytest.mark.parametrize("name", WORLDS)
def test_a_world_has_the_rate_it_is_named_for(name: str) -> None:
    assert_within(world_figures(name), RATES[name])


@pytest.mark.recordings
def test_recordings_lie_in_the_same_bands_where_they_tell() -> None:
    """The bands are not our invention: what the recordings hold lies in them, too."""
    tickscope = recorded_form(recording("tob_trades/tickscope*.csv.gz")[0])
    polybot = recorded_form(recording("tob_trades/polybot*")[0])
    marfusios = recorded_form(recording("market_raw/marfusios*")[0])
    names = (
        "price_change frames per stamp, mean",
        "price_change frames per stamp, max",
        "price_change whose first entry is SELL, %",
        "trade sizes finer than 0.01, %",
    )
    for form in (tickscope, polybot, marfusios):
        found = {one.name: one.value for one in form.figures() if one.value is not None}
        assert_within(found, {name: BANDS[name] for name in names if name in found})
    rates = {one.name: one.value for one in polybot.figures()}
    assert_within(rates, {"frames /s": (350, 800), "trades /s": (6, 22)})


@pytest.mark.parametrize("name", WORLDS)
def test_our_own_books_verify_on_every_world(name: str) -> None:
    venue = SyntheticVenue(
        SyntheticParams(
            series=(parse_series("btc-updown-5m"),),
            seed=3,
            start_ns=START_NS,
            world=WORLDS[name],
            auto_tick=True,
            taker_delay_ms=150,
        )
    )
    venue.advance(venue.now_ns)
    window = venue.listings()[0].window
    parser, books = MarketFrameParser(window), WindowBooks(window)
    dump = venue.initial_dump([window.up_token_id, window.down_token_id])
    assert dump is not None
    texts = [(venue.now_ns, dump)]
    texts += [
        (event.at_ns, event.text)
        for event in venue.advance(venue.now_ns + 12 * NS_PER_S)
        if isinstance(event, MarketFrame) and event.condition_id == window.condition_id
    ]
    for at_ns, text in texts:
        for message in parser.parse(text, ts_recv_ns=at_ns):
            assert isinstance(message, BookSnapshot | BookDelta | TradePrinted | TickSizeChanged)
            books.apply(message)
    counters = books.counters
    assert parser.backwards > 0
    assert parser.unusable == {}
    assert (counters.books_mismatched, counters.change_hashes_mismatched) == (0, 0)
    assert (counters.books_unverifiable, counters.touch_disagreements) == (0, 0)
    assert counters.books_verified > 10
    assert {books.state(outcome) for outcome in Outcome} == {BookState.LIVE}


def first_frame(kind: str, *, without: str = "") -> dict[str, object]:
    venue = SyntheticVenue(
        SyntheticParams(series=(parse_series("btc-updown-5m"),), seed=1, start_ns=START_NS)
    )
    for event in venue.advance(START_NS + 60 * NS_PER_S):
        if isinstance(event, MarketFrame):
            frame: dict[str, object] = json.loads(event.text)
            if frame["event_type"] == kind and without not in frame:
                return frame
    raise AssertionError(f"no {kind} in a minute")


@pytest.mark.recordings
def test_the_keys_of_a_book_after_a_trade_come_in_the_venues_order() -> None:
    real = json.loads(venue_sample("ws_market_book_after_trade.json").read_text())[0]
    ours = first_frame("book", without="tick_size")
    assert list(ours) == [
        "market",
        "asset_id",
        "bids",
        "asks",
        "hash",
        "timestamp",
        "event_type",
    ]
    assert list(real) == list(ours)


@pytest.mark.recordings
def test_a_new_market_frame_has_the_keys_of_a_recorded_one() -> None:
    source = Recording(recording("market_raw/jg15m*")[0])
    real = next(
        item
        for frame in source.frames()
        for item in [json.loads(frame.raw)]
        if isinstance(item, dict) and item.get("event_type") == "new_market"
    )
    ours = first_frame("new_market")
    assert set(ours) == set(real)


def test_counts_that_one_can_make_by_hand() -> None:
    form = FrameForm()

    def change(ms: int, size: str, side: str = "BUY") -> None:
        entry = {"size": size, "side": side}
        form.read(
            {
                "event_type": "price_change",
                "market": "m",
                "timestamp": str(ms),
                "price_changes": [entry],
            }
        )

    change(1_000, "5")
    change(1_000, "0", "SELL")
    change(999, "0")
    form.read({"event_type": "book", "market": "m", "timestamp": "999"})
    form.read({"event_type": "book", "market": "m", "timestamp": "990", "tick_size": "0.01"})
    form.read({"event_type": "last_trade_price", "market": "m", "timestamp": "1", "size": "1.001"})
    found = {figure.name: figure.value for figure in form.figures()}
    assert found["price_change frames per stamp, mean"] == 1.5
    assert found["price_change frames per stamp, max"] == 2
    assert found["price_change that empties a level, %"] == pytest.approx(200 / 3)
    assert found["price_change that empties a level without a trade, %"] == pytest.approx(100 / 3)
    assert found["books after a trade with a price_change, %"] == 100
    assert found["frames older than the one before, %"] == 50
    assert found["trade sizes finer than 0.01, %"] == 100
    assert found["frames /s"] is None
    assert "| trade sizes finer than 0.01, % | 100 |" in form_table({"x": form})


def test_the_table_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--frames", "--synthetic", "--seconds", "3"]) == 0
    assert "| light | fitted | busy |" in capsys.readouterr().out
    assert main(["--frames", __file__]) == 2


def test_markets_that_nobody_asked_for_are_announced() -> None:
    form = frames_of_world("btc-updown-5m", 1, 130, WORLDS["light"])
    assert form.strangers == 2
