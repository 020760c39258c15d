"""What a market's pages show besides its window: the touch, the last trade, volume, liquidity."""

from __future__ import annotations

import msgspec

from pmcore.model.units import PRICE_ONE_E4, parse_price_e4, parse_qty_u6, value_u6
from pmsim.venue.ports import ListedWindow, SimulatedVenue
from pmsimulator.tape import PublicTape
from pmsimulator.touch import touch_e4


class MarketFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Prices are those of the Up token in units of 0.0001; amounts are cash in units of 0.000001.

    None: that side of the book is empty, or nothing was traded yet.
    """

    bid_e4: int | None = None
    ask_e4: int | None = None
    last_e4: int | None = None
    tick_e4: int
    volume_u6: int = 0
    liquidity_u6: int = 0

    @property
    def spread_e4(self) -> int:
        """Ask minus bid; an empty side counts as 0 or 1, as at the venue."""
        ask_e4 = PRICE_ONE_E4 if self.ask_e4 is None else self.ask_e4
        return ask_e4 - (self.bid_e4 or 0)


class _DepthLevel(msgspec.Struct):
    price: str
    size: str


class _Depth(msgspec.Struct):
    bids: list[_DepthLevel]
    asks: list[_DepthLevel]


def market_facts(venue: SimulatedVenue, tape: PublicTape, listing: ListedWindow) -> MarketFacts:
    """The facts of a window now. Bring the world to the present before."""
    window = listing.window
    book = venue.book(window.up_token_id)
    bid_e4, ask_e4 = touch_e4(book)
    last = tape.last(window.condition_id)
    return MarketFacts(
        bid_e4=bid_e4,
        ask_e4=ask_e4,
        last_e4=last.seen_from(window.up_token_id)[0] if last else None,
        tick_e4=parse_price_e4(str(book["tick_size"])) if book else window.tick_e4,
        volume_u6=tape.volume_u6(window.condition_id),
        liquidity_u6=_liquidity_u6(book),
    )


def _liquidity_u6(book: dict[str, object] | None) -> int:
    """What rests in the book: bids at their price, asks at the other token's."""
    if book is None:
        return 0
    depth = msgspec.convert(book, _Depth)
    bids_u6 = sum(value_u6(parse_price_e4(one.price), parse_qty_u6(one.size)) for one in depth.bids)
    asks_u6 = sum(
        value_u6(PRICE_ONE_E4 - parse_price_e4(one.price), parse_qty_u6(one.size))
        for one in depth.asks
    )
    return bids_u6 + asks_u6
