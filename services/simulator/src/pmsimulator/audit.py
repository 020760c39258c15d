"""The venue's own truth about every account, so that a belief can be compared with it."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from pmcore.model.units import format_qty
from pmcore.sim.ports import Account
from pmcore.sim.rows import open_order_row, trade_row
from pmsimulator.answers import answer
from pmsimulator.world import World


def summary(world: World) -> dict[str, object]:
    """What /state shows: counts over all accounts that came through the door."""
    at_ns = world.venue.now_ns
    listings = world.venue.listings()
    return {
        "orders_open": world.open_orders(),
        "fills": sum(_fills(world, account.owner) for account in world.accounts),
        "windows": sum(1 for listing in listings if listing.window.open_ns <= at_ns),
        "source": world.venue.source,
        "done": world.venue.done,
    }


def audit(world: World) -> dict[str, object]:
    """The summary and each account's cash, positions, open orders and trades."""
    world.drain()
    return {
        **summary(world),
        "now_ns": world.venue.now_ns,
        "heartbeat_lapses": world.heartbeat_lapses,
        "slow_disconnects": world.subscriptions.slow_disconnects,
        "unusable_requests": world.subscriptions.unusable_requests,
        "accounts": [_account(world, account) for account in world.accounts],
    }


def audit_routes(world: World) -> APIRouter:
    """`GET /audit`, without authentication: the simulator keeps no secret worth having."""
    router = APIRouter()

    @router.get("/audit")
    async def audit_route() -> Response:
        return answer(audit(world))

    return router


def _fills(world: World, owner: str) -> int:
    """Own orders' parts of trades: one for the taker, one for each maker entry."""
    count = 0
    for trade in world.venue.trades(owner):
        count += trade.taker.owner == owner
        count += sum(1 for maker in trade.makers if maker.account.owner == owner)
    return count


def _account(world: World, account: Account) -> dict[str, object]:
    venue, owner = world.venue, account.owner
    tokens = [
        token_id
        for listing in venue.listings()
        for token_id in (listing.window.up_token_id, listing.window.down_token_id)
    ]
    shares = {token_id: venue.balance_u6(owner, token_id) for token_id in tokens}
    return {
        "owner": owner,
        "maker_address": account.maker_address,
        "cash": format_qty(venue.balance_u6(owner)),
        "positions": {token: format_qty(held) for token, held in shares.items() if held},
        "open_orders": [open_order_row(record) for record in venue.open_orders(owner)],
        "trades": [trade_row(trade, owner) for trade in venue.trades(owner)],
    }
