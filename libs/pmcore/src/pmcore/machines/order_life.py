"""How long an order may rest by itself: until it is cancelled, or until its window's quoting ends.

The venue takes an expiration that is three minutes ahead or more, and lets the order die one minute
before it (docs/venue.md 4). So an order of the last two minutes of a window outlives it.
"""

from __future__ import annotations

from enum import StrEnum

from pmcore.model.units import NS_PER_S

LEAD_S = 180
"""How far ahead the venue wants an expiration."""
LEAD_MARGIN_S = 15
"""The way to the venue, and a clock of ours that is behind the venue's by as much as is allowed."""
DEAD_S = 60
"""So long before its expiration the order dies."""


class OrderLife(StrEnum):
    """`orderType`: GTC rests until it is cancelled, GTD until the venue ends it."""

    GTC = "gtc"
    GTD = "gtd"


def expiration_s(life: OrderLife, at_ns: int, quoting_end_ns: int) -> int:
    """The second to state in an order that is sent now; 0: it does not expire."""
    if life is OrderLife.GTC:
        return 0
    end_s = -(-quoting_end_ns // NS_PER_S)
    least_s = -(-at_ns // NS_PER_S) + LEAD_S + LEAD_MARGIN_S
    return max(end_s + DEAD_S, least_s)
