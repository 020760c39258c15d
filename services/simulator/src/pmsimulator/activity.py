"""What each account does in each window, in few bytes, for programs that ask often."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from pmsimulator.answers import answer
from pmsimulator.world import World


def activity(world: World) -> dict[str, object]:
    """By account, and by its window: how many orders rest, and how many were ever accepted."""
    world.drain()
    return {
        "now_ns": world.venue.now_ns,
        "heartbeat_lapses": world.heartbeat_lapses,
        "accounts": [
            {
                "maker_address": account.maker_address,
                "armed": world.heartbeats.armed(account.owner),
                "windows": _windows(world, account.owner),
            }
            for account in world.accounts
        ],
    }


def activity_routes(world: World) -> APIRouter:
    """`GET /sim/activity`, without authentication: the simulator holds no real secret."""
    router = APIRouter()

    @router.get("/sim/activity")
    async def activity_route() -> Response:
        return answer(activity(world))

    return router


def _windows(world: World, owner: str) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for record in world.orders(owner):
        listing = world.listing_of(record.condition_id)
        slug = listing.window.slug if listing else record.condition_id
        row = found.setdefault(slug, {"placed": 0, "resting": 0})
        row["placed"] += 1
        row["resting"] += record.leaves_u6 > 0
    return found
