"""The venue's own records about every account, for comparison."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from pmcore.model.units import format_qty
from pmcore.shell.service.views import SimulatorView
from pmsim.venue.payloads import open_order_row, trade_row
from pmsim.venue.ports import Account, TradeRecord
from pmsimulator.answers import answer
from pmsimulator.world import World


def summary(world: World) -> SimulatorView:
    """What /state shows: counts over all accounts that sent a signed request."""
    at_ns = world.venue.now_ns
    listings = world.venue.listings()
    return {
        "orders_open": world.open_orders(),
        "fills": sum(_fills(world, account.owner) for account in world.accounts),
        "windows": sum(1 for listing in listings if listing.window.open_ns <= at_ns),
        "source": world.venue.source,
        "done": world.venue.done,
    }


def audit(world: World, owner: str = "") -> dict[str, object]:
    """The summary, and everything about each account, or about one."""
    world.drain()
    wanted = owner.lower()
    return {
        **summary(world),
        "now_ns": world.venue.now_ns,
        "heartbeat_lapses": world.heartbeat_lapses,
        "unbalanced": world.venue.unbalanced(),
        "slow_disconnects": world.subscriptions.slow_disconnects,
        "unusable_requests": world.subscriptions.unusable_requests,
        "accounts": [
            _account(world, account)
            for account in world.accounts
            if wanted in ("", account.owner.lower(), account.maker_address.lower())
        ],
    }


def audit_routes(world: World) -> APIRouter:
    """`GET /audit`, without authentication: the simulator holds no real secret."""
    router = APIRouter()

    @router.get("/audit")
    async def audit_route(owner: str = "") -> Response:
        return answer(audit(world, owner))

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
    truth = venue.account_audit(owner)
    return {
        "owner": owner,
        "maker_address": account.maker_address,
        "cash": format_qty(truth.cash_u6),
        "reserved": format_qty(truth.reserved_u6),
        "phantom": format_qty(truth.phantom_u6),
        "fees_paid": format_qty(truth.fees_paid_u6),
        "rebates": format_qty(truth.rebates_u6),
        "positions": _shares(truth.shares_u6),
        "reserved_positions": _shares(truth.reserved_shares_u6),
        "unsettled_positions": _shares(truth.unsettled_u6),
        "open_orders": [open_order_row(record) for record in venue.open_orders(owner)],
        "orders": [open_order_row(record) for record in world.orders(owner)],
        "trades": [_trade(trade, owner) for trade in venue.trades(owner)],
    }


def _shares(shares_u6: dict[str, int]) -> dict[str, str]:
    return {token_id: format_qty(held) for token_id, held in shares_u6.items() if held}


def _trade(trade: TradeRecord, owner: str) -> dict[str, object]:
    own = [maker for maker in trade.makers if maker.account.owner == owner]
    return {
        **trade_row(trade, owner),
        "fee": format_qty(trade.fee_u6 if trade.taker.owner == owner else 0),
        "rebate": format_qty(sum(maker.rebate_u6 for maker in own)),
    }
