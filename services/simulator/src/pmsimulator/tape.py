"""What was traded in public: the last print of each market, the latest prints, and volumes.

It listens to the same `last_trade_price` frames that the market channel sends. A channel fault
that drops a frame therefore hides its print here as well.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import msgspec

from pmcore.model.units import complement_e4, parse_price_e4, parse_qty_u6, value_u6
from pmcore.venue.fields import decode_json_as
from pmsim.venue.ports import MarketFrame, OrderSide

KEPT_PRINTS = 2_000
KEPT_MARKETS = 1_000
_EVENT = "last_trade_price"


class PublicTrade(msgspec.Struct, frozen=True, kw_only=True):
    """One public trade: the taker's token and side, the price in that token."""

    at_ns: int
    condition_id: str
    token_id: str
    side: OrderSide
    price_e4: int
    size_u6: int
    transaction_hash: str = ""

    @property
    def cash_u6(self) -> int:
        """What the taker's side is worth in cash."""
        return value_u6(self.price_e4, self.size_u6)

    def seen_from(self, token_id: str) -> tuple[int, OrderSide]:
        """Price and side in a token's own book: of the other token, the complement."""
        if token_id == self.token_id:
            return self.price_e4, self.side
        other = OrderSide.SELL if self.side is OrderSide.BUY else OrderSide.BUY
        return complement_e4(self.price_e4), other


class _TradeFrame(msgspec.Struct):
    event_type: str = ""
    market: str = ""
    asset_id: str = ""
    side: str = ""
    price: str = ""
    size: str = ""
    transaction_hash: str = ""


class _MarketTrades(msgspec.Struct):
    last: PublicTrade
    volume_u6: int = 0


class PublicTape:
    """The latest prints of all markets together, and a line for each of the latest markets."""

    def __init__(self) -> None:
        self._prints: deque[PublicTrade] = deque(maxlen=KEPT_PRINTS)
        self._markets: dict[str, _MarketTrades] = {}

    def hear(self, frame: MarketFrame) -> None:
        """Take a frame of the market channel; all but prints are ignored."""
        if _EVENT not in frame.text:
            return
        try:
            seen = decode_json_as(frame.text, _TradeFrame)
            if seen.event_type == _EVENT:
                self._add(_print(seen, frame.at_ns))
        except ValueError:
            return  # a frame of a recording in another form, such as an array of books

    def last(self, condition_id: str) -> PublicTrade | None:
        """The last print of a market."""
        market = self._markets.get(condition_id)
        return market.last if market else None

    def volume_u6(self, condition_id: str) -> int:
        """Cash traded in a market so far."""
        market = self._markets.get(condition_id)
        return market.volume_u6 if market else 0

    def prints(self, condition_id: str = "") -> Sequence[PublicTrade]:
        """The latest prints, newest first; of one market or of all."""
        wanted = (one for one in self._prints if condition_id in ("", one.condition_id))
        return list(reversed(list(wanted)))

    def _add(self, one: PublicTrade) -> None:
        self._prints.append(one)
        market = self._markets.setdefault(one.condition_id, _MarketTrades(one))
        market.last = one
        market.volume_u6 += one.cash_u6
        if len(self._markets) > KEPT_MARKETS:
            del self._markets[next(iter(self._markets))]


def _print(seen: _TradeFrame, at_ns: int) -> PublicTrade:
    return PublicTrade(
        at_ns=at_ns,
        condition_id=seen.market,
        token_id=seen.asset_id,
        side=OrderSide(seen.side),
        price_e4=parse_price_e4(seen.price),
        size_u6=parse_qty_u6(seen.size),
        transaction_hash=seen.transaction_hash,
    )
