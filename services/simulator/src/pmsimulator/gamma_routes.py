"""Discovery as Gamma does it (venue.md 7.2): by slug, or all windows of a series, page by page."""

from __future__ import annotations

import base64
import binascii

from fastapi import APIRouter
from fastapi.responses import Response

from pmcore.sim.ports import Listing
from pmsimulator.answers import VenueError, answer
from pmsimulator.gamma import MAX_PAGE, gamma_event, gamma_market, id_of_series
from pmsimulator.world import World


def gamma_routes(world: World) -> APIRouter:
    """`/markets?slug=`, `/events?slug=`, `/events/keyset`."""
    router = APIRouter()

    @router.get("/markets")
    async def markets(slug: str = "", condition_ids: str = "") -> Response:
        return answer([gamma_market(found) for found in _find(world, slug, condition_ids)])

    @router.get("/events")
    async def events(slug: str = "") -> Response:
        return answer([gamma_event(found) for found in _find(world, slug, "")])

    @router.get("/events/keyset")
    async def events_keyset(
        series_id: int | None = None,
        series_slug: str = "",
        closed: bool | None = None,  # noqa: FBT001 - a query parameter
        limit: int = MAX_PAGE,
        after_cursor: str = "",
    ) -> Response:
        world.drain()
        after_ns, after_slug = _decode_cursor(after_cursor)
        found = [
            listing
            for listing in world.listings()
            if (listing.window.open_ns, listing.window.slug) > (after_ns, after_slug)
            and (series_id is None or id_of_series(listing.window.series) == series_id)
            and (not series_slug or listing.window.series == series_slug)
            and (closed is None or listing.closed is closed)
        ]
        found.sort(key=lambda listing: (listing.window.open_ns, listing.window.slug))
        shown = found[: max(1, min(limit, MAX_PAGE))]
        body: dict[str, object] = {"events": [gamma_event(listing) for listing in shown]}
        if len(shown) < len(found):
            body["next_cursor"] = _encode_cursor(shown[-1])
        return answer(body)

    return router


def _find(world: World, slug: str, condition_id: str) -> list[Listing]:
    world.drain()
    if slug:
        found = world.venue.listing(slug)
    elif condition_id:
        found = world.listing_of(condition_id)
    else:
        raise VenueError(422, "name a slug")
    return [] if found is None else [found]


def _encode_cursor(listing: Listing) -> str:
    text = f"{listing.window.open_ns}:{listing.window.slug}"
    return base64.urlsafe_b64encode(text.encode()).decode()


def _decode_cursor(cursor: str) -> tuple[int, str]:
    if not cursor:
        return -1, ""
    try:
        open_ns, _, slug = base64.urlsafe_b64decode(cursor).decode().partition(":")
        return int(open_ns), slug
    except (binascii.Error, ValueError) as error:
        raise VenueError(422, "invalid cursor") from error
