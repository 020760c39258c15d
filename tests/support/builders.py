"""Windows, books, trades and fills with sensible defaults, in the words of a trader."""

from __future__ import annotations

from pmcore.messages.market_data import (
    BookSnapshot,
    Level,
    SnapshotOrigin,
    TradePrinted,
    UnderlyingPriced,
)
from pmcore.messages.user import FillReported, TradeStatus
from pmcore.model.market import Outcome, TakerSide, Window
from pmcore.model.params import StrategyParams
from pmcore.model.units import NS_PER_S, parse_dollars_e8, parse_price_e4, parse_qty_u6

T0_S = 1_790_766_900
T0_NS = T0_S * NS_PER_S
CONDITION = "0x" + "ab" * 32
UP_TOKEN, DOWN_TOKEN = "11" * 20, "22" * 20


def window(*, length_s: int = 900, tick: str = "0.001", min_size: str = "5") -> Window:
    """A btc window that opens at T0."""
    return Window(
        series="btc-15m",
        slug=f"btc-updown-15m-{T0_S}",
        condition_id=CONDITION,
        up_token_id=UP_TOKEN,
        down_token_id=DOWN_TOKEN,
        open_ns=T0_NS,
        close_ns=T0_NS + length_s * NS_PER_S,
        tick_e4=parse_price_e4(tick),
        min_size_u6=parse_qty_u6(min_size),
    )


def params(**changes: object) -> StrategyParams:
    """The defaults, with the venue's minimum as the bid size."""
    return StrategyParams(**{"bid_size_u6": 5_000_000, **changes})  # type: ignore[arg-type] # tests name fields


def at(seconds: float) -> int:
    """Nanoseconds `seconds` after the open."""
    return T0_NS + int(seconds * NS_PER_S)


def book(
    outcome: Outcome,
    bid: str | None,
    ask: str | None,
    *,
    at_ns: int = T0_NS,
    slug: str = f"btc-updown-15m-{T0_S}",
    size: str = "100",
    ask_size: str | None = None,
) -> BookSnapshot:
    """A book with one level a side and no hash to verify."""

    def levels(price: str | None, size: str) -> tuple[Level, ...]:
        return ((parse_price_e4(price), parse_qty_u6(size)),) if price else ()

    return BookSnapshot(
        slug=slug,
        outcome=outcome,
        bids=levels(bid, size),
        asks=levels(ask, ask_size or size),
        hash="",
        origin=SnapshotOrigin.SUBSCRIBE,
        ts_event_ns=at_ns,
        ts_recv_ns=at_ns,
    )


def trade(
    outcome: Outcome, side: TakerSide, size: str, *, at_ns: int, price: str = "0.5"
) -> TradePrinted:
    """A public trade."""
    return TradePrinted(
        slug=f"btc-updown-15m-{T0_S}",
        outcome=outcome,
        taker_side=side,
        price_e4=parse_price_e4(price),
        size_u6=parse_qty_u6(size),
        ts_event_ns=at_ns,
        ts_recv_ns=at_ns,
    )


def underlying(dollars: str, *, at_ns: int) -> UnderlyingPriced:
    """A price of the underlying."""
    price_e8 = parse_dollars_e8(dollars)
    return UnderlyingPriced(slug=f"btc-updown-15m-{T0_S}", price_e8=price_e8, ts_recv_ns=at_ns)


def fill(
    outcome: Outcome,
    size: str,
    price: str,
    *,
    trade_id: str = "t1",
    order_hash: str = "0xhash",
    status: TradeStatus = TradeStatus.MATCHED,
    at_ns: int = T0_NS,
) -> FillReported:
    """One of our fills."""
    return FillReported(
        trade_id=trade_id,
        order_hash=order_hash,
        condition_id=CONDITION,
        token_id=UP_TOKEN if outcome is Outcome.UP else DOWN_TOKEN,
        price_e4=parse_price_e4(price),
        size_u6=parse_qty_u6(size),
        status=status,
        ts_event_ns=at_ns,
        ts_recv_ns=at_ns,
    )
