"""The hash, the ladder and the last trade price on their own."""

from __future__ import annotations

import hashlib
import json

import msgspec
import pytest

from pmcore.machines.book_hash import BookHasher, book_hash, last_trade_text, level_text
from pmcore.machines.book_last_trade import LastTrade, prices_from
from pmcore.machines.book_levels import Ladder
from pmcore.model.market import BookSide, Outcome, Protocol
from support.venue_books import ASKS, BIDS, cent_window


@pytest.mark.parametrize("protocol", list(Protocol))
@pytest.mark.parametrize("neg_risk", [True, False])
def test_the_hash_is_that_of_the_compact_json(protocol: Protocol, neg_risk: bool) -> None:
    window = msgspec.structs.replace(cent_window(), protocol=protocol, neg_risk=neg_risk)
    book = {
        "market": window.condition_id,
        "asset_id": window.down_token_id,
        "timestamp": "1790000000123",
        "hash": "",
        "bids": [{"price": "0.47", "size": "30"}, {"price": "0.48", "size": "20.25"}],
        "asks": [],
        "min_order_size": "5",
        "tick_size": "0.01",
        "neg_risk": neg_risk,
        "last_trade_price": "0.490",
    }
    if protocol is Protocol.V2:
        book["version"] = "v2"
    text = json.dumps(book, separators=(",", ":"))
    assert (
        book_hash(
            window,
            Outcome.DOWN,
            ts_event_ns=1_790_000_000_123_456_789,
            bids=((4700, 30_000_000), (4800, 20_250_000)),
            asks=(),
            tick_e4=100,
            last_trade="0.490",
        )
        == hashlib.sha1(text.encode()).hexdigest()
    )


def test_the_hasher_forgets_no_tail_and_keeps_a_bounded_number() -> None:
    hasher = BookHasher(cent_window(), Outcome.UP)
    started = hasher.start(0, [level_text(*level) for level in BIDS], [])
    hashes = {hasher.finish(started, 100, str(n)) for n in range(5_000)}
    assert len(hashes) == 5_000
    assert hasher.finish(started, 100, "4999") in hashes


@pytest.mark.parametrize(
    ("price_e4", "text"), [(4900, "0.490"), (4915, "0.4915"), (10, "0.001"), (10_000, "1.000")]
)
def test_a_last_trade_price_has_three_decimals(price_e4: int, text: str) -> None:
    assert last_trade_text(price_e4) == text


def test_a_ladder_sorts_what_comes_and_drops_empty_levels() -> None:
    ladder = Ladder(BookSide.ASK, [(5100, 1), (5300, 3), (5200, 0)])
    assert ladder.levels() == [(5300, 3), (5100, 1)]
    assert ladder.best_e4 == 5100
    assert ladder.texts == [level_text(5300, 3), level_text(5100, 1)]
    assert Ladder(BookSide.BID).best_e4 is None


def test_a_ladder_knows_its_grid() -> None:
    assert not Ladder(BookSide.ASK, ASKS).off_grid(100)
    assert Ladder(BookSide.BID, [(4910, 1)]).off_grid(100)


def test_the_search_tries_every_three_decimal_price_once_nearest_first() -> None:
    prices = list(prices_from([4905, 5100]))
    assert prices[:6] == [4900, 5100, 4890, 4910, 5090, 5110]
    assert sorted(prices) == list(range(10, 10_000, 10))
    assert next(prices_from([])) == 5000


def test_candidates_are_the_known_price_then_the_newest_prints_both_ways() -> None:
    last = LastTrade()
    assert last.candidates() == []
    last.text = "0.400"
    for price_e4 in (1000, 4000, 5000, 5200, 5300):
        last.printed(price_e4)
    assert last.candidates() == ["0.400", "0.530", "0.470", "0.520", "0.480", "0.500", "0.600"]
