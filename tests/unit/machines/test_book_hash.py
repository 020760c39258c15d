"""The venue's hash of a book."""

from __future__ import annotations

import hashlib
import json

import msgspec
import pytest

from pmcore.machines.book_hash import MAX_TAILS, BookHasher, book_hash, last_trade_text, level_text
from pmcore.model.market import Outcome, Protocol
from support.venue_books import BIDS, cent_window


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
    started = hasher.start(0, b",".join(map(level_text, BIDS)), b"")
    hashes = {hasher.finish(started, 100, str(n)) for n in range(5_000)}
    assert len(hashes) == 5_000
    assert hasher.finish(started, 100, "4999") in hashes
    assert len(vars(hasher)["_tails"]) == MAX_TAILS


@pytest.mark.parametrize(
    ("price_e4", "text"), [(4900, "0.490"), (4915, "0.4915"), (10, "0.001"), (10_000, "1.000")]
)
def test_a_last_trade_price_has_three_decimals(price_e4: int, text: str) -> None:
    assert last_trade_text(price_e4) == text
