"""Frames of the user WebSocket, and REST trades, to messages (docs/venue.md 6).

The top level of a trade is the TAKER. A fill of ours is each entry of `maker_orders` whose
`owner` is our API key or whose `maker_address` is ours, with that entry's token, price and
amount. The engine only buys; an entry that sold is `own_sell` and left to a person.
It only makes, too: a trade whose taker is ours is a fill all the same; `taken` names its order.
What may be a fill of ours and cannot be read is counted in `doubts`: the account is not to be
trusted before REST was read.
"""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from pmcore.messages.user import FillReported, OrderUpdated, OrderUpdateKind, TradeStatus
from pmcore.model.errors import MalformedInputError
from pmcore.model.market import TakerSide
from pmcore.venue.fields import (
    JsonObject,
    as_list,
    as_object,
    decode_json,
    is_absent,
    near_price_e4_of,
    near_qty_u6_of,
    optional_text,
    price_e4_of,
    qty_u6_of,
    text_of,
    time_ns_of,
)
from pmcore.venue.market_values import plain_status, taker_side_of
from pmcore.venue.unusable import UnusableLog, UnusableSample, begins_json

TAKERS_REMEMBERED = 1_024
OWN_SELL = "own_sell"
MAX_FRAME_CHARS = 16 * 1024 * 1024
_KEEPALIVE = frozenset[str | bytes]({"", "PONG", "PING", b"", b"PONG", b"PING"})
_ORDER_KINDS = {kind.value.upper(): kind for kind in OrderUpdateKind}
_TRADE_STATUS = {status.value.upper(): status for status in TradeStatus} | {
    "MATCHED_NOT_BROADCASTED": TradeStatus.MATCHED
}


def event_time_ns(item: JsonObject, default_ns: int) -> int:
    """The newest time an order or a trade carries; seconds and milliseconds both occur.

    The default when there is none, or one that cannot be read: no fill is lost for its time.
    """
    for key in ("timestamp", "last_update", "match_time", "matchtime", "created_at"):
        if not is_absent(item.get(key)):
            try:
                return time_ns_of(item[key])
            except MalformedInputError:
                return default_ns
    return default_ns


class UserFrameParser:
    """Turns frames of one account's user channel into messages; the rest is counted."""

    def __init__(self, *, api_key: str, maker_addresses: frozenset[str]) -> None:
        self.frames = 0
        self.events = 0
        self.ignored = 0
        self.doubts = 0
        self.taken: OrderedDict[str, None] = OrderedDict()
        self._api_key = api_key
        self._addresses = frozenset(address.lower() for address in maker_addresses)
        self._log = UnusableLog()

    @property
    def unusable(self) -> dict[str, int]:
        """Counts by reason; `no_maker_orders` asks for a look at `/data/trades`."""
        return self._log.counts

    @property
    def samples(self) -> list[UnusableSample]:
        """The first unusable inputs, shortened."""
        return self._log.samples

    def parse(self, raw: str | bytes, *, ts_recv_ns: int) -> list[OrderUpdated | FillReported]:
        """Read one WebSocket frame; never raises for anything the world sent."""
        self.frames += 1
        if len(raw) > MAX_FRAME_CHARS:
            self._log.add("too_large", raw, ts_recv_ns)
            self.doubts += 1
            return []
        if len(raw) < 8 and raw.strip() in _KEEPALIVE:
            return []
        try:
            decoded = decode_json(raw)
        except MalformedInputError as error:
            self._log.add(error.reason, raw, ts_recv_ns, error.detail)
            self.doubts += begins_json(raw)
            return []
        messages: list[OrderUpdated | FillReported] = []
        for value in decoded if isinstance(decoded, list) else [decoded]:
            try:
                messages += self._parse_item(value, raw, ts_recv_ns)
            except MalformedInputError as error:
                self._log.add(error.reason, raw, ts_recv_ns, error.detail)
        self.events += len(messages)
        return messages

    def fills(self, trade: JsonObject, *, ts_recv_ns: int) -> list[FillReported]:
        """Our parts of one trade of `/data/trades`; the same messages as the channel's."""
        raw = str(trade)
        try:
            return self._own_trade(trade, raw, ts_recv_ns)
        except MalformedInputError as error:
            self._log.add(error.reason, raw, ts_recv_ns, error.detail)
            return []

    def _parse_item(
        self, value: object, raw: str | bytes, ts_recv_ns: int
    ) -> list[OrderUpdated | FillReported]:
        item = as_object(value, "not_an_object")
        kind = optional_text(item, "type").upper()
        if item.get("event_type", "trade") == "trade" and kind in ("TRADE", ""):
            return list(self._own_trade(item, raw, ts_recv_ns))
        if kind in _ORDER_KINDS and item.get("event_type", "order") == "order":
            return [_order(item, _ORDER_KINDS[kind], ts_recv_ns)]
        raise MalformedInputError("unknown_event", f"{item.get('event_type')} {kind}"[:40])

    def _own_trade(self, item: JsonObject, raw: str | bytes, ts_recv_ns: int) -> list[FillReported]:
        try:
            return self._trade(item, raw, ts_recv_ns)
        except MalformedInputError:
            self.doubts += 1
            raise

    def _trade(self, item: JsonObject, raw: str | bytes, ts_recv_ns: int) -> list[FillReported]:
        trade_id = text_of(item, "id")
        status = _TRADE_STATUS.get(plain_status(item).upper())
        if status is None:
            raise MalformedInputError("unknown_status", str(item.get("status"))[:40])
        if not item.get("maker_orders"):
            raise MalformedInputError("no_maker_orders", trade_id)
        condition_id = text_of(item, "market")
        ts_event_ns = event_time_ns(item, ts_recv_ns)
        fills: dict[str, FillReported] = {}
        own = 0
        for value in as_list(item["maker_orders"]):
            if not isinstance(value, dict) or not self._is_ours(value):
                continue
            own += 1
            try:
                fill = _fill(item, value, (trade_id, condition_id), status, ts_event_ns, ts_recv_ns)
            except MalformedInputError as error:
                self._log.add(error.reason, raw, ts_recv_ns, error.detail)
                self.doubts += error.reason != OWN_SELL
                continue
            fills[fill.order_hash] = _joined(fills.get(fill.order_hash), fill)
        if self._took(item):
            own += 1
            fill = _taker_fill(item, (trade_id, condition_id), status, ts_event_ns, ts_recv_ns)
            fills[fill.order_hash] = fill
            self._remember_taker(fill.order_hash)
        if not own:
            self.ignored += 1
        return list(fills.values())

    def _is_ours(self, entry: JsonObject) -> bool:
        if self._api_key and entry.get("owner") == self._api_key:
            return True
        return optional_text(entry, "maker_address").lower() in self._addresses

    def _remember_taker(self, order_hash: str) -> None:
        self.taken[order_hash] = None
        if len(self.taken) > TAKERS_REMEMBERED:
            self.taken.popitem(last=False)

    def _took(self, trade: JsonObject) -> bool:
        """Whether the taker, whom the top level describes, is ours."""
        return self._is_ours(trade) and optional_text(trade, "trader_side").upper() != "MAKER"


