"""`/notifications`: what happened to an account's orders, newest first (docs/venue.md 1.4).

Types: 1 a cancel, 2 a fill, 4 a resolved market, 8 a fill that failed on the chain.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from enum import IntEnum

from pmcore.model.units import NS_PER_S
from pmcore.sim.ports import UserFrame

KEPT = 500


class NoticeType(IntEnum):
    """The types that a simulated world gives rise to."""

    CANCEL = 1
    FILL = 2
    RESOLVED = 4
    FILL_FAILED = 8


class Notices:
    """The last notifications of every account."""

    def __init__(self) -> None:
        self._of: dict[str, deque[dict[str, object]]] = {}
        self._count = 0

    def hear(self, event: UserFrame) -> None:
        """Turn a user frame into a notification, where it is one."""
        kind = _type_of(event.frame)
        if kind is None:
            return
        self._count += 1
        row: dict[str, object] = {
            "id": self._count,
            "owner": event.owner,
            "type": kind.value,
            "payload": event.frame,
            "timestamp": event.at_ns // NS_PER_S,
        }
        self._of.setdefault(event.owner, deque(maxlen=KEPT)).appendleft(row)

    def of(self, owner: str) -> list[dict[str, object]]:
        """An account's notifications."""
        return list(self._of.get(owner, ()))

    def drop(self, owner: str, ids: Collection[str]) -> None:
        """Forget some of an account's notifications; without ids, all."""
        kept = [row for row in self.of(owner) if ids and str(row["id"]) not in ids]
        self._of[owner] = deque(kept, maxlen=KEPT)


def _type_of(frame: dict[str, object]) -> NoticeType | None:
    status = str(frame.get("status", ""))
    if frame.get("event_type") == "trade":
        return {"MATCHED": NoticeType.FILL, "FAILED": NoticeType.FILL_FAILED}.get(status)
    if frame.get("type") != "CANCELLATION":
        return None
    resolved = status == "CANCELED_MARKET_RESOLVED"
    return NoticeType.RESOLVED if resolved else NoticeType.CANCEL
