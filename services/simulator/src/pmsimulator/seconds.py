"""Times in the seconds that the venue's lists speak of."""

from __future__ import annotations

from collections.abc import Mapping

from pmcore.model.units import NS_PER_S
from pmcore.venue.fields import natural_of
from pmsimulator.answers import VenueError


def seconds(at_ns: int) -> int:
    """A time in whole seconds."""
    return at_ns // NS_PER_S


def parse_seconds(text: str) -> int:
    """A time given in a query, or 400."""
    number = natural_of(text)
    if number is None:
        raise VenueError(400, f"invalid timestamp: {text[:20]}")
    return number


def is_between(
    at_s: int, wanted: Mapping[str, str], *, first: str = "after", last: str = "before"
) -> bool:
    """Whether a time lies between two query parameters, both ends included; each may be absent."""
    return at_s >= parse_seconds(wanted.get(first, "0")) and (
        last not in wanted or at_s <= parse_seconds(wanted[last])
    )
