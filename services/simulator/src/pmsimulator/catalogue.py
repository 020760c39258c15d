"""Which windows exist and which will: found by slug, condition or token, and listed ahead.

A rotating world makes a window when a request asks for it, so a day of coming windows costs only
the page that is read (docs/venue.md 7.2: about 24 hours are listed).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from pmcore.model.market import SeriesSpec
from pmcore.model.units import NS_PER_S
from pmsim.venue.ports import ListedWindow, SimulatedVenue
from pmsimulator.gamma_series import is_series

Place = tuple[int, str]
"""Where a window stands in every listing: its opening, then its slug."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which windows a page shows; None and () do not filter.

    `series` are slugs or ids of Gamma, or our names. `offset` leaves out the first that fit.
    """

    series: tuple[str, ...] = ()
    closed: bool | None = None
    after: Place | None = None
    limit: int = 100
    offset: int = 0
    newest_first: bool = False


class Catalogue:
    """The windows of a venue, present and to come."""

    def __init__(self, venue: SimulatedVenue, series: tuple[SeriesSpec, ...], ahead_s: int) -> None:
        self._venue = venue
        self._series = series
        self._ahead_ns = ahead_s * NS_PER_S
        self._slug_of: dict[str, str] = {}

    def find(self, market_or_token: str) -> ListedWindow | None:
        """The window of a condition id or a token id, if it exists by now."""
        if market_or_token not in self._slug_of:
            self._index()
        slug = self._slug_of.get(market_or_token)
        return self._venue.listing(slug) if slug is not None else None

    def current(self, at_ns: int) -> Sequence[ListedWindow]:
        """All windows that exist; the running and the next one of each series always do."""
        for spec in self._series:
            self._venue.listing(spec.slug_at(at_ns))
            if spec.fixed_slug is None:
                self._venue.listing(spec.slug_at(at_ns + spec.length_s * NS_PER_S))
        return self._venue.listings()

    def page(
        self, wanted: Wanted, at_ns: int, accept: Callable[[ListedWindow], bool] | None = None
    ) -> tuple[list[ListedWindow], bool]:
        """A page in order of opening, and whether more follows; `accept` filters further."""
        shown: list[ListedWindow] = []
        left_out = 0
        for _, slug in self._places(wanted, at_ns):
            listing = self._venue.listing(slug)
            if listing is None or (accept is not None and not accept(listing)):
                continue
            if left_out < wanted.offset:
                left_out += 1
            elif len(shown) == wanted.limit:
                return shown, True
            else:
                shown.append(listing)
        return shown, False

    def slugs(self, at_ns: int) -> Iterator[str]:
        """Every window that exists or is listed ahead."""
        for _, slug in self._places(Wanted(), at_ns):
            yield slug

    def _places(self, wanted: Wanted, at_ns: int) -> list[Place]:
        places: dict[Place, None] = {}
        for listing in self.current(at_ns):
            window = listing.window
            if _fits(wanted, window.series) and wanted.closed in (None, listing.closed):
                places[window.open_ns, window.slug] = None
        if wanted.closed is not True:
            places.update(dict.fromkeys(self._coming(wanted, at_ns)))
        ordered = sorted(places, reverse=wanted.newest_first)
        after = wanted.after
        if after is None:
            return ordered
        if wanted.newest_first:
            return [place for place in ordered if place < after]
        return [place for place in ordered if place > after]

    def _coming(self, wanted: Wanted, at_ns: int) -> Iterator[Place]:
        for spec in self._series:
            if spec.fixed_slug is None and _fits(wanted, spec.series):
                length_ns = spec.length_s * NS_PER_S
                first_ns = (at_ns // length_ns + 1) * length_ns
                for open_ns in range(first_ns, at_ns + self._ahead_ns + 1, length_ns):
                    yield open_ns, spec.slug_at(open_ns)

    def _index(self) -> None:
        for listing in self._venue.listings():
            window = listing.window
            for key in (window.condition_id, window.up_token_id, window.down_token_id):
                self._slug_of[key] = window.slug


def _fits(wanted: Wanted, series: str) -> bool:
    return not wanted.series or any(is_series(one, series) for one in wanted.series)
