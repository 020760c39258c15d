"""Frames of the market WebSocket to messages; lenient in form, strict in values.

See docs/venue.md 5.2.

* What cannot be used is counted by reason in `unusable`. A book frame with one bad level is not
  used at all, a bad entry of `price_changes` is left out; the message then says `damaged`, so
  that the book is not taken for whole.
* The grid: prices lie strictly between 0 and 1. A whole book may show a finer tick than announced
  down to 0.001 (recordings lack `tick_size_change`; the book's hash decides), level changes must
  be on the finest tick known; else `off_grid`. Off the 1/10 000 grid is `bad_price`.
* A frame that is lost whole (JSON cut off, too large, a market that cannot be told) damages every
  book of the parser's windows: what it changed is not known.
* `underlying_price` is no event of the venue's: our recorder writes the underlying's price so,
  that a recording holds all that the strategy was told.
* Order is that of arrival; time stamps running backwards are counted in `backwards`, nothing more.
"""

from __future__ import annotations

from collections import OrderedDict

from pmcore.messages.market_data import (
    BookDelta,
    BookSnapshot,
    LevelChange,
    MarketDataMessage,
    TickSizeChanged,
    TradePrinted,
    UnderlyingPriced,
)
from pmcore.model.errors import MalformedInputError
from pmcore.model.market import Outcome, Window
from pmcore.model.units import PRICE_ONE_E4
from pmcore.venue.fields import (
    JsonObject,
    as_list,
    as_object,
    decode_json,
    decode_json_as,
    dollars_e8_of,
    is_absent,
    optional_text,
    price_e4_of,
    qty_u6_of,
    text_of,
    tick_e4_of,
    time_ns_of,
)
from pmcore.venue.market_values import (
    PLAIN_CHANGE_MARK,
    PlainChange,
    change_of,
    event_type_of,
    origin_of,
    plain_changes_of,
    taker_side_of,
    tick_shown_e4,
    whole_book_of,
)
from pmcore.venue.unusable import UnusableLog, UnusableSample, begins_json

MAX_FRAME_CHARS = 16 * 1024 * 1024
_TRADES_REMEMBERED = 1_024
_UNDERLYING = "underlying_price"
_KNOWN = frozenset({"book", "price_change", "last_trade_price", "tick_size_change", _UNDERLYING})
_OF_BOOKS = frozenset({"book", "price_change", "tick_size_change"})
_IGNORED = frozenset({"new_market", "best_bid_ask", "market_resolved"})
_KEEPALIVE = frozenset[str | bytes]({"", "PONG", "PING", b"", b"PONG", b"PING"})


class _FrameMarket:
    """A window and what its frames showed so far."""

    __slots__ = ("last_ts_ns", "tick_e4", "window")

    def __init__(self, window: Window) -> None:
        self.window = window
        self.tick_e4 = window.tick_e4
        self.last_ts_ns = 0


