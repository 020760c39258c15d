"""When the positions are read: after each connect, then in the rhythm of the reconciliation."""

from __future__ import annotations

from pmcore.engine.account.io import ReadPositions


class PositionsReading:
    """At most one reading at a time; an answer to any other is not heard."""

    def __init__(self, every_ns: int) -> None:
        self._every_ns = every_ns
        self._last_id = 0
        self._due_ns = 0
        self._asked: tuple[int, int] | None = None  # id and time of the reading that goes on

    def want(self) -> None:
        """Read at once: what is known may be old."""
        self._asked = None
        self._due_ns = 0

    def give_up(self) -> None:
        """The channel is lost: an answer would be compared with fills that are not all known."""
        self._asked = None

    def when_due(self, at_ns: int) -> ReadPositions | None:
        """The reading to begin now, if one is due."""
        if self._asked is not None or at_ns < self._due_ns:
            return None
        self._last_id += 1
        self._asked = self._last_id, at_ns
        self._due_ns = at_ns + self._every_ns
        return ReadPositions(self._last_id)

    def asked_ns(self, read_id: int) -> int | None:
        """When that reading was asked for, None for one that does not go on."""
        return self._asked[1] if self._asked is not None and self._asked[0] == read_id else None

    def answered(self, read_id: int) -> int | None:
        """When that reading was asked for, None for one that does not go on."""
        asked_ns = self.asked_ns(read_id)
        if asked_ns is not None:
            self._asked = None
        return asked_ns
