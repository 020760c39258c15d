"""Series, tags and search at Gamma."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.datastructures import QueryParams

from pmsim.venue.ports import ListedWindow
from pmsimulator.answers import VenueError, answer, not_found
from pmsimulator.gamma import MAX_PAGE, Json, event_head, gamma_event
from pmsimulator.gamma_filters import BAD, boolean, values, whole_number
from pmsimulator.gamma_series import is_series, series_row, tag_row, tag_rows
from pmsimulator.titles import title
from pmsimulator.world import World

_PER_PAGE = 5
_STATES = {"": None, "active": False, "closed": True}


def gamma_search_routes(world: World) -> APIRouter:
    """`/series`, `/tags` and `/public-search`."""
    router = APIRouter()
    _add_series_routes(router, world)
    _add_tag_routes(router)

    @router.get("/public-search")
    async def search(request: Request) -> Response:
        world.drain()
        return answer(_search(world, request.query_params))

    return router


def _add_series_routes(router: APIRouter, world: World) -> None:
    @router.get("/series")
    async def all_series(request: Request) -> Response:
        world.drain()
        query = request.query_params
        slugs = values(query, "slug")
        names = [
            name
            for name in dict.fromkeys(world.series)
            if not slugs or any(is_series(slug, name) for slug in slugs)
        ]
        shown = names if boolean(query, "closed") is not True else []
        start = whole_number(query, "offset", 0)
        end = start + whole_number(query, "limit", MAX_PAGE)
        bare = boolean(query, "exclude_events") is True
        return answer([_series(world, name, with_events=not bare) for name in shown[start:end]])

    @router.get("/series/{number}")
    async def one_series(number: str) -> Response:
        world.drain()
        for name in world.series:
            if is_series(number, name):
                return answer(_series(world, name, with_events=True))
        raise not_found("series not found")


def _add_tag_routes(router: APIRouter) -> None:
    @router.get("/tags")
    async def tags(request: Request) -> Response:
        start = whole_number(request.query_params, "offset", 0)
        end = start + whole_number(request.query_params, "limit", MAX_PAGE)
        return answer(tag_rows()[start:end])

    @router.get("/tags/slug/{slug}")
    @router.get("/tags/{slug}")
    async def tag(slug: str) -> Response:
        row = tag_row(slug)
        if row is None:
            raise not_found("tag not found")
        return answer(row)


def _series(world: World, name: str, *, with_events: bool) -> Json:
    row = series_row(name)
    if not with_events:
        return row
    listings = [one for one in world.listings() if one.window.series == name and not one.closed]
    return {**row, "events": [event_head(one, world.facts(one)) for one in listings]}


def _search(world: World, query: QueryParams) -> Json:
    words = query.get("q", "").lower().split()
    if not words:
        raise VenueError(BAD, "invalid q")
    status = query.get("events_status", "")
    if status not in _STATES:
        raise VenueError(BAD, "invalid events_status")
    size = max(1, whole_number(query, "limit_per_type", _PER_PAGE))
    page = max(1, whole_number(query, "page", 1))

    def matches(listing: ListedWindow) -> bool:
        text = f"{title(listing.window)} {listing.window.slug}".lower()
        return all(word in text for word in words)

    closed = _STATES[status]
    found = [one for one in world.listings() if closed in (None, one.closed) and matches(one)]
    shown = found[(page - 1) * size : page * size]
    tags = [{**row, "event_count": len(found)} for row in tag_rows() if _names(row, words)]
    return {
        "events": [gamma_event(listing, world.facts(listing)) for listing in shown],
        "tags": tags,
        "profiles": [],
        "pagination": {"hasMore": page * size < len(found), "totalResults": len(found)},
    }


def _names(row: Json, words: list[str]) -> bool:
    return all(word in f"{row['label']} {row['slug']}".lower() for word in words)
