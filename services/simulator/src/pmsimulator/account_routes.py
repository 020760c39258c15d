"""API keys and what an account may read of itself (docs/venue.md 1.2, 1.4 and 3)."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from pmcore.model.market import Protocol
from pmcore.venue.contracts import EXCHANGE, EXCHANGE_V3, NEG_RISK_EXCHANGE
from pmsim.venue.payloads import open_order_row, trade_row
from pmsim.venue.ports import TradeRecord
from pmsimulator.answers import FIRST_CURSOR, NO_ORDER, VenueError, answer, not_found, page
from pmsimulator.auth import Door
from pmsimulator.credentials import KeyRing
from pmsimulator.faults import DoorKeeper
from pmsimulator.rate_limits import RateLimits
from pmsimulator.seconds import is_between, seconds
from pmsimulator.world import World

_UNLIMITED = str(2**256 - 1)
_NOTHING = "0"
_PROTOCOLS = {"CONDITIONAL": Protocol.V1, "CONDITIONAL-V2": Protocol.V2}


def key_routes(keys: KeyRing, door: Door, keeper: DoorKeeper) -> APIRouter:
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
        credentials, _ = await door.signed(request)
        return answer({"closed_only": keeper.is_closed_only(credentials.address)})

    return router


def account_routes(world: World, door: Door, limits: RateLimits) -> APIRouter:
    """Orders, trades, balances and notifications of the signer, and its rate limits."""
    router = APIRouter()
    _add_data_routes(router, world, door)
    _add_notification_routes(router, world, door)

    @router.get("/balance-allowance")
    @router.get("/balance-allowance/update")
    async def balance(
        request: Request,
        asset_type: str = "COLLATERAL",
        token_id: str = "",
        signature_type: int = 0,
    ) -> Response:
        credentials, _ = await door.signed(request)
        world.drain()
        token = _asset(world, asset_type, token_id)
        funded = world.is_funded(credentials, signature_type)
        held_u6 = world.venue.balance_u6(credentials.api_key, token) if funded else 0
        spenders = (EXCHANGE, NEG_RISK_EXCHANGE, EXCHANGE_V3[world.chain_id])
        allowances = dict.fromkeys(spenders, _UNLIMITED)
        return answer({"balance": str(held_u6), "allowances": allowances})

    @router.get("/v1/user/rate-limit-tier")
    async def rate_limit_tier(request: Request) -> Response:
        await door.signed(request)
        return answer(limits.tier_row())

    return router


def _asset(world: World, asset_type: str, token_id: str) -> str:
    """The token whose balance is asked for, "" for cash; a token of the other protocol is none."""
    if asset_type == "COLLATERAL":
        return ""
    protocol = _PROTOCOLS.get(asset_type)
    if protocol is None or not token_id:
        raise VenueError(400, "Invalid asset type")
    listing = world.listing_of(token_id)
    return token_id if listing and listing.window.protocol is protocol else _NOTHING


def _add_notification_routes(router: APIRouter, world: World, door: Door) -> None:
    @router.get("/notifications")
    async def notifications(request: Request) -> Response:
        credentials, _ = await door.signed(request)
        world.drain()
        return answer(world.notices.of(credentials.api_key))

    @router.delete("/notifications")
    async def drop_notifications(request: Request, ids: str = "") -> Response:
        credentials, _ = await door.signed(request)
        world.notices.drop(credentials.api_key, {part for part in ids.split(",") if part})
        return answer("OK")


def _add_data_routes(router: APIRouter, world: World, door: Door) -> None:
    @router.get("/data/orders")
    async def open_orders(request: Request, next_cursor: str = FIRST_CURSOR) -> Response:
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

    @router.get("/data/pre-migration-orders")
    async def pre_migration_orders(request: Request, next_cursor: str = FIRST_CURSOR) -> Response:
        """Orders from before CLOB V2: nobody has any here."""
        await door.signed(request)
        return answer(page([], next_cursor))

    @router.get("/data/order/{order_id}")
    async def one_order(request: Request, order_id: str) -> Response:
        credentials, _ = await door.signed(request)
        world.drain()
        record = world.venue.order(order_id)
        if record is None or record.account.owner != credentials.api_key:
            raise not_found(NO_ORDER)
        return answer(open_order_row(record))

    @router.get("/data/trades")
    async def trades(request: Request, next_cursor: str = FIRST_CURSOR) -> Response:
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
    return (
        wanted.get("id", trade.trade_id) == trade.trade_id
        and wanted.get("market", trade.condition_id) == trade.condition_id
        and ("asset_id" not in wanted or wanted["asset_id"] in assets)
        and ("maker_address" not in wanted or wanted["maker_address"].lower() in addresses)
        and is_between(seconds(trade.matched_ns), wanted)
    )
