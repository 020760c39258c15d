"""What a service said when it was last asked, and how long it has been silent."""

from __future__ import annotations

from typing import Any

import msgspec

DEAD_AFTER_S = 2.0
"""Without an answer for so long a service is shown as dead; at once when nobody listens there."""


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """One service. `state` and `reasons` are the newest that it told, however long ago."""

    name: str
    answered_s: float | None = None
    problem: str = "not asked yet"
    refused: bool = False
    ready: bool = False
    reasons: tuple[str, ...] = ()
    state: dict[str, Any] = msgspec.field(default_factory=dict)

    def silent_s(self, now_s: float) -> float | None:
        """Seconds since its last answer; None if it never answered."""
        return None if self.answered_s is None else max(0.0, now_s - self.answered_s)

    def health(self, now_s: float) -> str:
        """`ready`, `waiting`, `dead`, or `unknown` before the first answer."""
        silent_s = self.silent_s(now_s)
        if self.refused or (silent_s is not None and silent_s > DEAD_AFTER_S):
            return "dead"
        if silent_s is None:
            return "unknown"
        return "ready" if self.ready else "waiting"
