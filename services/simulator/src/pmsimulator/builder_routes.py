"""Builders: their keys, their fees, and the trades of orders that name their code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from pmcore.model.units import format_price, format_qty, value_u6
from pmsim.venue.payloads import outcome_name
from pmsim.venue.ports import MakerFill, TradeRecord
from pmsimulator.answers import FIRST_CURSOR, VenueError, answer, page, read_body
from pmsimulator.auth import Door
from pmsimulator.clob_market import Row
from pmsimulator.extra_keys import ExtraKeys
from pmsimulator.seconds import is_between, seconds
from pmsimulator.world import World

_CODE_CHARS = len("0x") + 64
_PATH = "/auth/builder-api-key"


class _ReadonlyKey(msgspec.Struct):
    key: str


def extra_key_routes(world: World, door: Door) -> APIRouter:
    """`/auth/readonly-api-key(s)` and `/auth/builder-api-key`."""
    router = APIRouter(prefix="/auth")
    keys = ExtraKeys()
    _add_readonly_routes(router, door, keys)

    @router.post("/builder-api-key")
    async def create_builder(request: Request) -> Response:
        credentials, _ = await door.signed(request)
        return answer(keys.create_builder(credentials.address, world.now_ns()).row())

    @router.get("/builder-api-key")
    async def list_builders(request: Request) -> Response:
        credentials, _ = await door.signed(request)
        return answer([key.listed() for key in keys.builders_of(credentials.address)])

    @router.delete("/builder-api-key")
    async def revoke_builder(request: Request) -> Response:
        """Signed by the builder key itself, or by the account: then all of its builder keys go."""
        if "POLY_BUILDER_API_KEY" in request.headers:
            keys.revoke_signed(request.headers, "DELETE", _PATH, world.now_ns())
        else:
            credentials, _ = await door.signed(request)
            keys.revoke_builders(credentials.address, world.now_ns())
        return answer("OK")

    return router


def _add_readonly_routes(router: APIRouter, door: Door, keys: ExtraKeys) -> None:
    @router.post("/readonly-api-key")
    async def create_readonly(request: Request) -> Response:
        credentials, _ = await door.signed(request)
        return answer({"apiKey": keys.create_readonly(credentials.address)})

    @router.get("/readonly-api-keys")
    async def list_readonly(request: Request) -> Response:
        credentials, _ = await door.signed(request)
        return answer(keys.readonly_of(credentials.address))

    @router.delete("/readonly-api-key")
    async def delete_readonly(request: Request) -> Response:
        credentials, body = await door.signed(request)
        keys.delete_readonly(credentials.address, read_body(body, _ReadonlyKey).key)
        return answer(True)  # noqa: FBT003 - the answer is this word


def builder_trade_routes(world: World) -> APIRouter:
    """`/builder/trades`, open to everybody."""
    router = APIRouter()

    @router.get("/builder/trades")
    async def builder_trades(
        request: Request, builder_code: str, next_cursor: str = FIRST_CURSOR
    ) -> Response:
        code = builder_code.lower()
        if len(code) != _CODE_CHARS or not code.startswith("0x") or not _number(code):
            raise VenueError(400, "invalid builder_code")
        world.drain()
        wanted = request.query_params
        rows = [
            _row(trade, fill, code)
            for trade, fill in _fills_of(world, code)
            if _is_wanted(trade, fill, wanted)
        ]
        return answer(page(rows, next_cursor))

    @router.get("/fees/builder-fees/{code}")
    async def builder_fees(code: str) -> Response:
        return answer({"builder_maker_fee_rate_bps": 0, "builder_taker_fee_rate_bps": 0})

    return router


def _number(text: str) -> int:
    """A hexadecimal number, 0 for what is none."""
    try:
        return int(text, 16)
    except ValueError:
        return 0


def _fills_of(world: World, code: str) -> Iterator[tuple[TradeRecord, MakerFill]]:
    """The parts of trades whose order names a builder, newest trade of each account first."""
    for account in world.accounts:
        for trade in world.venue.trades(account.owner):
            for fill in (trade.taker_fill, *trade.makers):
                owner = fill.account.owner
                named = world.builder_of(owner, fill.order_hash).lower() == code
                if owner == account.owner and named:
                    yield trade, fill


def _is_wanted(trade: TradeRecord, fill: MakerFill, wanted: Mapping[str, str]) -> bool:
    return (
        wanted.get("id", trade.trade_id) == trade.trade_id
        and wanted.get("market", trade.condition_id) == trade.condition_id
        and wanted.get("asset_id", fill.token_id) == fill.token_id
        and is_between(seconds(trade.matched_ns), wanted)
    )


def _row(trade: TradeRecord, fill: MakerFill, code: str) -> Row:
    taker = fill.order_hash == trade.taker_order_hash
    matched_s = str(seconds(trade.matched_ns))
    return {
        "id": trade.trade_id,
        "tradeType": "TAKER" if taker else "MAKER",
        "takerOrderHash": trade.taker_order_hash,
        "builder": code,
        "market": trade.condition_id,
        "assetId": fill.token_id,
        "side": fill.side.value,
        "size": format_qty(fill.size_u6),
        "sizeUsdc": format_qty(value_u6(fill.price_e4, fill.size_u6)),
        "price": format_price(fill.price_e4),
        "status": f"TRADE_STATUS_{trade.status}",
        "outcome": outcome_name(fill.outcome),
        "outcomeIndex": 0 if outcome_name(fill.outcome) == "Up" else 1,
        "owner": fill.account.owner,
        "maker": fill.account.maker_address,
        "transactionHash": trade.transaction_hash,
        "matchTime": matched_s,
        "bucketIndex": 0,
        "fee": format_qty(trade.fee_u6 if taker else 0),
        "feeUsdc": format_qty(trade.fee_u6 if taker else 0),
        "builderFee": "0",
        "builderCode": code,
        "err_msg": None,
        "createdAt": matched_s,
        "updatedAt": str(seconds(trade.updated_ns)),
    }