def _order(item: JsonObject, kind: OrderUpdateKind, ts_recv_ns: int) -> OrderUpdated:
    return OrderUpdated(
        kind=kind,
        order_hash=text_of(item, "id"),
        condition_id=text_of(item, "market"),
        token_id=text_of(item, "asset_id"),
        price_e4=price_e4_of(item.get("price")),
        original_u6=qty_u6_of(item.get("original_size")),
        matched_u6=None if is_absent(item.get("size_matched")) else qty_u6_of(item["size_matched"]),
        status=plain_status(item).lower(),
        ts_event_ns=event_time_ns(item, ts_recv_ns),
        ts_recv_ns=ts_recv_ns,
    )


def _own_side(trade: JsonObject, entry: JsonObject) -> TakerSide:
    """The side of a maker entry; without one: opposite on the taker's token, else the same."""
    if not is_absent(entry.get("side")):
        return taker_side_of(entry)
    taker = taker_side_of(trade)
    if entry.get("asset_id") != trade.get("asset_id"):
        return taker
    return TakerSide.SELL if taker is TakerSide.BUY else TakerSide.BUY


def _fill(
    trade: JsonObject,
    entry: JsonObject,
    ids: tuple[str, str],
    status: TradeStatus,
    ts_event_ns: int,
    ts_recv_ns: int,
) -> FillReported:
    if _own_side(trade, entry) is TakerSide.SELL:
        raise MalformedInputError(OWN_SELL, ids[0])
    size_u6 = near_qty_u6_of(entry.get("matched_amount"))
    if not size_u6:
        raise MalformedInputError("bad_size", ids[0])
    return FillReported(
        trade_id=ids[0],
        order_hash=text_of(entry, "order_id"),
        condition_id=ids[1],
        token_id=text_of(entry, "asset_id"),
        price_e4=near_price_e4_of(entry.get("price")),
        size_u6=size_u6,
        status=status,
        ts_event_ns=ts_event_ns,
        ts_recv_ns=ts_recv_ns,
    )


def _taker_fill(
    trade: JsonObject,
    ids: tuple[str, str],
    status: TradeStatus,
    ts_event_ns: int,
    ts_recv_ns: int,
) -> FillReported:
    """The top level as a fill, at its own price: the makers' may have been better, never worse."""
    entry: JsonObject = {
        "side": trade.get("side"),
        "matched_amount": trade.get("size"),
        "order_id": trade.get("taker_order_id"),
        "asset_id": trade.get("asset_id"),
        "price": trade.get("price"),
    }
    return _fill(trade, entry, ids, status, ts_event_ns, ts_recv_ns)


def _joined(former: FillReported | None, fill: FillReported) -> FillReported:
    """Two entries of one order in one trade are one fill, because that is its identity."""
    if former is None:
        return fill
    return msgspec.structs.replace(fill, size_u6=former.size_u6 + fill.size_u6)
