"""Settlement of one fill: matched, mined, confirmed, or failed (docs/venue.md 6.4).

MATCHED is not final: it counts in the working view only. FAILED takes the fill out of both.
"""

from __future__ import annotations

from enum import StrEnum

from pmcore.messages.user import TradeStatus


class SettlementState(StrEnum):
    """What is known of a fill; FAILED and CONFIRMED are terminal."""

    UNSEEN = "unseen"
    MATCHED = "matched"
    MINED = "mined"
    CONFIRMED = "confirmed"
    FAILED = "failed"

    @property
    def is_working(self) -> bool:
        """Counts as inventory, perhaps provisionally."""
        return self in _WORKING

    @property
    def is_settled(self) -> bool:
        """Counts as inventory that the chain has seen."""
        return self in _SETTLED


_S = SettlementState
_T = TradeStatus
_WORKING = (_S.MATCHED, _S.MINED, _S.CONFIRMED)
_SETTLED = (_S.MINED, _S.CONFIRMED)

TRANSITIONS: dict[tuple[SettlementState, TradeStatus], SettlementState] = {
    (_S.UNSEEN, _T.MATCHED): _S.MATCHED,
    # the first status after a reconnect may be a later one; it must count
    (_S.UNSEEN, _T.MINED): _S.MINED,
    (_S.UNSEEN, _T.CONFIRMED): _S.CONFIRMED,
    (_S.UNSEEN, _T.RETRYING): _S.MATCHED,
    (_S.UNSEEN, _T.FAILED): _S.FAILED,
    (_S.MATCHED, _T.MATCHED): _S.MATCHED,
    (_S.MATCHED, _T.MINED): _S.MINED,
    (_S.MATCHED, _T.CONFIRMED): _S.CONFIRMED,
    (_S.MATCHED, _T.RETRYING): _S.MATCHED,
    (_S.MATCHED, _T.FAILED): _S.FAILED,
    (_S.MINED, _T.MATCHED): _S.MINED,  # repeats and late frames are ordinary (docs/venue.md 6.5)
    (_S.MINED, _T.MINED): _S.MINED,
    (_S.MINED, _T.RETRYING): _S.MINED,
    (_S.MINED, _T.CONFIRMED): _S.CONFIRMED,
    (_S.MINED, _T.FAILED): _S.FAILED,
    (_S.CONFIRMED, _T.MATCHED): _S.CONFIRMED,
    (_S.CONFIRMED, _T.MINED): _S.CONFIRMED,
    (_S.CONFIRMED, _T.RETRYING): _S.CONFIRMED,
    (_S.CONFIRMED, _T.CONFIRMED): _S.CONFIRMED,
    (_S.FAILED, _T.MATCHED): _S.FAILED,
    (_S.FAILED, _T.MINED): _S.FAILED,
    (_S.FAILED, _T.RETRYING): _S.FAILED,
    (_S.FAILED, _T.FAILED): _S.FAILED,
}
"""Missing on purpose: CONFIRMED then FAILED, and FAILED then CONFIRMED. Both contradict the
venue's own life cycle; the engine raises a notice and keeps what it had until a person looks."""


def advance(state: SettlementState, status: TradeStatus) -> SettlementState | None:
    """The next state, or None for a contradiction."""
    return TRANSITIONS.get((state, status))
