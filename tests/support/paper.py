"""One window, its books and orders, for the paper exchange: cents and whole shares."""

from __future__ import annotations

from pmcore.messages.market_data import BookSnapshot, SnapshotOrigin, TradePrinted
from pmcore.messages.orders import SubmitOrder
from pmcore.model.latency import parse_latencies
from pmcore.model.market import Outcome, TakerSide, Window
from pmcore.model.units import NS_PER_MS, NS_PER_S

NO_LATENCY = parse_latencies("0")
SHARE = 1_000_000
MS = NS_PER_MS
SLUG = "btc-updown-15m-1790766900"
WINDOW = Window(
    series="btc-15m",
    slug=SLUG,
    condition_id="0xc0",
    up_token_id="11",
    down_token_id="22",
    open_ns=0,
    close_ns=900 * NS_PER_S,
    tick_e4=100,
    min_size_u6=5 * SHARE,
)


def snapshot(outcome: Outcome, bid: int, ask: int, ms: int = 0) -> BookSnapshot:
    """Ten shares on each side."""
    return BookSnapshot(
        slug=SLUG,
        outcome=outcome,
        bids=((bid * 100, 10 * SHARE),),
        asks=((ask * 100, 10 * SHARE),),
        hash="",
        origin=SnapshotOrigin.SUBSCRIBE,
        ts_event_ns=ms * MS,
        ts_recv_ns=ms * MS,
    )


def sold(price: int, size: int, ms: int) -> TradePrinted:
    """A taker sold UP."""
    return TradePrinted(
        slug=SLUG,
        outcome=Outcome.UP,
        taker_side=TakerSide.SELL,
        price_e4=price * 100,
        size_u6=size * SHARE,
        ts_event_ns=ms * MS,
        ts_recv_ns=ms * MS,
    )


def submit(
    order_id: str,
    price: int,
    *,
    outcome: Outcome = Outcome.UP,
    size_u6: int = 5 * SHARE,
    slug: str = SLUG,
    price_e4: int | None = None,
    expires_at_ns: int = 1_000 * MS,
) -> SubmitOrder:
    """A bid."""
    price_e4 = price * 100 if price_e4 is None else price_e4
    return SubmitOrder(
        client_order_id=order_id,
        slug=slug,
        outcome=outcome,
        price_e4=price_e4,
        size_u6=size_u6,
        tick_e4=10 if price_e4 % 100 else 100,
        expires_at_ns=expires_at_ns,
        ts_step_ns=0,
    )
