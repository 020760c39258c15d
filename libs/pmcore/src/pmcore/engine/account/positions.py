"""When the positions are read: after each connect, then in the rhythm of the reconciliation."""

from __future__ import annotations

from pmcore.engine.account.io import ReadPositions


class PositionsReading:
    """At most one reading at a time; an answer to any other is not heard."""

    def __init__(self, every_ns: int) -> None:
        self._every_ns = every_ns
        self._last_id = 0
        self._reading = 0
        self._due_ns = 0
        self._asked_ns = 0

    def want(self) -> None:
        """Read at once: what is known may be old."""
        self._reading = 0
        self._due_ns = 0

    def give_up(self) -> None:
        """The channel is lost: an answer would be compared with fills that are not all known."""
        self._reading = 0

    def when_due(self, at_ns: int) -> ReadPositions | None:
        """The reading to begin now, if one is due."""
        if self._reading or at_ns < self._due_ns:
            return None
        self._last_id += 1
        self._reading = self._last_id
        self._asked_ns = at_ns
        self._due_ns = at_ns + self._every_ns
        return ReadPositions(self._reading)

    def answered(self, read_id: int) -> int | None:
        """When that reading was asked for, None for one that was given up."""
        if read_id != self._reading:
            return None
        self._reading = 0
        return self._asked_ns
