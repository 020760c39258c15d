"""The CLOB as a venue: the real one and the simulator, which differ in their address only.

A POST is sent once. An answer that leaves open whether the order got in is `PostUnknown`; the
engine then asks. Every body is exactly what the official client sends (docs/venue.md 1.2, 4.2).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from pmcore.engine.execution.io import (
    CancelAnswered,
    CancelsFailed,
    LookUpResult,
    OpenOrdersAnswered,
    OpenOrdersFailed,
    OrderLookedUp,
    Posted,
    PostRejected,
    PostUnknown,
)
from pmcore.messages.orders import SubmitOrder
from pmcore.model.check import invariant
from pmcore.model.errors import Cause, MalformedInputError, Reason, Sent, TransportError
from pmcore.model.market import Window
from pmcore.model.units import NS_PER_MS
from pmcore.shell.causes import cause_of_status
from pmcore.shell.machine import machine
from pmcore.venue.contracts import exchange_domain
from pmcore.venue.fields import qty_u6_of
from pmcore.venue.l2_auth import ApiCredentials
from pmcore.venue.rest_models import (
    FIRST_CURSOR,
    OpenOrder,
    VenueRefusal,
    classify_error,
    error_text,
    expected_heartbeat_id,
    heartbeat_id_of,
    parse_cancel_response,
    parse_open_orders_page,
    parse_order,
    parse_post_order_response,
    parse_trades_page,
)
from pmexecutor.clob_http import HTTP_OK, ClobAnswer, ClobHttp
from pmexecutor.ports import CancelAnswer, HeartbeatAnswer, ListAnswer, PostAnswer, PreparedOrder
from pmexecutor.signer import MAX_SALT, OrderSigner

MAX_PAGES = 50
MAX_TRADE_PAGES = 10
BEAT_TIMEOUT_S = 2.0
_BAD_REQUEST = 400
_NOT_FOUND = 404
_NOT_THE_VENUE = frozenset({Reason.EDGE_PAGE, Reason.TIMEOUT})
_CERTAIN_TEXTS = frozenset(
    {Reason.POST_ONLY_MODE, Reason.CANCEL_ONLY, Reason.TRADING_DISABLED, Reason.CLOSED_ONLY}
)


@dataclass(frozen=True)
class Timeouts:
    """Real seconds."""

    post_s: float
    read_s: float


class ClobVenue:
    """`Venue` over HTTP."""

    def __init__(
        self,
        http: ClobHttp,
        signer: OrderSigner,
        credentials: ApiCredentials,
        *,
        chain_id: int,
        timeouts: Timeouts,
        expiration_s: Callable[[Window], int] = lambda _: 0,
    ) -> None:
        self._http = http
        self._signer = signer
        self._credentials = credentials
        self._chain_id = chain_id
        self._timeouts = timeouts
        self._expiration_s = expiration_s

    @property
    def has_heartbeat(self) -> bool:
        """The venue cancels orders without heartbeats."""
        return True

    def sign(self, command: SubmitOrder, window: Window) -> PreparedOrder:
        """Build and sign with a fresh salt."""
        signed = self._signer.buy(
            token_id=int(window.token_id(command.outcome)),
            price_e4=command.price_e4,
            size_u6=command.size_u6,
            domain=exchange_domain(self._chain_id, window.protocol, neg_risk=window.neg_risk),
            salt=machine().randbelow(MAX_SALT),
            timestamp_ms=self._http.now_ns() // NS_PER_MS,
        )
        body = signed.body(self._credentials.api_key, self._expiration_s(window))
        return PreparedOrder(command, signed.order_hash, body)

    async def post(self, prepared: PreparedOrder) -> PostAnswer:
        """POST /order, once."""
        client_order_id = prepared.command.client_order_id
        try:
            answer = await self._signed(
                "POST", "/order", body=prepared.body, timeout_s=self._timeouts.post_s
            )
        except TransportError as error:
            if error.sent is Sent.NO:
                return PostRejected(client_order_id, Reason.TRANSPORT, str(error))
            return PostUnknown(client_order_id, Reason.TIMEOUT, str(error))
        if answer.ok:
            return _judge_accepted(prepared, answer)
        return _judge_refused(client_order_id, answer)

    async def delete(self, order_hashes: tuple[str, ...]) -> CancelAnswer:
        """DELETE /orders."""
        body = msgspec.json.encode(order_hashes)
        try:
            answer = await self._signed("DELETE", "/orders", body=body)
            if answer.ok:
                result = parse_cancel_response(answer.body)
                refused = {key: text for key, (_, text) in result.not_cancelled.items()}
                return CancelAnswered(order_hashes, result.cancelled, refused, answer.rate)
        except TransportError as error:
            return CancelsFailed(order_hashes, Reason.TRANSPORT, str(error))
        except MalformedInputError as error:
            return CancelsFailed(order_hashes, Reason.VENUE_ERROR, str(error))
        refusal = _refusal(answer)
        return CancelsFailed(
            order_hashes,
            refusal.reason,
            error_text(answer.body),
            refusal.mode,
            refusal.retry_after_ms,
        )

    async def delete_all(self) -> None:
        """DELETE /cancel-all."""
        _require_ok("DELETE /cancel-all", await self._signed("DELETE", "/cancel-all"))

    async def open_orders(self, window: Window) -> ListAnswer:
        """GET /data/orders of a market, every page."""
        try:
            orders = await self._orders({"market": window.condition_id})
        except (TransportError, MalformedInputError) as error:
            reason = Reason.TRANSPORT if isinstance(error, TransportError) else Reason.VENUE_ERROR
            return OpenOrdersFailed(window.slug, reason, str(error))
        return OpenOrdersAnswered(window.slug, tuple(order.order_hash for order in orders))

    async def all_open_orders(self) -> tuple[str, ...]:
        """GET /data/orders without a market."""
        try:
            return tuple(order.order_hash for order in await self._orders({}))
        except MalformedInputError as error:
            text = f"GET /data/orders: {error}"
            raise TransportError(text, retryable=True, sent=Sent.YES) from error

    async def look_up(self, window: Window, order_hash: str) -> OrderLookedUp:
        """By id; if that knows nothing, among the open ones; if there neither, in the trades.

        Whether finished orders are still shown by id is not established (docs/venue.md 1.4).
        """
        try:
            answer = await self._signed("GET", f"/data/order/{order_hash}")
            if answer.ok and answer.body:
                return _found(parse_order(answer.body))
            elsewhere = _refusal(answer).reason is Reason.EDGE_PAGE  # not the venue's 404
            if not answer.ok and (answer.status != _NOT_FOUND or elsewhere):
                return OrderLookedUp(order_hash, LookUpResult.UNANSWERED)
            for order in await self._orders({"market": window.condition_id}):
                if order.order_hash == order_hash:
                    return _found(order)
            filled_u6 = await self._filled_u6(window, order_hash)
        except (TransportError, MalformedInputError):
            return OrderLookedUp(order_hash, LookUpResult.UNANSWERED)
        # trades prove what was filled, but a part of it does not prove that the rest is gone
        return OrderLookedUp(order_hash, LookUpResult.ABSENT, filled_u6)

    async def beat(self, heartbeat_id: str) -> HeartbeatAnswer:
        """POST /v1/heartbeats; a 400 names the id that was expected (docs/venue.md 8)."""
        body = msgspec.json.encode({"heartbeat_id": heartbeat_id})
        answer = await self._signed("POST", "/v1/heartbeats", body=body, timeout_s=BEAT_TIMEOUT_S)
        with suppress(MalformedInputError):
            if answer.ok:
                next_id = heartbeat_id_of(answer.body)
                return HeartbeatAnswer(accepted=True, heartbeat_id=next_id, skew_s=answer.skew_s)
            if answer.status == _BAD_REQUEST:
                expected_id = expected_heartbeat_id(answer.body)
                return HeartbeatAnswer(accepted=False, heartbeat_id=expected_id)
        text = f"POST /v1/heartbeats: {answer.status} {error_text(answer.body)}"
        cause = (
            cause_of_status(answer.status)
            if answer.status != _BAD_REQUEST
            else Cause.HEARTBEAT_REFUSED
        )
        raise TransportError(text, retryable=True, sent=Sent.YES, cause=cause)

    def add_window(self, window: Window) -> None:
        """The venue knows its windows."""

    def drop_window(self, slug: str) -> None:
        """The venue knows its windows."""

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _signed(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        timeout_s: float | None = None,
        params: dict[str, str] | None = None,
    ) -> ClobAnswer:
        return await self._http.signed(
            self._credentials,
            method,
            path,
            body=body,
            params=params,
            timeout_s=timeout_s or self._timeouts.read_s,
        )

    async def _orders(self, wanted: dict[str, str]) -> list[OpenOrder]:
        orders: list[OpenOrder] = []
        cursor = FIRST_CURSOR
        for _ in range(MAX_PAGES):
            answer = await self._signed(
                "GET", "/data/orders", params={**wanted, "next_cursor": cursor}
            )
            _require_ok("GET /data/orders", answer)
            page = parse_open_orders_page(answer.body)
            orders += page.orders
            if page.next_cursor is None:
                return orders
            cursor = page.next_cursor
        raise MalformedInputError("too_many_pages", f"GET /data/orders: over {MAX_PAGES}")

    async def _filled_u6(self, window: Window, order_hash: str) -> int | None:
        filled_u6: int | None = None
        cursor = FIRST_CURSOR
        for _ in range(MAX_TRADE_PAGES):
            params = {"market": window.condition_id, "next_cursor": cursor}
            answer = await self._signed("GET", "/data/trades", params=params)
            _require_ok("GET /data/trades", answer)
            page = parse_trades_page(answer.body)
            for trade in page.trades:
                for part in _list(trade.get("maker_orders")):
                    if isinstance(part, dict) and part.get("order_id") == order_hash:
                        filled_u6 = (filled_u6 or 0) + qty_u6_of(part.get("matched_amount"))
            if page.next_cursor is None:
                break
            cursor = page.next_cursor
        return filled_u6


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _judge_accepted(prepared: PreparedOrder, answer: ClobAnswer) -> PostAnswer:
    """A 200 may still be a refusal (docs/venue.md 1.5); another 2xx may rest, whatever it says."""
    client_order_id = prepared.command.client_order_id
    try:
        result = parse_post_order_response(answer.body)
    except MalformedInputError as error:
        return PostUnknown(client_order_id, Reason.VENUE_ERROR, str(error))
    if result.reason is None:
        invariant(
            result.order_hash.lower() == prepared.order_hash,
            f"the venue calls order {prepared.order_hash} {result.order_hash}",
        )
        return Posted(client_order_id, answer.rate)
    if result.reason is Reason.UNKNOWN or answer.status != HTTP_OK:
        return PostUnknown(client_order_id, Reason.VENUE_ERROR, result.text)
    return PostRejected(client_order_id, result.reason, result.text, rate=answer.rate)


def _judge_refused(client_order_id: str, answer: ClobAnswer) -> PostAnswer:
    """A refusal by the venue is certain below 500; above, only a mode's own words are.

    A page of what stands in front of the venue, a time-out or a redirect says nothing of the order.
    """
    refusal = _refusal(answer)
    text = error_text(answer.body) or f"HTTP {answer.status}"
    unsure = answer.status < _BAD_REQUEST or refusal.reason in _NOT_THE_VENUE
    if unsure or (answer.status >= 500 and refusal.reason not in _CERTAIN_TEXTS):
        return PostUnknown(client_order_id, refusal.reason, text)
    return PostRejected(
        client_order_id,
        refusal.reason,
        text,
        refusal.mode,
        refusal.retry_after_ms,
        answer.rate,
    )


def _refusal(answer: ClobAnswer) -> VenueRefusal:
    return classify_error(answer.status, answer.body, retry_after=answer.retry_after)


def _found(order: OpenOrder) -> OrderLookedUp:
    status = order.status
    if status.startswith("cancel"):
        finding = LookUpResult.CANCELED
    elif status in {"live", "delayed"}:
        finding = LookUpResult.LIVE
    elif status == "matched":
        finding = LookUpResult.MATCHED
    elif status.startswith(("invalid", "unmatched")):
        finding = LookUpResult.INVALID
    else:
        finding = LookUpResult.ABSENT
    return OrderLookedUp(order.order_hash, finding, order.matched_u6)


def _require_ok(what: str, answer: ClobAnswer) -> None:
    if not answer.ok:
        refusal = _refusal(answer)
        text = f"{what}: {answer.status} {error_text(answer.body)}".rstrip()
        raise TransportError(
            text,
            retryable=True,
            sent=Sent.YES,
            retry_after_ms=refusal.retry_after_ms,
            cause=cause_of_status(answer.status),
        )
