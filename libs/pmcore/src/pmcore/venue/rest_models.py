"""Answers of the CLOB's REST API (docs/venue.md 1.3-1.7), and what its errors mean."""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from pmcore.messages.execution import VenueMode
from pmcore.messages.market_data import BookSnapshot
from pmcore.messages.user import TokenShares
from pmcore.model.errors import MalformedInputError, Reason
from pmcore.model.market import TakerSide, Window
from pmcore.venue.fields import (
    JsonObject,
    as_list,
    as_object,
    is_absent,
    natural_of,
    near_qty_u6_of,
    optional_text,
    price_e4_of,
    qty_u6_of,
    text_of,
)
from pmcore.venue.market_values import plain_status, taker_side_of, whole_book_of

FIRST_CURSOR = "MA=="
LAST_CURSOR = "LTE="
_ACCEPTED = frozenset({"live", "matched", "delayed"})
_MS_PER_S = 1_000

_BY_REGION: tuple[tuple[str, Reason], ...] = (
    ("your region", Reason.REGION_BLOCKED),
    ("your country", Reason.REGION_BLOCKED),
    ("country or region", Reason.REGION_BLOCKED),
    ("your jurisdiction", Reason.REGION_BLOCKED),
    ("geoblock", Reason.REGION_BLOCKED),
)
_BY_TEXT: tuple[tuple[str, Reason], ...] = (
    *_BY_REGION,
    ("order_version_mismatch", Reason.VERSION_MISMATCH),
    ("order crosses book", Reason.POST_ONLY_CROSSES),
    ("crosses the book", Reason.POST_ONLY_CROSSES),
    ("minimum tick size", Reason.TICK),
    ("lower than the minimum", Reason.MIN_SIZE),
    ("min size: $", Reason.MIN_SIZE),
    ("duplicated", Reason.DUPLICATE),
    ("not enough balance", Reason.BALANCE),
    ("address banned", Reason.BANNED),
    ("closed only mode", Reason.CLOSED_ONLY),
    ("rate limit exceeded", Reason.RATE_LIMITED),
    ("post-only mode", Reason.POST_ONLY_MODE),
    ("cancel-only", Reason.CANCEL_ONLY),
    ("trading is disabled", Reason.TRADING_DISABLED),
    ("trading is currently disabled", Reason.TRADING_DISABLED),
    ("not yet ready", Reason.MARKET_NOT_READY),
    ("match delayed", Reason.MARKET_NOT_READY),
    ("no orderbook exists", Reason.MARKET_NOT_READY),
    ("market not found", Reason.MARKET_NOT_READY),
    ("market is closed", Reason.MARKET_CLOSED),
    ("already matched", Reason.ALREADY_MATCHED),
    ("canceled or matched", Reason.ALREADY_MATCHED),
    ("not found", Reason.NOT_FOUND),
    ("already canceled", Reason.NOT_FOUND),
    ("unauthorized", Reason.AUTH),
    ("api key", Reason.AUTH),
    ("request headers", Reason.AUTH),
    ("maker address not allowed", Reason.AUTH),
    ("invalid order payload", Reason.INVALID_ORDER),
    ("invalid signature", Reason.INVALID_ORDER),
    ("invalid nonce", Reason.INVALID_ORDER),
    ("invalid expiration", Reason.INVALID_ORDER),
    ("invalid amount", Reason.INVALID_ORDER),
)
_BY_CODE = {
    "post_only_mode": Reason.POST_ONLY_MODE,
    "cancel_only_mode": Reason.CANCEL_ONLY,
    "cancel_only": Reason.CANCEL_ONLY,
    "trading_disabled": Reason.TRADING_DISABLED,
}
_BY_STATUS = {
    401: Reason.AUTH,
    403: Reason.AUTH,
    404: Reason.NOT_FOUND,
    408: Reason.TIMEOUT,
    425: Reason.RESTARTING,
    429: Reason.RATE_LIMITED,
    451: Reason.REGION_BLOCKED,
}
_SAID_BY_ANYBODY = frozenset({401, 408, 425, 429, 451})
"""Statuses that mean the same whoever says them, the venue or what stands in front of it."""
_TITLE = re.compile(r"<title[^>]*>\s*([^<]{1,80})", re.IGNORECASE)
_MODES = {
    Reason.POST_ONLY_MODE: VenueMode.POST_ONLY,
    Reason.CANCEL_ONLY: VenueMode.CANCEL_ONLY,
    Reason.TRADING_DISABLED: VenueMode.DISABLED,
    Reason.RESTARTING: VenueMode.RESTARTING,
    Reason.CLOSED_ONLY: VenueMode.CLOSED_ONLY,
}


