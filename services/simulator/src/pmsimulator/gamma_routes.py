"""Discovery as Gamma does it: by slug, or all windows of a series, page by page.

See docs/venue.md 7.2.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

from fastapi import APIRouter, Request
from fastapi.responses import Response

from pmcore.sim.ports import Listing
from pmsimulator.answers import VenueError, answer, not_found
from pmsimulator.catalogue import FIRST, Place, Wanted
from pmsimulator.gamma import MAX_PAGE, Json, gamma_event, gamma_market, id_of_series
from pmsimulator.world import World

_BAD = 422
_BOOLEANS = {"true": True, "false": False}


def gamma_routes(world: World) -> APIRouter:
    """`/markets`, `/events`, their keyset pages and their forms with the slug in the path."""
    router = APIRouter()
    _add_kind(router, world, "markets", gamma_market)
    _add_kind(router, world, "events", gamma_event)
    return router


def _add_kind(router: APIRouter, world: World, kind: str, write: Callable[[Listing], Json]) -> None:
    @router.get(f"/{kind}")
    async def by_query(request: Request) -> Response:
        world.drain()
        found, _ = _asked(world, request)
        return answer([write(listing) for listing in found])

    @router.get(f"/{kind}/keyset")
    async def keyset(request: Request) -> Response:
        world.drain()
        shown, more = _page(world, request)
        body: dict[str, object] = {kind: [write(listing) for listing in shown]}
        if more:
            body["next_cursor"] = _encode_cursor(shown[-1])
        return answer(body)

    @router.get(f"/{kind}/slug/{{slug}}")
    async def by_slug(slug: str) -> Response:
        world.drain()
        listing = world.venue.listing(slug)
        if listing is None:
            raise not_found("slug not found")
        return answer(write(listing))


def _asked(world: World, request: Request) -> tuple[list[Listing], bool]:
    query = request.query_params
    slugs, conditions = query.getlist("slug"), query.getlist("condition_ids")
    if not slugs and not conditions:
        return _page(world, request)
    found = [
        *(world.venue.listing(slug) for slug in slugs),
        *(world.listing_of(condition_id) for condition_id in conditions),
    ]
    return [listing for listing in found if listing is not None], False


def _page(world: World, request: Request) -> tuple[list[Listing], bool]:
    """A page of a series (`series_id` or `series_slug`), or of all."""
    query = request.query_params
    limit = _number(query.get("limit", str(MAX_PAGE)), "limit")
    closed = query.get("closed", "")
    if closed and closed not in _BOOLEANS:
        raise VenueError(_BAD, "invalid closed")
    series = query.get("series_slug", "")
    if "series_id" in query:
        wanted_id = _number(query["series_id"], "series_id")
        named = [name for name in world.series if id_of_series(name) == wanted_id]
        if not named:
            return [], False
        series = named[0]
    wanted = Wanted(
        series=series,
        closed=_BOOLEANS.get(closed),
        after=_decode_cursor(query.get("after_cursor", "")),
        limit=max(1, min(limit, MAX_PAGE)),
    )
    return world.catalogue.page(wanted, world.now_ns())


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise VenueError(_BAD, f"invalid {name}")
    return int(text)


def _encode_cursor(listing: Listing) -> str:
    text = f"{listing.window.open_ns}:{listing.window.slug}"
    return base64.urlsafe_b64encode(text.encode()).decode()


def _decode_cursor(cursor: str) -> Place:
    if not cursor:
        return FIRST
    try:
        open_ns, _, slug = base64.urlsafe_b64decode(cursor).decode().partition(":")
        return int(open_ns), slug
    except (binascii.Error, ValueError) as error:
        raise VenueError(_BAD, "invalid cursor") from error
