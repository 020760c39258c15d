"""One market at a fake venue: its listing, its books and its frames, hashes as the venue's."""

from __future__ import annotations

from typing import Any

from pmcore.machines.book_hash import book_hash
from pmcore.model.market import Outcome, Window, parse_series, window_times_ns
from pmcore.model.units import NS_PER_MS, format_price, format_qty

UP_ID, DOWN_ID = "1" * 70, "2" * 70
Levels = dict[int, int]


class FakeMarket:
    """Both books mirror each other; every change moves the market's time by a millisecond."""

    def __init__(self, slug: str) -> None:
        times = window_times_ns(slug)
        assert times is not None
        self.window = Window(
            series=parse_series(slug).series,
            slug=slug,
            condition_id=f"0x{'c0' * 32}",
            up_token_id=UP_ID,
            down_token_id=DOWN_ID,
            open_ns=times[0],
            close_ns=times[1],
            tick_e4=100,
            min_size_u6=5_000_000,
        )
        self.ts_ms = times[0] // NS_PER_MS
        self.bids: Levels = {4700: 100_000_000, 4600: 50_000_000}
        self.asks: Levels = {4900: 80_000_000}
        self.closed = False
        self.up_won = True

    def listing(self) -> dict[str, Any]:
        prices = ["0.5", "0.5"]
        if self.closed:
            prices = ["1", "0"] if self.up_won else ["0", "1"]
        return {
            "slug": self.window.slug,
            "conditionId": self.window.condition_id,
            "clobTokenIds": f'["{UP_ID}", "{DOWN_ID}"]',
            "outcomes": '["Up", "Down"]',
            "outcomePrices": str(prices).replace("'", '"'),
            "orderPriceMinTickSize": 0.01,
            "orderMinSize": 5,
            "acceptingOrders": not self.closed,
            "closed": self.closed,
        }

    def clob_market(self) -> dict[str, Any]:
        return {
            "t": [{"t": UP_ID, "o": "Up"}, {"t": DOWN_ID, "o": "Down"}],
            "mts": 0.01,
            "mos": 5,
        }

    def book(self, outcome: Outcome) -> dict[str, Any]:
        """As REST answers."""
        bids, asks = self._levels(outcome)
        return {
            "market": self.window.condition_id,
            "asset_id": self.window.token_id(outcome),
            "timestamp": str(self.ts_ms),
            "hash": self._hash(outcome),
            "bids": [_level(*level) for level in bids],
            "asks": [_level(*level) for level in asks],
            "min_order_size": "5",
            "tick_size": "0.01",
            "neg_risk": False,
            "last_trade_price": "",
        }

    def dump(self) -> list[dict[str, Any]]:
        """What a subscription brings."""
        return [{**self.book(outcome), "event_type": "book"} for outcome in Outcome]

    def change(self, price_e4: int, size_u6: int) -> dict[str, Any]:
        """Set a bid of UP, and return the frame that says so."""
        self.ts_ms += 1
        self.bids[price_e4] = size_u6
        if not size_u6:
            del self.bids[price_e4]
        return {
            "market": self.window.condition_id,
            "price_changes": [
                self._entry(Outcome.UP, "BUY", price_e4, size_u6),
                self._entry(Outcome.DOWN, "SELL", 10_000 - price_e4, size_u6),
            ],
            "timestamp": str(self.ts_ms),
            "event_type": "price_change",
        }

    def trade(self, size: str = "20") -> dict[str, Any]:
        self.ts_ms += 1
        return {
            "market": self.window.condition_id,
            "asset_id": UP_ID,
            "price": "0.49",
            "size": size,
            "side": "BUY",
            "fee_rate_bps": "0",
            "timestamp": str(self.ts_ms),
            "event_type": "last_trade_price",
            "transaction_hash": f"0x{self.ts_ms:064x}",
        }

    def _entry(self, outcome: Outcome, side: str, price_e4: int, size_u6: int) -> dict[str, str]:
        bids, asks = self._levels(outcome)
        return {
            "asset_id": self.window.token_id(outcome),
            "price": format_price(price_e4),
            "size": format_qty(size_u6),
            "side": side,
            "hash": self._hash(outcome),
            "best_bid": format_price(bids[-1][0]) if bids else "0",
            "best_ask": format_price(asks[-1][0]) if asks else "1",
        }

    def _levels(self, outcome: Outcome) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        bids, asks = self.bids, self.asks
        if outcome is Outcome.DOWN:
            bids, asks = _mirror(asks), _mirror(bids)
        return sorted(bids.items()), sorted(asks.items(), reverse=True)

    def _hash(self, outcome: Outcome) -> str:
        bids, asks = self._levels(outcome)
        return book_hash(
            self.window,
            outcome,
            ts_event_ns=self.ts_ms * NS_PER_MS,
            bids=bids,
            asks=asks,
            tick_e4=100,
            last_trade="",
        )


def _mirror(levels: Levels) -> Levels:
    return {10_000 - price_e4: size_u6 for price_e4, size_u6 in levels.items()}


def _level(price_e4: int, size_u6: int) -> dict[str, str]:
    return {"price": format_price(price_e4), "size": format_qty(size_u6)}
