"""The venue's order heartbeat: one beat every five seconds while this side is healthy.

See docs/venue.md 8.

Placing is allowed only while a beat was accepted recently: otherwise the venue would not cancel
the order for us. It does not beat for a side that is not healthy, so the venue cancels its
orders.
"""

from __future__ import annotations

from pmcore.model.check import invariant
from pmcore.model.units import NS_PER_S

INTERVAL_NS = 5 * NS_PER_S
LAPSE_NS = 10 * NS_PER_S
"""Without an accepted beat for this long the venue begins to cancel everything."""
MAX_FAILURES = 3
RETRY_NS = NS_PER_S
MAX_RESENDS = 2
"""Answers with another expected id that are followed at once; then the interval is kept."""


class DeadManSwitch:
    """One sender per key, one beat in flight. Times are monotonic, at the venue's own speed."""

    def __init__(self) -> None:
        self.failures = 0
        self.accepted_ns: int | None = None
        self._id = ""
        self._next_ns = 0
        self._in_flight = False
        self._sent_ns = 0
        self._resends = 0

    def due(self, at_ns: int, *, healthy: bool) -> str | None:
        """The id to send now, or None; a returned id must be answered by one of the others."""
        if not healthy or self._in_flight or at_ns < self._next_ns:
            return None
        self._in_flight = True
        self._sent_ns = at_ns
        return self._id

    def _answered(self) -> None:
        invariant(self._in_flight, "an answer without a beat in flight")
        self._in_flight = False

    def accepted(self, next_id: str) -> None:
        """The venue accepted it and names the next id.

        It counts from when it was sent: the venue may have taken it at once and answered late.
        """
        self._answered()
        self._id = next_id
        self.accepted_ns = self._sent_ns
        self.failures = 0
        self._resends = 0
        self._next_ns = self._sent_ns + INTERVAL_NS

    def refused(self, at_ns: int, expected_id: str) -> None:
        """400: the venue expected another id, "" when it knows no chain of ours; resend at once."""
        self._answered()
        self._id = expected_id
        self._resends += 1
        if self._resends > MAX_RESENDS:
            self.failures += 1
            self._resends = 0
            self._next_ns = at_ns + RETRY_NS
        else:
            self._next_ns = at_ns

    def failed(self, at_ns: int) -> None:
        """No answer, or one that is no heartbeat answer. A lost beat may have been accepted.

        After a lapse the venue has dropped the chain: begin a new one. If it has not, it answers
        with the id that it expects.
        """
        self._answered()
        age_ns = self.age_ns(at_ns)
        if age_ns is not None and age_ns >= LAPSE_NS:
            self._id = ""
        self.failures += 1
        self._next_ns = at_ns + RETRY_NS

    def age_ns(self, at_ns: int) -> int | None:
        """Since the last accepted beat was sent; None before the first."""
        return None if self.accepted_ns is None else at_ns - self.accepted_ns

    def placing_allowed(self, at_ns: int) -> bool:
        """Whether the venue would cancel an order placed now if the beats stop."""
        age_ns = self.age_ns(at_ns)
        return age_ns is not None and age_ns < LAPSE_NS and self.failures < MAX_FAILURES
