"""Books with the venue's hash, made by hand for the book keeping's tests."""

from __future__ import annotations

from pmcore.machines.book_hash import book_hash
from pmcore.messages.market_data import (
    BookDelta,
    BookSnapshot,
    Level,
    LevelChange,
    SnapshotOrigin,
    TickSizeChanged,
    TradePrinted,
)
from pmcore.model.market import BookSide, Outcome, TakerSide, Window
from support.builders import T0_NS, window

BIDS: tuple[Level, ...] = ((4700, 30_000_000), (4800, 20_000_000), (4900, 10_000_000))
ASKS: tuple[Level, ...] = ((5300, 30_000_000), (5200, 20_000_000), (5100, 10_000_000))
MS = 1_000_000


def cent_window() -> Window:
    """A window on the usual grid of one cent."""
    return window(tick="0.01")


def snapshot(
    outcome: Outcome = Outcome.UP,
    *,
    window: Window | None = None,
    bids: tuple[Level, ...] = BIDS,
    asks: tuple[Level, ...] = ASKS,
    ms: int = 0,
    origin: SnapshotOrigin = SnapshotOrigin.SUBSCRIBE,
    tick_e4: int | None = 100,
    last_trade: str | None = "",
    hashed_tick_e4: int = 100,
    hashed_last_trade: str = "",
    hash_: str | None = None,
    damaged: str = "",
) -> BookSnapshot:
    """A whole book whose hash covers `hashed_tick_e4` and `hashed_last_trade`."""
    window = window or cent_window()
    ts_ns = T0_NS + ms * MS
    computed = book_hash(
        window,
        outcome,
        ts_event_ns=ts_ns,
        bids=bids,
        asks=asks,
        tick_e4=hashed_tick_e4,
        last_trade=hashed_last_trade,
    )
    return BookSnapshot(
        slug=window.slug,
        outcome=outcome,
        bids=bids,
        asks=asks,
        hash=computed if hash_ is None else hash_,
        origin=origin,
        tick_e4=tick_e4,
        last_trade=last_trade,
        damaged=damaged,
        ts_event_ns=ts_ns,
        ts_recv_ns=ts_ns + 100,
    )


def after_trade(
    outcome: Outcome = Outcome.UP,
    *,
    traded: str,
    ms: int = 10,
    hashed_tick_e4: int = 100,
    bids: tuple[Level, ...] = BIDS,
    asks: tuple[Level, ...] = ASKS,
    hash_: str | None = None,
) -> BookSnapshot:
    """A book frame after a trade: its text has neither tick nor last trade."""
    return snapshot(
        outcome,
        bids=bids,
        asks=asks,
        ms=ms,
        origin=SnapshotOrigin.TRADE,
        tick_e4=None,
        last_trade=None,
        hashed_tick_e4=hashed_tick_e4,
        hashed_last_trade=traded,
        hash_=hash_,
    )


def delta(*changes: LevelChange, ms: int = 20, damaged: tuple[Outcome, ...] = ()) -> BookDelta:
    """A `price_change` frame."""
    ts_ns = T0_NS + ms * MS
    return BookDelta(
        slug=cent_window().slug,
        changes=changes,
        damaged=damaged,
        ts_event_ns=ts_ns,
        ts_recv_ns=ts_ns + 100,
    )


def bid(
    price_e4: int,
    size_u6: int,
    hash_: str = "",
    *,
    outcome: Outcome = Outcome.UP,
    touch: tuple[int | None, int | None] = (None, None),
) -> LevelChange:
    """A change of a bid."""
    return LevelChange(outcome, BookSide.BID, price_e4, size_u6, hash_, *touch)


def printed(price_e4: int, *, ms: int = 15, outcome: Outcome = Outcome.UP) -> TradePrinted:
    """A public trade."""
    ts_ns = T0_NS + ms * MS
    return TradePrinted(
        slug=cent_window().slug,
        outcome=outcome,
        taker_side=TakerSide.BUY,
        price_e4=price_e4,
        size_u6=1_000_000,
        ts_event_ns=ts_ns,
        ts_recv_ns=ts_ns,
    )


def finer(tick_e4: int, *, ms: int = 30) -> TickSizeChanged:
    """A change of the market's tick."""
    ts_ns = T0_NS + ms * MS
    return TickSizeChanged(
        slug=cent_window().slug,
        outcome=Outcome.UP,
        new_tick_e4=tick_e4,
        ts_event_ns=ts_ns,
        ts_recv_ns=ts_ns,
    )
