"""What was published, until it cannot be lost any more: Redis may go back by its last seconds.

A failover promotes a replica that may not have heard everything, and a restart loses what was not
on disk. What this run published alone on its stream ends there at an earlier entry then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from pmcore.messages.user import PositionsRead, UserMessage
from pmcore.wire.entry_ids import EntryId, parse_id

KEPT = 2_000
"""Messages, the newest; what is lost is usually the last second."""


class ToldMessages:
    """The newest messages of this run on its stream, with their entry ids."""

    def __init__(self) -> None:
        self._kept: deque[tuple[EntryId, UserMessage]] = deque(maxlen=KEPT)

    def __bool__(self) -> bool:
        return bool(self._kept)

    def note(self, entry_ids: Sequence[str], messages: Sequence[UserMessage]) -> None:
        """Redis said that it has these."""
        self._kept.extend(zip(map(parse_id, entry_ids), messages, strict=True))

    def lost(self, tail_id: str) -> list[UserMessage]:
        """What stood behind the entry that is the last one now, to be said again; oldest first.

        Readings of positions are not: a newer one comes.
        """
        tail = parse_id(tail_id)
        gone: deque[UserMessage] = deque()
        while self._kept and self._kept[-1][0] > tail:
            _, message = self._kept.pop()
            if not isinstance(message, PositionsRead):
                gone.appendleft(message)
        return list(gone)
