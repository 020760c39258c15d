"""What REST says of our orders and trades, for what the channel did not report."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Mapping, Sequence

from pmcore.messages.user import FillReported, OrderUpdated, OrderUpdateKind, TokenShares
from pmcore.model.errors import Cause, MalformedInputError, Sent, TransportError
from pmcore.model.market import TakerSide
from pmcore.model.units import NS_PER_S
from pmcore.shell.causes import cause_of_status
from pmcore.shell.clock import real_now_ns
from pmcore.shell.http import JsonReader
from pmcore.venue.l2_auth import ApiCredentials, l2_headers
from pmcore.venue.rest_models import (
    FIRST_CURSOR,
    classify_error,
    parse_balance_u6,
    parse_open_orders_page,
    parse_positions_page,
    parse_trades_page,
)
from pmcore.venue.user_frames import UserFrameParser

MAX_PAGES = 200
POSITIONS_LIMIT = 500
_POSITIONS = "/v2/positions"


class UnreadableTradeError(TransportError):
    """REST tells a trade of ours that cannot be read: the account is not to be trusted."""


class AccountReader:
    """Reads `/data/orders` and `/data/trades` with the API credentials.

    Every failure is a `TransportError`; a page that cannot be understood is one too, because a
    reconciliation must not overlook anything.
    """

    def __init__(
        self, rest: JsonReader, credentials: ApiCredentials, parser: UserFrameParser
    ) -> None:
        self._rest = rest
        self._credentials = credentials
        self._parser = parser
        self._ahead_s = 0.0

    async def fills(
        self, after_s: int, ts_recv_ns: int, trade_ids: Sequence[str] = ()
    ) -> list[FillReported]:
        """Return our parts of all trades since `after_s` and of `trade_ids`, oldest first.

        `after_s` is by our clock. Where that is ahead of the venue's, it is asked for earlier ones.
        """
        trades = []
        since_s = max(after_s - math.ceil(self._ahead_s), 0)
        for params in ({"after": str(since_s)}, *({"id": trade_id} for trade_id in trade_ids)):
            async for body in self._pages("/data/trades", params):
                trades += list(parse_trades_page(body).trades)
        doubts = self._parser.doubts
        fills = [
            fill for trade in trades for fill in self._parser.fills(trade, ts_recv_ns=ts_recv_ns)
        ]
        if self._parser.doubts > doubts:
            raise UnreadableTradeError(
                "GET /data/trades: a trade of ours could not be read",
                retryable=True,
                sent=Sent.YES,
                cause=Cause.SERVER_ERROR,
            )
        return sorted(fills, key=lambda fill: fill.ts_event_ns)

    async def open_orders(self, ts_recv_ns: int) -> list[OrderUpdated]:
        """Return the orders that rest now, as updates."""
        orders = []
        async for body in self._pages("/data/orders", {}):
            orders += list(parse_open_orders_page(body).orders)
        return [
            OrderUpdated(
                kind=OrderUpdateKind.UPDATE,
                order_hash=order.order_hash,
                condition_id=order.condition_id,
                token_id=order.token_id,
                price_e4=order.price_e4,
                original_u6=order.original_u6,
                matched_u6=order.matched_u6,
                status=order.status,
                ts_event_ns=ts_recv_ns,
                ts_recv_ns=ts_recv_ns,
            )
            for order in orders
            if order.side is TakerSide.BUY
        ]

    async def balance_u6(self, signature_type: int) -> int:
        """The collateral of the wallet, by the venue's own count."""
        path = "/balance-allowance"
        params = {"asset_type": "COLLATERAL", "signature_type": str(signature_type)}
        try:
            return parse_balance_u6(await self._asked(path, params))
        except MalformedInputError as error:
            raise _failure(f"GET {path}: {error}") from None

    async def positions(self, data: JsonReader, holder: str) -> tuple[TokenShares, ...]:
        """Return what a wallet holds by the Data API, which needs no credentials."""
        held: list[TokenShares] = []
        params = {"user": holder, "limit": str(POSITIONS_LIMIT)}
        for _ in range(MAX_PAGES):
            answer = await data.get(_POSITIONS, params)
            if not answer.ok:
                text = f"GET {_POSITIONS}: {answer.status} {answer.body}"[:200]
                raise _failure(text, cause_of_status(answer.status))
            try:
                page, cursor = parse_positions_page(answer.body)
            except MalformedInputError as error:
                raise _failure(f"GET {_POSITIONS}: {error}") from None
            held += page
            if cursor is None:
                return tuple(held)
            params["cursor"] = cursor
        raise _failure(f"GET {_POSITIONS}: more than {MAX_PAGES} pages")

    async def _pages(self, path: str, params: Mapping[str, str]) -> AsyncIterator[object]:
        cursor = FIRST_CURSOR
        for _ in range(MAX_PAGES):
            body = await self._asked(path, {**params, "next_cursor": cursor})
            try:
                page = parse_trades_page(body)
            except MalformedInputError as error:
                raise _failure(f"GET {path}: {error}") from None
            yield body
            if page.next_cursor is None:
                return
            cursor = page.next_cursor
        raise _failure(f"GET {path}: more than {MAX_PAGES} pages")

    async def _asked(self, path: str, params: Mapping[str, str]) -> object:
        headers = l2_headers(self._credentials, real_now_ns() // NS_PER_S, "GET", path)
        answer = await self._rest.get(path, params, headers)
        self._ahead_s = max(answer.ahead_s or 0.0, 0.0)
        if not answer.ok:
            refusal = classify_error(answer.status, answer.body)
            text = f"GET {path}: {answer.status} {refusal.reason} {answer.body}"[:200]
            raise _failure(text, cause_of_status(answer.status))
        return answer.body


def _failure(text: str, cause: Cause = Cause.SERVER_ERROR) -> TransportError:
    return TransportError(text, retryable=True, sent=Sent.YES, cause=cause)
