"""The official client's own book hash against every book and completed change of ten minutes."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from typing import Any

from py_clob_client_v2 import ClobClient

from pmcore.model.market import parse_series
from pmcore.model.units import NS_PER_S
from pmsim.faults.faulty_venue import FaultyVenue
from pmsim.run.synthetic import SyntheticParams, SyntheticVenue
from pmsim.venue.ports import MarketFrame

START_NS = 1_790_000_110 * NS_PER_S
MINUTES = 10
PRINT_WITHIN_MS = 60

CLIENT = ClobClient(host="http://127.0.0.1:1", chain_id=137)


class Book:
    """One token's book, put together from frames as any client would."""

    def __init__(self, market: str, asset_id: str) -> None:
        self._market = market
        self._asset_id = asset_id
        self._levels: dict[str, dict[str, str]] = {"BUY": {}, "SELL": {}}
        self.tick_size = "0.01"
        self.last_trade = ""

    def replace(self, bids: list[dict[str, str]], asks: list[dict[str, str]]) -> None:
        for side, levels in (("BUY", bids), ("SELL", asks)):
            self._levels[side] = {level["price"]: level["size"] for level in levels}

    def change(self, side: str, price: str, size: str) -> None:
        if size == "0":
            self._levels[side].pop(price, None)
        else:
            self._levels[side][price] = size

    def official_hash(self, timestamp: str, last_trade: str) -> str:
        bids, asks = (
            [
                {"price": price, "size": levels[price]}
                for price in sorted(levels, key=Decimal, reverse=side == "SELL")
            ]
            for side, levels in self._levels.items()
        )
        found: str = CLIENT.get_order_book_hash(
            {
                "market": self._market,
                "asset_id": self._asset_id,
                "timestamp": timestamp,
                "hash": "",
                "bids": bids,
                "asks": asks,
                "min_order_size": "5",
                "tick_size": self.tick_size,
                "neg_risk": False,
                "last_trade_price": last_trade,
            }
        )
        return found


def frames_of_a_run() -> list[dict[str, Any]]:
    params = SyntheticParams(
        series=(parse_series("btc-updown-5m"),), seed=7, start_ns=START_NS, auto_tick=True
    )
    venue = FaultyVenue(SyntheticVenue(params), seed=7)
    events = venue.advance(START_NS + MINUTES * 60 * NS_PER_S)
    return [
        json.loads(event.text)
        for event in events
        if isinstance(event, MarketFrame) and not event.custom
    ]


def last_trades_after(frames: list[dict[str, Any]], index: int) -> list[str]:
    """What the trade behind a book frame may have set: its prints' prices, and 1 minus them."""
    frame, found = frames[index], []
    until_ms = int(frame["timestamp"]) + PRINT_WITHIN_MS
    for later in frames[index + 1 :]:
        if int(later["timestamp"]) > until_ms:
            break
        if later["event_type"] == "last_trade_price" and later["market"] == frame["market"]:
            price = Decimal(later["price"])
            found += [f"{price:.3f}", f"{1 - price:.3f}"]
    return found


def ends_its_event(frames: list[dict[str, Any]], index: int, entry: dict[str, Any]) -> bool:
    """Whether no later frame belongs to the same engine event (docs/venue.md 5.2)."""
    if index + 1 == len(frames):
        return True
    following = frames[index + 1]
    return all(
        (other["asset_id"], other["hash"]) != (entry["asset_id"], entry["hash"])
        for other in following.get("price_changes", ())
    )


def test_every_hash_is_the_official_clients() -> None:
    frames = frames_of_a_run()
    books: dict[str, Book] = {}
    verified: Counter[str] = Counter()

    def book_of(market: str, asset_id: str) -> Book:
        return books.setdefault(asset_id, Book(market, asset_id))

    for index, frame in enumerate(frames):
        market, timestamp = frame["market"], frame["timestamp"]
        match frame["event_type"]:
            case "book":
                book = book_of(market, frame["asset_id"])
                book.replace(frame["bids"], frame["asks"])
                hashes = {
                    book.official_hash(timestamp, last): last
                    for last in (book.last_trade, *last_trades_after(frames, index))
                }
                assert frame["hash"] in hashes
                book.last_trade = hashes[frame["hash"]]
                verified["book"] += 1
            case "price_change":
                for entry in frame["price_changes"]:
                    book = book_of(market, entry["asset_id"])
                    book.change(entry["side"], entry["price"], entry["size"])
                    if ends_its_event(frames, index, entry):
                        assert book.official_hash(timestamp, book.last_trade) == entry["hash"]
                        verified["change"] += 1
            case "tick_size_change":
                book_of(market, frame["asset_id"]).tick_size = frame["new_tick_size"]
            case _:
                verified[frame["event_type"]] += 1
    assert verified["book"] > 100
    assert verified["change"] > 1_000
    assert verified["last_trade_price"] > 50
