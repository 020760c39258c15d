"""Market data on `{series}:md`: books, level changes, public trades, tick size, feed status.

The underlying's price is there too, when the feed reads one.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from pmcore.messages.base import Message
from pmcore.model.market import BookSide, Outcome, TakerSide

Level = tuple[int, int]
"""(price_e4, size_u6)."""


class SnapshotOrigin(StrEnum):
    """Why a whole book arrived; a CHECKPOINT is our own and carries no venue hash."""

    SUBSCRIBE = "subscribe"
    TRADE = "trade"
    REST = "rest"
    CHECKPOINT = "checkpoint"


class BookSnapshot(Message, frozen=True, kw_only=True):
    """A whole book of one outcome. Levels in wire order: best LAST (docs/venue.md 1.3).

    `hash` is the venue's, or "" when there is none to verify. `last_trade` is the text of the
    frame ("" before the first trade), None when the frame has no such field (after a trade).
    `damaged` names what made the frame unusable (then there are no levels): the outcome's book is
    no longer known.
    """

    slug: str
    outcome: Outcome
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    hash: str
    origin: SnapshotOrigin
    tick_e4: int | None = None
    last_trade: str | None = None
    damaged: str = ""
    ts_event_ns: int
    ts_recv_ns: int


class LevelChange(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One entry of `price_changes`: the new absolute size of a level; 0 removes it.

    `hash` is of that outcome's whole book after the whole engine event (docs/venue.md 5.4).
    The venue's own touch comes along where it is given: 0 / 10_000 for an empty side.
    """

    outcome: Outcome
    side: BookSide
    price_e4: int
    size_u6: int
    hash: str = ""
    best_bid_e4: int | None = None
    best_ask_e4: int | None = None


class BookDelta(Message, frozen=True, kw_only=True):
    """One `price_change` frame: changes of both outcomes, in wire order.

    `damaged` are the outcomes of entries that could not be used: their books miss a level change.
    """

    slug: str
    changes: tuple[LevelChange, ...]
    damaged: tuple[Outcome, ...] = ()
    ts_event_ns: int
    ts_recv_ns: int


class TradePrinted(Message, frozen=True, kw_only=True):
    """A public trade; outcome and side are the taker's. Sizes are never guessed.

    See docs/venue.md 5.2.
    """

    slug: str
    outcome: Outcome
    taker_side: TakerSide
    price_e4: int
    size_u6: int
    transaction_hash: str = ""
    ts_event_ns: int
    ts_recv_ns: int


class TickSizeChanged(Message, frozen=True, kw_only=True):
    """The market's grid became finer; the book is dropped until the next snapshot."""

    slug: str
    outcome: Outcome
    new_tick_e4: int
    ts_event_ns: int
    ts_recv_ns: int


class FeedState(StrEnum):
    """LIVE: frames may be trusted. Every other state means: no quotes."""

    LIVE = "live"
    DOWN = "down"
    SILENT = "silent"
    RESYNCING = "resyncing"
    LATE = "late"


class FeedStatusChanged(Message, frozen=True, kw_only=True):
    """The market socket of a window came up, went down, fell silent, is late or resyncing."""

    slug: str
    state: FeedState
    reason: str = ""
    ts_recv_ns: int


class UnderlyingPriced(Message, frozen=True, kw_only=True):
    """The price of what the window is a bet on, from a public stream of an exchange.

    `price_e8` is above 0. `ts_event_ns` is 0 when the stream gives no time of its own.
    """

    slug: str
    price_e8: int
    ts_event_ns: int = 0
    ts_recv_ns: int


MarketDataMessage = (
    BookSnapshot | BookDelta | TradePrinted | TickSizeChanged | FeedStatusChanged | UnderlyingPriced
)


class BookCheckpoint(Message, frozen=True, kw_only=True):
    """Where a late reader starts: both books and the feed's state as of `entry_id` on `md`.

    Kept in the hash `keys.checkpoints(series)` under the slug; never an entry of a stream. A book
    is None when it is not usable. `tick_e4` is the market's tick now.
    """

    slug: str
    entry_id: str
    up: BookSnapshot | None
    down: BookSnapshot | None
    state: FeedState
    tick_e4: int
    ts_recv_ns: int