class MarketFrameParser:
    """Turns raw frames into messages of the windows it knows; other markets are counted.

    `frames` counts raw frames, `events` the messages made of them, `ignored` events that are
    known and not needed.
    """

    def __init__(self, *windows: Window) -> None:
        self.frames = 0
        self.events = 0
        self.ignored = 0
        self.backwards = 0
        self._log = UnusableLog()
        self._markets: dict[str, _FrameMarket] = {}
        self._trades: OrderedDict[tuple[object, ...], None] = OrderedDict()
        for window in windows:
            self.add(window)

    @property
    def unusable(self) -> dict[str, int]:
        """Counts by reason."""
        return self._log.counts

    @property
    def samples(self) -> list[UnusableSample]:
        """The first unusable inputs, shortened."""
        return self._log.samples

    def add(self, window: Window) -> None:
        """Understand one more window's frames."""
        self._markets[window.condition_id] = _FrameMarket(window)

    def parse(self, raw: str | bytes, *, ts_recv_ns: int) -> list[MarketDataMessage]:
        """Read one WebSocket frame (or REST book); never raises for anything the world sent."""
        self.frames += 1
        if len(raw) > MAX_FRAME_CHARS:
            self._log.add("too_large", raw, ts_recv_ns)
            return self._all_damaged(ts_recv_ns)
        if len(raw) < 8 and raw.strip() in _KEEPALIVE:
            return []
        if isinstance(raw, str) and PLAIN_CHANGE_MARK in raw:
            delta = self._plain_change(raw, ts_recv_ns)
            if delta is not None:
                self.events += 1
                return [delta]
        try:
            decoded = decode_json(raw)
        except MalformedInputError as error:
            self._log.add(error.reason, raw, ts_recv_ns, error.detail)
            return self._all_damaged(ts_recv_ns) if begins_json(raw) else []
        messages: list[MarketDataMessage] = []
        for item in decoded if isinstance(decoded, list) else [decoded]:
            try:
                message = self._parse_item(as_object(item, "not_an_object"), raw, ts_recv_ns)
            except MalformedInputError as error:
                self._log.add(error.reason, raw, ts_recv_ns, error.detail)
                if _may_change_a_book(item, error.reason):
                    messages += self._all_damaged(ts_recv_ns)
                continue
            if message is not None:
                messages.append(message)
        self.events += len(messages)
        return messages

    def _all_damaged(self, ts_recv_ns: int) -> list[MarketDataMessage]:
        return [
            BookDelta(
                slug=market.window.slug,
                changes=(),
                damaged=tuple(Outcome),
                ts_event_ns=ts_recv_ns,
                ts_recv_ns=ts_recv_ns,
            )
            for market in self._markets.values()
        ]

    def _parse_item(
        self, item: JsonObject, raw: str | bytes, ts_recv_ns: int
    ) -> MarketDataMessage | None:
        kind = event_type_of(item)
        if kind in _IGNORED:
            self.ignored += 1
            return None
        if kind not in _KNOWN:
            raise MalformedInputError("other_channel" if "topic" in item else "unknown_event", kind)
        market = self._markets.get(text_of(item, "market"))
        if market is None:
            raise MalformedInputError("foreign_market", text_of(item, "market")[:80])
        if kind == _UNDERLYING:
            return _underlying(market.window, item, ts_recv_ns)
        if kind == "price_change":
            return self._price_change(market, item, raw, ts_recv_ns)
        outcome = market.window.outcome_of(text_of(item, "asset_id"))
        if outcome is None:
            raise MalformedInputError("foreign_token", text_of(item, "asset_id")[:80])
        if kind == "book":
            return self._book(market, outcome, item, raw, ts_recv_ns)
        ts_event_ns = self._event_time(market, item)
        if kind == "last_trade_price":
            return self._trade(market, outcome, item, ts_event_ns, ts_recv_ns)
        tick_e4 = tick_e4_of(item.get("new_tick_size"))
        market.tick_e4 = min(market.tick_e4, tick_e4)
        return TickSizeChanged(
            slug=market.window.slug,
            outcome=outcome,
            new_tick_e4=tick_e4,
            ts_event_ns=ts_event_ns,
            ts_recv_ns=ts_recv_ns,
        )

    def _event_time(self, market: _FrameMarket, item: JsonObject) -> int:
        ts_event_ns = time_ns_of(item.get("timestamp"))
        self._note_time(market, ts_event_ns)
        return ts_event_ns

    def _note_time(self, market: _FrameMarket, ts_event_ns: int) -> None:
        if ts_event_ns < market.last_ts_ns:
            self.backwards += 1
        else:
            market.last_ts_ns = ts_event_ns

    def _book(
        self,
        market: _FrameMarket,
        outcome: Outcome,
        item: JsonObject,
        raw: str | bytes,
        ts_recv_ns: int,
    ) -> BookSnapshot:
        try:
            snapshot = whole_book_of(market.window, outcome, item, market.tick_e4, ts_recv_ns)
        except MalformedInputError as error:
            self._log.add(error.reason, raw, ts_recv_ns, error.detail)
            return BookSnapshot(
                slug=market.window.slug,
                outcome=outcome,
                bids=(),
                asks=(),
                hash="",
                origin=origin_of(item),
                damaged=error.reason,
                ts_event_ns=ts_recv_ns,
                ts_recv_ns=ts_recv_ns,
            )
        self._note_time(market, snapshot.ts_event_ns)
        market.tick_e4 = tick_shown_e4(snapshot, market.tick_e4)
        return snapshot

    def _plain_change(self, raw: str, ts_recv_ns: int) -> BookDelta | None:
        """Read a `price_change` without anything unusual in it; None for all others.

        Nothing is noted before all of it is read, so that the other way may begin anew.
        """
        try:
            frame = decode_json_as(raw, PlainChange)
            market = self._markets.get(frame.market)
            if market is None:
                return None
            changes = plain_changes_of(market.window, frame, market.tick_e4)
            ts_event_ns = time_ns_of(frame.timestamp)
        except MalformedInputError:
            return None
        if not changes:
            return None
        self._note_time(market, ts_event_ns)
        return BookDelta(
            slug=market.window.slug, changes=changes, ts_event_ns=ts_event_ns, ts_recv_ns=ts_recv_ns
        )

    def _price_change(
        self, market: _FrameMarket, item: JsonObject, raw: str | bytes, ts_recv_ns: int
    ) -> BookDelta | None:
        changes: list[LevelChange] = []
        damaged: dict[Outcome, None] = {}
        ts_event_ns = ts_recv_ns
        try:
            entries = as_list(item.get("price_changes"), "obsolete_shape")
            ts_event_ns = self._event_time(market, item)
        except MalformedInputError as error:
            self._log.add(error.reason, raw, ts_recv_ns, error.detail)
            entries, damaged = [], dict.fromkeys(Outcome)
        for value in entries:
            outcome = _outcome_of_entry(market.window, value)
            if outcome is None:
                self._log.add("foreign_token", raw, ts_recv_ns)
                continue
            try:
                changes.append(change_of(outcome, as_object(value), market.tick_e4))
            except MalformedInputError as error:
                self._log.add(error.reason, raw, ts_recv_ns, error.detail)
                damaged[outcome] = None
        if not changes and not damaged:
            return None
        return BookDelta(
            slug=market.window.slug,
            changes=tuple(changes),
            damaged=tuple(damaged),
            ts_event_ns=ts_event_ns,
            ts_recv_ns=ts_recv_ns,
        )

    def _trade(
        self,
        market: _FrameMarket,
        outcome: Outcome,
        item: JsonObject,
        ts_event_ns: int,
        ts_recv_ns: int,
    ) -> TradePrinted:
        price_e4 = price_e4_of(item.get("price"))
        if not 0 < price_e4 < PRICE_ONE_E4:
            raise MalformedInputError("off_grid", str(item.get("price"))[:40])
        size_u6 = 0 if is_absent(item.get("size")) else qty_u6_of(item["size"])
        if not size_u6:
            raise MalformedInputError("trade_without_size")
        taker_side = taker_side_of(item)
        transaction_hash = optional_text(item, "transaction_hash")
        if transaction_hash:
            key = (
                market.window.slug,
                outcome,
                taker_side,
                price_e4,
                size_u6,
                ts_event_ns,
                transaction_hash,
            )
            if key in self._trades:
                raise MalformedInputError("duplicate_trade", transaction_hash[:80])
            self._trades[key] = None
            if len(self._trades) > _TRADES_REMEMBERED:
                self._trades.popitem(last=False)
        return TradePrinted(
            slug=market.window.slug,
            outcome=outcome,
            taker_side=taker_side,
            price_e4=price_e4,
            size_u6=size_u6,
            transaction_hash=transaction_hash,
            ts_event_ns=ts_event_ns,
            ts_recv_ns=ts_recv_ns,
        )


def _underlying(window: Window, item: JsonObject, ts_recv_ns: int) -> UnderlyingPriced:
    stamp = item.get("timestamp")
    return UnderlyingPriced(
        slug=window.slug,
        price_e8=dollars_e8_of(item.get("price")),
        ts_event_ns=0 if is_absent(stamp) else time_ns_of(stamp),
        ts_recv_ns=ts_recv_ns,
    )


def _may_change_a_book(item: object, reason: str) -> bool:
    """Whether an unusable event may have been about a book of ours."""
    if not isinstance(item, dict) or reason in ("foreign_market", "foreign_token"):
        return False
    return event_type_of(item) in _OF_BOOKS


def _outcome_of_entry(window: Window, value: object) -> Outcome | None:
    if not isinstance(value, dict):
        return None
    return window.outcome_of(optional_text(value, "asset_id"))
