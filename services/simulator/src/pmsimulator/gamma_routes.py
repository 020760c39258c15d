"""Discovery as Gamma does it: lists and keyset pages with filters, one by its id.

See docs/venue.md 7.2.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.datastructures import QueryParams

from pmsim.venue.ports import ListedWindow
from pmsimulator.answers import VenueError, answer, not_found
from pmsimulator.catalogue import Place, Wanted
from pmsimulator.gamma import MAX_PAGE, Json, event_id, gamma_event, gamma_market, market_id
from pmsimulator.gamma_filters import BAD, Filters, boolean, values, whole_number
from pmsimulator.gamma_series import tag_rows
from pmsimulator.market_facts import MarketFacts
from pmsimulator.world import World

Write = Callable[[ListedWindow, MarketFacts], Json]
_WRITERS: dict[str, Write] = {"markets": gamma_market, "events": gamma_event}
_CLOB_ID_CHARS = len("0x") + 64
"""A condition id of Protocol V2 has 62 digits at Gamma; the CLOB pads it with zeros."""
_NUMBERS = {"markets": market_id, "events": event_id}


class GammaReads:
    """Lists of one kind, `markets` or `events`, in the present of the world."""

    def __init__(self, world: World, kind: str) -> None:
        self._world = world
        self._kind = kind

    def write(self, listing: ListedWindow) -> Json:
        """A row with its facts as they are now."""
        return _WRITERS[self._kind](listing, self._world.facts(listing))

    def select(self, query: QueryParams) -> tuple[list[ListedWindow], bool]:
        """The markets that pass every filter of a request, and whether more follow."""
        self._world.drain()
        filters = Filters(query, self._kind)

        def accept(listing: ListedWindow) -> bool:
            return filters.accept(listing, self._world.facts)

        named = self._named(query)
        if named is not None:
            return [listing for listing in named if accept(listing)], False
        return self._world.catalogue.page(_wanted(query), self._world.now_ns(), accept)

    def named(self, slug: str) -> ListedWindow:
        """A market or event by its slug, or 404."""
        self._world.drain()
        listing = self._world.venue.listing(slug)
        if listing is None:
            raise not_found("slug not found")
        return listing

    def numbered(self, number: str) -> ListedWindow:
        """A market or event by Gamma's id, or 404; 422 for what is no id."""
        if not (number.isascii() and number.isdigit()):
            raise VenueError(BAD, "id is invalid")
        self._world.drain()
        listing = self._by_number(number)
        if listing is None:
            raise not_found(f"{self._kind[:-1]} not found")
        return listing

    def _by_number(self, number: str) -> ListedWindow | None:
        numbered = _NUMBERS[self._kind]
        slugs = self._world.catalogue.slugs(self._world.now_ns())
        found = next((slug for slug in slugs if numbered(slug) == number), None)
        return self._world.venue.listing(found) if found else None

    def _named(self, query: QueryParams) -> list[ListedWindow] | None:
        """The markets that a request names, each once and in its order; None when it names none."""
        slugs, numbers = values(query, "slug"), values(query, "id")
        conditions = values(query, "condition_ids")
        tokens = values(query, "clob_token_ids") + values(query, "position_ids")
        if not (slugs or numbers or conditions or tokens):
            return None
        found = [
            *(self._world.venue.listing(slug) for slug in slugs),
            *(self._by_number(number) for number in numbers),
            *(self._world.listing_of(key.ljust(_CLOB_ID_CHARS, "0")) for key in conditions),
            *(self._world.listing_of(key) for key in tokens),
        ]
        return list({one.window.slug: one for one in found if one is not None}.values())


def gamma_routes(world: World) -> APIRouter:
    """All of `/events`, and `/markets/...` but for what `shared_paths` decides."""
    router = APIRouter()
    for kind in _WRITERS:
        _add_below(router, GammaReads(world, kind), kind)
    events = GammaReads(world, "events")

    @router.get("/events")
    async def event_list(request: Request) -> Response:
        return gamma_list(events, request.query_params)

    @router.get("/events/{number}")
    async def event(number: str) -> Response:
        return gamma_one(events, number)

    return router


def gamma_list(reads: GammaReads, query: QueryParams) -> Response:
    """`/markets` and `/events`: an array, page by `limit` and `offset`."""
    found, _ = reads.select(query)
    return answer([reads.write(listing) for listing in found])


def gamma_one(reads: GammaReads, number: str) -> Response:
    """`/markets/{id}` and `/events/{id}`."""
    return answer(reads.write(reads.numbered(number)))


def _add_below(router: APIRouter, reads: GammaReads, kind: str) -> None:
    @router.get(f"/{kind}/keyset")
    async def keyset(request: Request) -> Response:
        shown, more = reads.select(request.query_params)
        body: dict[str, object] = {kind: [reads.write(listing) for listing in shown]}
        if more:
            body["next_cursor"] = _encode_cursor(shown[-1])
        return answer(body)

    @router.get(f"/{kind}/slug/{{slug}}")
    async def by_slug(slug: str) -> Response:
        return answer(reads.write(reads.named(slug)))

    @router.get(f"/{kind}/{{number}}/tags")
    async def tags(number: str) -> Response:
        reads.numbered(number)
        return answer(tag_rows())


def _wanted(query: QueryParams) -> Wanted:
    """What of a request the catalogue itself can answer; the rest is for `Filters`."""
    limit = whole_number(query, "limit", MAX_PAGE)
    return Wanted(
        series=tuple(values(query, "series_id") + values(query, "series_slug")),
        closed=boolean(query, "closed"),
        after=_decode_cursor(query.get("after_cursor", "")),
        limit=max(1, min(limit, MAX_PAGE)),
        offset=whole_number(query, "offset", 0),
        newest_first=boolean(query, "ascending") is False,
    )


def _encode_cursor(listing: ListedWindow) -> str:
    text = f"{listing.window.open_ns}:{listing.window.slug}"
    return base64.urlsafe_b64encode(text.encode()).decode()


def _decode_cursor(cursor: str) -> Place | None:
    if not cursor:
        return None
    try:
        open_ns, _, slug = base64.urlsafe_b64decode(cursor).decode().partition(":")
        return int(open_ns), slug
    except (binascii.Error, ValueError) as error:
        raise VenueError(BAD, "invalid cursor") from error
