"""A frame that looks as usual is read by a schema, and gives what the general rules give."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmcore.venue import market_frames
from pmcore.venue.market_frames import MarketFrameParser
from pmcore.venue.usual_frames import UsualBook, UsualChanges, usual_frame
from support.builders import CONDITION, DOWN_TOKEN, T0_NS, UP_TOKEN, window
from support.frames import STAMP, Frame, book_frame, change_frame, entry, text, without

WINDOW = window(tick="0.01")
USUAL_BOOK = book_frame()
AFTER_A_TRADE = without(book_frame(), "tick_size", "last_trade_price")
REST_BOOK = without(book_frame(), "event_type")
EARLIER = str(int(STAMP) - 1)
CHANGES = change_frame(entry(), entry(asset_id=DOWN_TOKEN, side="SELL", size="0"))
ODD: st.SearchStrategy[object] = st.sampled_from(
    [
        None, True, 0, 0.5, 1, "", "0", "0.495", "0.51", "1", "7.125", "x", "buy", "SELL", "book",
        UP_TOKEN, DOWN_TOKEN, CONDITION, "1790766900123", [], {}, [{}], [[]], "},{", "}, {",
        [{"price": "0.5", "size": "1"}], [{"price": "0.5", "size": "1", "more": {}}],
        [{"price": "0.5", "size": "},{"}], [{"size": "1", "price": "0.46"}], [{"price": 0.5}],
        {"price": "0.5", "size": "1"},
    ]
)  # fmt: skip


@pytest.mark.parametrize("frame", [USUAL_BOOK, AFTER_A_TRADE, REST_BOOK])
def test_a_whole_book_is_usual(frame: Frame) -> None:
    for raw in (text(frame), text(frame).encode()):
        usual = usual_frame(raw)
        assert isinstance(usual, UsualBook)
        assert usual.fields().keys() == frame.keys() & set(UsualBook.__struct_fields__)


def test_level_changes_are_usual() -> None:
    for raw in (text(CHANGES), text(CHANGES).encode()):
        assert isinstance(usual_frame(raw), UsualChanges)


@pytest.mark.parametrize(
    "frame",
    [
        [USUAL_BOOK],
        {**USUAL_BOOK, "hash": None},
        {**USUAL_BOOK, "event_type": "other"},
        {**CHANGES, "event_type": "book"},
        {"event_type": "last_trade_price"},
    ],
)
def test_anything_else_is_not(frame: Any) -> None:
    assert usual_frame(json.dumps(frame)) is None


def both_ways(raw: str | bytes, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What one frame, and usual ones behind it, give: by schema, and by the general rules."""
    found = []
    for read in (usual_frame, lambda _raw: None):
        monkeypatch.setattr(market_frames, "usual_frame", read)
        parser = MarketFrameParser(WINDOW)
        messages = [
            message
            for each in (raw, text(CHANGES), text({**CHANGES, "timestamp": EARLIER}), text(CHANGES))
            for message in parser.parse(each, ts_recv_ns=T0_NS)
        ]
        counts = parser.frames, parser.events, parser.backwards, parser.unusable, parser.samples
        found.append((messages, *counts))
    return found


@given(
    frame=st.sampled_from([USUAL_BOOK, AFTER_A_TRADE, REST_BOOK, CHANGES]),
    spoilt=st.dictionaries(
        st.sampled_from([*USUAL_BOOK, "price_changes", "more"]),
        ODD,
        max_size=2,
    ),
    inner=st.dictionaries(
        st.sampled_from(["asset_id", "price", "size", "side", "hash", "best_bid", "best_ask"]),
        ODD,
        max_size=2,
    ),
    compact=st.booleans(),
)
def test_both_ways_give_the_same(
    frame: Frame, spoilt: Frame, inner: Frame, *, compact: bool
) -> None:
    frame = json.loads(json.dumps(frame))
    for key in ("price_changes", "bids"):
        if inner and frame.get(key):
            frame[key][0].update(inner)
    raw = json.dumps({**frame, **spoilt}, separators=(",", ":") if compact else (", ", ": "))
    with pytest.MonkeyPatch.context() as patch:
        by_schema, by_rules = both_ways(raw, patch)
    assert by_schema == by_rules


@pytest.mark.parametrize(
    "frame",
    [
        {**USUAL_BOOK, "bids": []},
        {**USUAL_BOOK, "market": "0x2"},
        {**USUAL_BOOK, "asset_id": "3"},
        {**USUAL_BOOK, "timestamp": "never"},
        {**USUAL_BOOK, "bids": [{"price": "0.495", "size": "1"}]},
        {**USUAL_BOOK, "bids": [{"price": 0.49, "size": "1"}]},
        {**USUAL_BOOK, "bids": {"price": "0.5", "size": "1"}},
        {**USUAL_BOOK, "bids": {}},
        change_frame(),
        change_frame(entry(price="2")),
        change_frame(entry(price="0.495")),
        change_frame(entry(side="buy")),
        change_frame(entry(asset_id="3")),
        change_frame(entry(best_bid="")),
        change_frame(entry(best_bid="x", best_ask="")),
        {**CHANGES, "timestamp": "never"},
    ],
)
def test_each_exception_is_left_to_the_general_rules(
    frame: Frame, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_schema, by_rules = both_ways(json.dumps(frame, separators=(",", ":")), monkeypatch)
    assert by_schema == by_rules


def test_levels_that_are_no_list_are_not_taken_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = json.dumps({**USUAL_BOOK, "bids": "here"})
    raw = raw.replace('"here"', '{ "price":"0.5","size":"1" }')
    by_schema, by_rules = both_ways(raw, monkeypatch)
    assert by_schema == by_rules
    assert by_schema[0][0].damaged == "bad_shape"