class VenueRefusal(NamedTuple):
    """What an error answer means: why, the venue's mode if it tells one, when to come back."""

    reason: Reason
    mode: VenueMode | None
    retry_after_ms: int | None


class PostOrderResult(msgspec.Struct, frozen=True):
    """The answer to one order; `reason` is None exactly when the venue took it.

    UNKNOWN means: neither taken nor refused in words we know; ask by order id.
    """

    order_hash: str
    status: str
    text: str
    reason: Reason | None


class CancelResult(msgspec.Struct, frozen=True):
    """The answer of every cancel route (docs/venue.md 1.5)."""

    cancelled: tuple[str, ...]
    not_cancelled: dict[str, tuple[Reason, str]]


class OpenOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One order of `/data/orders` or `/data/order/{id}`; `status` lower case, without prefix."""

    order_hash: str
    condition_id: str
    token_id: str
    side: TakerSide
    price_e4: int
    original_u6: int
    matched_u6: int
    status: str


class OpenOrdersPage(msgspec.Struct, frozen=True):
    """A page of orders; `next_cursor` is None on the last."""

    orders: tuple[OpenOrder, ...]
    next_cursor: str | None


class TradesPage(msgspec.Struct, frozen=True):
    """A page of raw trades, for `UserFrameParser.fills`; `next_cursor` is None on the last."""

    trades: tuple[JsonObject, ...]
    next_cursor: str | None


def parse_book(window: Window, value: object, *, ts_recv_ns: int) -> BookSnapshot:
    """`GET /book` to a snapshot; raise `MalformedInputError` (another market's: `foreign_...`)."""
    item = as_object(value)
    if text_of(item, "market") != window.condition_id:
        raise MalformedInputError("foreign_market", text_of(item, "market")[:80])
    outcome = window.outcome_of(text_of(item, "asset_id"))
    if outcome is None:
        raise MalformedInputError("foreign_token", text_of(item, "asset_id")[:80])
    return whole_book_of(window, outcome, item, window.tick_e4, ts_recv_ns)


def parse_order(value: object) -> OpenOrder:
    """One order; raise `MalformedInputError`."""
    item = as_object(value)
    matched = item.get("size_matched")
    return OpenOrder(
        order_hash=text_of(item, "id"),
        condition_id=text_of(item, "market"),
        token_id=text_of(item, "asset_id"),
        side=taker_side_of(item),
        price_e4=price_e4_of(item.get("price")),
        original_u6=qty_u6_of(item.get("original_size")),
        matched_u6=0 if is_absent(matched) else qty_u6_of(matched),
        status=plain_status(item).lower(),
    )


def parse_open_orders_page(value: object) -> OpenOrdersPage:
    """A page of `/data/orders`. An order that cannot be read raises: none may be overlooked."""
    rows, next_cursor = _page(value)
    return OpenOrdersPage(tuple(parse_order(row) for row in rows), next_cursor)


def parse_trades_page(value: object) -> TradesPage:
    """A page of `/data/trades`."""
    rows, next_cursor = _page(value)
    return TradesPage(tuple(as_object(row) for row in rows), next_cursor)


def _page(value: object) -> tuple[list[object], str | None]:
    item = as_object(value)
    cursor = optional_text(item, "next_cursor")
    return as_list(item.get("data")), cursor if cursor not in ("", LAST_CURSOR) else None


def parse_post_order_response(value: object) -> PostOrderResult:
    """A 200 answer to `POST /order`, or one entry of `POST /orders`, judged as the SDK does."""
    item = as_object(value)
    order_hash = optional_text(item, "orderID")
    status = optional_text(item, "status").lower()
    text = error_text(item)
    if item.get("success") is True and not text and order_hash and status in _ACCEPTED:
        return PostOrderResult(order_hash, status, "", None)
    return PostOrderResult(order_hash, status, text, _reason_of_text(text) or Reason.UNKNOWN)


def parse_post_orders_response(value: object) -> list[PostOrderResult]:
    """A 200 answer to `POST /orders`, in the order sent."""
    return [parse_post_order_response(entry) for entry in as_list(value)]


def parse_cancel_response(value: object) -> CancelResult:
    """A 200 answer to any cancel: it may have cancelled nothing."""
    item = as_object(value)
    refused = item.get("not_canceled")
    return CancelResult(
        tuple(str(order_hash) for order_hash in as_list(item.get("canceled") or [])),
        {
            order_hash: (_reason_of_text(str(text)) or Reason.UNKNOWN, str(text))
            for order_hash, text in as_object({} if refused is None else refused).items()
        },
    )


def heartbeat_id_of(value: object) -> str:
    """The id that the next heartbeat must carry, of an accepted one (8)."""
    return text_of(as_object(value), "heartbeat_id")


def expected_heartbeat_id(value: object) -> str:
    """The id that a refused heartbeat (400) should have carried.

    "" when the venue expects the first of a new chain: it names no id then, because it dropped
    ours. Raise `MalformedInputError` for a 400 that is not about the id.
    """
    item = as_object(value)
    told = item.get("heartbeat_id")
    if isinstance(told, str) and told:
        return told
    if is_absent(told) and "heartbeat" in error_text(item).lower():
        return ""
    raise MalformedInputError("bad_heartbeat", str(value)[:80])


def parse_positions_page(value: object) -> tuple[tuple[TokenShares, ...], str | None]:
    """A page of `GET /v2/positions` and the cursor of the next one, None after the last.

    Rows of markets with a result are left out: they are redeemed at any time.
    """
    item = as_object(value)
    rows = [as_object(row) for row in as_list(item.get("data"))]
    held = tuple(
        TokenShares(text_of(row, "token_id"), near_qty_u6_of(row.get("current_size")))
        for row in rows
        if row.get("redeemable") is not True
    )
    pages = as_object(item.get("pagination"))
    return held, text_of(pages, "next_cursor") if pages.get("has_more") is True else None


def parse_balance_u6(value: object) -> int:
    """`GET /balance-allowance` to millionths of pUSD or shares."""
    text = text_of(as_object(value), "balance")
    balance_u6 = natural_of(text)
    if balance_u6 is None:
        raise MalformedInputError("bad_balance", text[:40])
    return balance_u6


def error_text(body: object) -> str:
    """The words of an error answer, under whichever key they came; of a web page, its title."""
    if isinstance(body, str):
        title = _TITLE.search(body) if is_page(body) else None
        named = f": {title.group(1).strip()}" if title else ""
        return f"a web page, not the venue's answer{named}" if is_page(body) else body
    if isinstance(body, dict):
        for key in ("error", "error_msg", "errorMsg", "message"):
            if text := optional_text(body, key):
                return text
    return ""


def is_page(body: object) -> bool:
    """Whether an answer is a web page: of a network in front of the venue, not of the venue."""
    return isinstance(body, str) and body.lstrip().startswith("<")


def classify_error(status: int, body: object, *, retry_after: str | None = None) -> VenueRefusal:
    """What an answer other than 200 means; by code, then words, then status.

    See docs/venue.md 1.6, 1.7.

    A refusal of us (AUTH, BANNED, REGION_BLOCKED ...), of this request (its own reason, or REFUSED
    in words that we do not know), or an EDGE_PAGE: not the venue's answer at all. `retry_after`
    is the header. VENUE_ERROR, EDGE_PAGE and TIMEOUT leave open whether an order got in.
    """
    reason = _reason_of(status, body)
    return VenueRefusal(reason, _MODES.get(reason), _retry_after_ms(body, retry_after))


def _reason_of(status: int, body: object) -> Reason:
    code = optional_text(body, "code").lower() if isinstance(body, dict) else ""
    if code in _BY_CODE:
        return _BY_CODE[code]
    if status >= 500 and (status != 503 or is_page(body)):
        return Reason.VENUE_ERROR
    if is_page(body):  # its words are nobody's we know, but a region is named plainly
        by_text = _reason_of_text(str(body), _BY_REGION)
    else:
        by_text = _reason_of_text(error_text(body))
    return by_text or _reason_of_status(status, body)


def _reason_of_status(status: int, body: object) -> Reason:
    """What an answer means whose words say nothing to us."""
    if status >= 500:
        return Reason.VENUE_ERROR
    if status < 400:
        return Reason.UNKNOWN
    if status in _SAID_BY_ANYBODY and not (status == 401 and is_page(body)):
        return _BY_STATUS[status]
    if isinstance(body, str) or (status == 403 and not error_text(body)):
        return Reason.EDGE_PAGE
    return _BY_STATUS.get(status, Reason.REFUSED)


def _reason_of_text(text: str, table: tuple[tuple[str, Reason], ...] = _BY_TEXT) -> Reason | None:
    lowered = text.lower()
    return next((reason for words, reason in table if words in lowered), None)


def _retry_after_ms(body: object, header: str | None) -> int | None:
    told = body.get("retry_after_seconds") if isinstance(body, dict) else None
    for value in (header, told):
        try:
            return max(0, int(float(str(value)) * _MS_PER_S))
        except (ValueError, OverflowError):
            continue
    return None
