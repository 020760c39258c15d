"""`/notifications`: what happened to an account's orders, newest first (docs/venue.md 1.4).

Types: 1 a cancel, 2 a fill, 4 a resolved market, 8 a fill that failed on the chain. The payload of
an order's notice is the order; that of a resolved market is the market.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator
from enum import IntEnum

import msgspec

from pmcore.model.units import NS_PER_S, format_price, format_qty
from pmsim.venue.payloads import outcome_name
from pmsim.venue.ports import ListedWindow, UserFrame, VenueOrder
from pmsimulator.clob_market import Row, clob_market, outcome_index
from pmsimulator.gamma_series import series_slug
from pmsimulator.titles import title

KEPT = 500
_RESOLVED_STATUS = "CANCELED_MARKET_RESOLVED"


class NoticeType(IntEnum):
    """The types that a simulated world gives rise to."""

    CANCEL = 1
    FILL = 2
    RESOLVED = 4
    FILL_FAILED = 8


class _MakerEntry(msgspec.Struct):
    order_id: str
    owner: str


class _UserFrame(msgspec.Struct):
    """What a notice needs of a user frame; an order's `id` is its hash, a trade's its number."""

    id: str
    event_type: str
    status: str = ""
    type: str = ""
    trade_owner: str = ""
    taker_order_id: str = ""
    transaction_hash: str = ""
    maker_orders: list[_MakerEntry] = []


class Notices:
    """The last notifications of every account. Orders and markets are looked up by id."""

    def __init__(
        self,
        order: Callable[[str], VenueOrder | None],
        listing: Callable[[str], ListedWindow | None],
    ) -> None:
        self._order = order
        self._listing = listing
        self._of: dict[str, deque[Row]] = {}
        self._count = 0

    def hear(self, event: UserFrame) -> None:
        """Turn a user frame into notifications: one for each own order that it is about."""
        frame = msgspec.convert(event.frame, _UserFrame)
        kind = _type_of(frame)
        if kind is NoticeType.RESOLVED:
            self.resolved(event.owner, event.condition_id, event.at_ns)
        elif kind is not None:
            listing = self._listing(event.condition_id)
            for order_id in _own_orders(frame, event.owner):
                record = self._order(order_id)
                if record is not None and listing is not None:
                    payload = _order_payload(record, listing, frame)
                    self._add(event.owner, kind, payload, event.at_ns)

    def resolved(self, owner: str, condition_id: str, at_ns: int) -> None:
        """A market of an account was resolved; it is told once."""
        listing = self._listing(condition_id)
        if listing is None or any(
            row["type"] == NoticeType.RESOLVED.value
            and isinstance(payload := row["payload"], dict)
            and payload["condition_id"] == condition_id
            for row in self.of(owner)
        ):
            return
        payload = {**clob_market(listing), "eventSlug": listing.window.slug}
        self._add(owner, NoticeType.RESOLVED, payload, at_ns)

    def of(self, owner: str) -> list[Row]:
        """An account's notifications."""
        return list(self._of.get(owner, ()))

    def drop(self, owner: str, ids: Collection[str]) -> None:
        """Forget some of an account's notifications; without ids, all."""
        kept = [row for row in self.of(owner) if ids and str(row["id"]) not in ids]
        self._of[owner] = deque(kept, maxlen=KEPT)

    def _add(self, owner: str, kind: NoticeType, payload: Row, at_ns: int) -> None:
        self._count += 1
        row: Row = {
            "id": self._count,
            "owner": owner,
            "type": kind.value,
            "payload": payload,
            "timestamp": at_ns // NS_PER_S,
        }
        self._of.setdefault(owner, deque(maxlen=KEPT)).appendleft(row)


def _type_of(frame: _UserFrame) -> NoticeType | None:
    if frame.event_type == "trade":
        return {"MATCHED": NoticeType.FILL, "FAILED": NoticeType.FILL_FAILED}.get(frame.status)
    if frame.type != "CANCELLATION":
        return None
    return NoticeType.RESOLVED if frame.status == _RESOLVED_STATUS else NoticeType.CANCEL


def _own_orders(frame: _UserFrame, owner: str) -> Iterator[str]:
    if frame.event_type == "order":
        yield frame.id
        return
    if frame.trade_owner == owner:
        yield frame.taker_order_id
    yield from (entry.order_id for entry in frame.maker_orders if entry.owner == owner)


def _order_payload(record: VenueOrder, listing: ListedWindow, frame: _UserFrame) -> Row:
    """An order as a notification shows it; sizes in shares, matched and remaining in total."""
    window = listing.window
    trade_id = frame.id if frame.event_type == "trade" else ""
    return {
        "asset_id": record.token_id,
        "market": record.condition_id,
        "order_id": record.order_hash,
        "owner": record.account.owner,
        "side": record.side.value,
        "type": record.time_in_force.value,
        "price": format_price(record.price_e4),
        "original_size": format_qty(record.original_u6),
        "matched_size": format_qty(record.matched_u6),
        "remaining_size": format_qty(max(record.original_u6 - record.matched_u6, 0)),
        "outcome": outcome_name(record.outcome),
        "outcome_index": outcome_index(window, record.token_id),
        "trade_id": trade_id,
        "transaction_hash": frame.transaction_hash,
        "question": title(window),
        "market_slug": window.slug,
        "icon": "",
        "image": "",
        "eventSlug": window.slug,
        "seriesSlug": series_slug(window.series),
    }
