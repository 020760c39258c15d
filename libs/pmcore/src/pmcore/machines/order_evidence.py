"""What an order event of the user channel proves: that the order ended, and how much was matched.

Only a trade books shares. Until it is told, what was matched counts against the limits.
"""

from __future__ import annotations

import msgspec

from pmcore.messages.user import OrderUpdated, OrderUpdateKind
from pmcore.model.units import MATCHED_DUST_U6

_MATCHED = "matched"
_ENDED = ("cancel", "invalid", "expired")
"""How a status begins of an order that takes no more, whatever kind of event says it."""


class Evidence(msgspec.Struct, frozen=True):
    """`gone`: it takes no more. `final`: `matched_u6` is all that was matched of it."""

    gone: bool
    matched_u6: int | None
    final: bool
    proved: bool = False  # matched, and the event does not say how much


def evidence_of(event: OrderUpdated, size_u6: int) -> Evidence:
    """Read an event of an order of this size."""
    matched_u6 = event.matched_u6
    if event.kind is OrderUpdateKind.CANCELLATION or event.status.startswith(_ENDED):
        # one was recorded with all of it "matched": ask, do not believe (docs/venue.md 6.2)
        told = matched_u6 is not None and matched_u6 < size_u6
        return Evidence(gone=True, matched_u6=matched_u6 if told else None, final=told)
    over = event.status == _MATCHED
    # MATCHED though much is missing: it is gone, all of it counts, and the executor is asked
    whole = matched_u6 is not None and size_u6 - matched_u6 < MATCHED_DUST_U6
    return Evidence(
        gone=over,
        matched_u6=matched_u6,
        final=over and whole,
        proved=over and matched_u6 is None,
    )
