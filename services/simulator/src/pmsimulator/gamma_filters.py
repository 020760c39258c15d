"""The filters of Gamma's lists: each one works, or nothing matches; none is passed over silently.

A filter that no market of ours can meet (sports, comments, partners) therefore gives an empty
list. Only parameters that change how rows look, such as `locale`, have no effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import product

from starlette.datastructures import QueryParams

from pmcore.model.market import Window
from pmcore.model.units import NS_PER_S, SHARE_U6
from pmcore.venue.fields import natural_of
from pmsim.venue.ports import ListedWindow
from pmsimulator.answers import VenueError
from pmsimulator.gamma import LISTED_BEFORE_NS, event_id, market_id, question_id
from pmsimulator.gamma_series import is_series, tag_row
from pmsimulator.market_facts import MarketFacts
from pmsimulator.titles import title

BAD = 422
REWARD_MIN_SHARES = 50
_DAY_NS = 86_400 * NS_PER_S
_BOOLEANS = {"true": True, "false": False}
_NEVER = frozenset(
    (
        "cyom",
        "event_week",
        "featured",
        "featured_order",
        "game_id",
        "live",
        "market_maker_address",
        "onchain_event_ids",
        "parent_event_id",
        "partner_slug",
        "recurrence",
        "request_ids",
        "resolution_status",
        "rfq_enabled",
        "sports_market_types",
    )
)
"""Filters that no market here meets, unless they are given as `false`."""

FactsOf = Callable[[ListedWindow], MarketFacts]
Test = Callable[[ListedWindow, FactsOf], bool]

_IDENTITIES: Mapping[str, Callable[[Window], tuple[str, ...]]] = {
    "slug": lambda window: (window.slug,),
    "condition_ids": lambda window: (window.condition_id, window.condition_id[:64]),
    "clob_token_ids": lambda window: (window.up_token_id, window.down_token_id),
    "position_ids": lambda window: (window.up_token_id, window.down_token_id),
    "question_ids": lambda window: (question_id(window.slug),),
    "version": lambda window: (window.protocol.value,),
}
_TIMES_NS: Mapping[str, Callable[[Window], int]] = {
    "start_date": lambda window: window.open_ns - LISTED_BEFORE_NS,
    "end_date": lambda window: window.close_ns,
    "start_time": lambda window: window.open_ns,
}
_AMOUNTS_U6: Mapping[str, Callable[[MarketFacts], int]] = {
    "volume": lambda facts: facts.volume_u6,
    "volume_num": lambda facts: facts.volume_u6,
    "liquidity": lambda facts: facts.liquidity_u6,
    "liquidity_num": lambda facts: facts.liquidity_u6,
}


class Filters:
    """All filters of one request. Raises `VenueError` 422 for a value that cannot be read."""

    def __init__(self, query: QueryParams, kind: str) -> None:
        self._tests: list[Test] = [
            *_identity_tests(query, kind),
            *_state_tests(query),
            *_bound_tests(query),
        ]

    def accept(self, listing: ListedWindow, facts_of: FactsOf) -> bool:
        """Whether a market passes every filter; facts are asked for only where one needs them."""
        return all(test(listing, facts_of) for test in self._tests)


def _identity_tests(query: QueryParams, kind: str) -> Iterator[Test]:
    number = event_id if kind == "events" else market_id
    reads = {**_IDENTITIES, "id": lambda window: (number(window.slug),)}
    for name, read in reads.items():
        if wanted := values(query, name):
            yield _one_of(read, wanted)
    if series := values(query, "series_id") + values(query, "series_slug"):
        yield lambda listing, _: any(is_series(one, listing.window.series) for one in series)
    if text := query.get("title_search", "").lower():
        yield lambda listing, _: text in title(listing.window).lower()


def _state_tests(query: QueryParams) -> Iterator[Test]:
    closed, ended = boolean(query, "closed"), boolean(query, "ended")
    if closed is not None:
        yield lambda listing, _: listing.closed is closed
    if ended is not None:
        yield lambda listing, _: listing.closed is ended
    if status := query.get("uma_resolution_status", ""):
        yield lambda listing, _: listing.closed and status == "resolved"
    tags = values(query, "tag_id") + values(query, "tag_slug")
    if (
        any(query.get(name, "false") != "false" for name in _NEVER)
        or boolean(query, "active") is False
        or boolean(query, "archived") is True
        or any(tag_row(tag) is None for tag in tags)
        or any(tag_row(tag) is not None for tag in values(query, "exclude_tag_id"))
    ):
        yield lambda _listing, _facts: False


def _bound_tests(query: QueryParams) -> Iterator[Test]:
    for name, suffix in product(_TIMES_NS, ("min", "max")):
        if text := query.get(f"{name}_{suffix}", ""):
            yield _time_bound(_TIMES_NS[name], _time_ns(text, name), suffix)
    for name, suffix in product(_AMOUNTS_U6, ("min", "max")):
        if text := query.get(f"{name}_{suffix}", ""):
            yield _amount_bound(_AMOUNTS_U6[name], _amount_u6(text, name), suffix)
    if text := query.get("event_date", ""):
        day = _time_ns(text, "event_date") // _DAY_NS
        yield lambda listing, _: listing.window.open_ns // _DAY_NS == day
    if text := query.get("rewards_min_size", ""):
        smallest_u6 = _amount_u6(text, "rewards_min_size")
        yield lambda _listing, _facts: smallest_u6 <= REWARD_MIN_SHARES * SHARE_U6


def _one_of(read: Callable[[Window], tuple[str, ...]], wanted: list[str]) -> Test:
    return lambda listing, _: not set(wanted).isdisjoint(read(listing.window))


def _time_bound(read: Callable[[Window], int], bound_ns: int, suffix: str) -> Test:
    return lambda listing, _: _within(read(listing.window), bound_ns, suffix)


def _amount_bound(read: Callable[[MarketFacts], int], bound_u6: int, suffix: str) -> Test:
    return lambda listing, facts_of: _within(read(facts_of(listing)), bound_u6, suffix)


def _within(value: int, bound: int, suffix: str) -> bool:
    return value >= bound if suffix == "min" else value <= bound


def values(query: QueryParams, name: str) -> list[str]:
    """A parameter's values: repeated, or with commas between them."""
    return [part for text in query.getlist(name) for part in text.split(",") if part]


def boolean(query: QueryParams, name: str) -> bool | None:
    """A parameter that is `true` or `false`; None when it is not given."""
    text = query.get(name, "")
    if not text:
        return None
    if text not in _BOOLEANS:
        raise VenueError(BAD, f"invalid {name}")
    return _BOOLEANS[text]


def whole_number(query: QueryParams, name: str, default: int) -> int:
    """A parameter that is a number without a sign."""
    number = natural_of(query.get(name, str(default)))
    if number is None:
        raise VenueError(BAD, f"invalid {name}")
    return number


def _time_ns(text: str, name: str) -> int:
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            at = at.replace(tzinfo=UTC)
        return int(at.timestamp()) * NS_PER_S
    except (ValueError, OverflowError) as error:
        raise VenueError(BAD, f"invalid {name}") from error


def _amount_u6(text: str, name: str) -> int:
    try:
        return round(float(text) * SHARE_U6)
    except (ValueError, OverflowError) as error:
        raise VenueError(BAD, f"invalid {name}") from error
