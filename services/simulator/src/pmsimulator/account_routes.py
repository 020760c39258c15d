"""API keys and what an account may read of itself (venue.md 1.2, 1.4 and 3)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.responses import Response

from pmcore.model.units import NS_PER_S
from pmcore.sim.ports import TradeRecord
from pmcore.sim.rows import Row, open_order_row, trade_row
from pmcore.venue.contracts import EXCHANGE, EXCHANGE_V3, NEG_RISK_EXCHANGE
from pmsimulator.answers import VenueError, answer, not_found
from pmsimulator.credentials import KeyRing
from pmsimulator.door import Door
from pmsimulator.world import World

PAGE_ROWS = 100
END_CURSOR = "LTE="
_UNLIMITED = str(2**256 - 1)


def key_routes(keys: KeyRing, door: Door) -> APIRouter:
    """`/auth/...`."""
    router = APIRouter(prefix="/auth")

    @router.post("/api-key")
    async def create_key(request: Request) -> Response:
        return answer(keys.create(request.headers).row())

    @router.get("/derive-api-key")
    async def derive_key(request: Request) -> Response:
        return answer(keys.derive(request.headers).row())

    @router.get("/api-keys")
    async def list_keys(request: Request) -> Response:
        credentials, _ = await door.signed(request)
        return answer({"apiKeys": keys.keys_of(credentials.address)})

    @router.delete("/api-key")
    async def delete_key(request: Request) -> Response:
        credentials, _ = await door.signed(request)
        keys.revoke(credentials)
        return answer("OK")

    @router.get("/ban-status/closed-only")
    async def closed_only(request: Request) -> Response:
        await door.signed(request)
        return answer({"closed_only": False})

    return router


def account_routes(world: World, door: Door) -> APIRouter:
    """Orders, trades, balances, notifications and scoring of the signer."""
    router = APIRouter()
    _add_data_routes(router, world, door)

    @router.get("/balance-allowance")
    @router.get("/balance-allowance/update")
    async def balance(
        request: Request, asset_type: str = "COLLATERAL", token_id: str = ""
    ) -> Response:
        credentials, _ = await door.signed(request)
        if asset_type != "COLLATERAL" and not token_id:
            raise VenueError(400, "Invalid asset type")
        wanted = "" if asset_type == "COLLATERAL" else token_id
        world.drain()
        spenders = (EXCHANGE, NEG_RISK_EXCHANGE, EXCHANGE_V3[world.chain_id])
        return answer(
            {
                "balance": str(world.venue.balance_u6(credentials.api_key, wanted)),
                "allowances": dict.fromkeys(spenders, _UNLIMITED),
            }
        )

    @router.get("/notifications")
    async def notifications(request: Request) -> Response:
        await door.signed(request)
        return answer([])

    @router.delete("/notifications")
    async def drop_notifications(request: Request) -> Response:
        await door.signed(request)
        return answer("OK")

    @router.get("/order-scoring")
    async def order_scoring(request: Request) -> Response:
        await door.signed(request)
        return answer({"scoring": False})

    return router


def _add_data_routes(router: APIRouter, world: World, door: Door) -> None:
    @router.get("/data/orders")
    async def open_orders(request: Request, next_cursor: str = "MA==") -> Response:
        credentials, _ = await door.signed(request)
        world.drain()
        query = request.query_params
        rows = [
            open_order_row(record)
            for record in world.venue.open_orders(credentials.api_key)
            if query.get("id", record.order_hash) == record.order_hash
            and query.get("market", record.condition_id) == record.condition_id
            and query.get("asset_id", record.token_id) == record.token_id
        ]
        return answer(page(rows, next_cursor))

    @router.get("/data/order/{order_id}")
    async def one_order(request: Request, order_id: str) -> Response:
        credentials, _ = await door.signed(request)
        world.drain()
        record = world.venue.order(order_id)
        if record is None or record.account.owner != credentials.api_key:
            raise not_found("Order not found")
        return answer(open_order_row(record))

    @router.get("/data/trades")
    async def trades(request: Request, next_cursor: str = "MA==") -> Response:
        credentials, _ = await door.signed(request)
        world.drain()
        wanted = dict(request.query_params)
        rows = [
            trade_row(trade, credentials.api_key)
            for trade in world.venue.trades(credentials.api_key)
            if _is_wanted(trade, wanted)
        ]
        return answer(page(rows, next_cursor))


def _is_wanted(trade: TradeRecord, wanted: dict[str, str]) -> bool:
    addresses = {trade.taker.maker_address.lower()}
    addresses.update(maker.account.maker_address.lower() for maker in trade.makers)
    assets = {trade.token_id, *(maker.token_id for maker in trade.makers)}
    matched_s = trade.matched_ns // NS_PER_S
    return (
        wanted.get("id", trade.trade_id) == trade.trade_id
        and wanted.get("market", trade.condition_id) == trade.condition_id
        and ("asset_id" not in wanted or wanted["asset_id"] in assets)
        and ("maker_address" not in wanted or wanted["maker_address"].lower() in addresses)
        and matched_s >= _seconds(wanted.get("after", "0"))
        and ("before" not in wanted or matched_s <= _seconds(wanted["before"]))
    )


def _seconds(text: str) -> int:
    if not text.isdigit():
        raise VenueError(400, f"invalid timestamp: {text[:20]}")
    return int(text)


def page(rows: Sequence[Row], cursor: str) -> dict[str, object]:
    """One page; a cursor is the base64 of an offset, `LTE=` (-1) says that nothing follows."""
    try:
        offset = int(base64.b64decode(cursor, validate=True))
    except (binascii.Error, ValueError) as error:
        raise VenueError(400, "invalid next_cursor") from error
    data = rows[offset : offset + PAGE_ROWS] if offset >= 0 else []
    end = offset + len(data)
    more = offset >= 0 and end < len(rows)
    return {
        "limit": PAGE_ROWS,
        "count": len(data),
        "next_cursor": base64.b64encode(str(end).encode()).decode() if more else END_CURSOR,
        "data": data,
    }
