"""An order's way through the executor: one table, nothing else moves a state.

`RESTING` means that the venue took the order and that we heard of no end. The executor is told of
no fills, so a filled order stays here until its list no longer shows it; then the venue is asked.
"""

from __future__ import annotations

from enum import StrEnum

from pmcore.model.check import invariant


class OutboxState(StrEnum):
    """Where an order is."""

    WAITING = "waiting"  # for what the account tells, then for the rate budget
    SIGNING = "signing"
    RECORDING = "recording"  # its id is being written to `exe`
    POSTING = "posting"
    RESTING = "resting"
    CANCELLING = "cancelling"
    RESOLVING = "resolving"  # outcome unknown; the venue is being asked
    DONE = "done"


class OutboxTrigger(StrEnum):
    """What changes its state."""

    ADMITTED = "admitted"
    SIGNED = "signed"
    RECORDED = "recorded"
    DENIED = "denied"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNCLEAR = "unclear"
    CANCEL = "cancel"
    GONE = "gone"
    DOUBTED = "doubted"


_S, _T = OutboxState, OutboxTrigger
TRANSITIONS: dict[tuple[OutboxState, OutboxTrigger], OutboxState] = {
    (_S.WAITING, _T.ADMITTED): _S.SIGNING,
    (_S.WAITING, _T.DENIED): _S.DONE,
    (_S.SIGNING, _T.SIGNED): _S.RECORDING,
    (_S.SIGNING, _T.DENIED): _S.DONE,
    (_S.RECORDING, _T.RECORDED): _S.POSTING,
    (_S.RECORDING, _T.DENIED): _S.DONE,
    (_S.POSTING, _T.ACCEPTED): _S.RESTING,
    (_S.POSTING, _T.REFUSED): _S.DONE,
    (_S.POSTING, _T.UNCLEAR): _S.RESOLVING,
    (_S.RESTING, _T.CANCEL): _S.CANCELLING,
    (_S.RESTING, _T.GONE): _S.DONE,
    (_S.CANCELLING, _T.GONE): _S.DONE,
    (_S.CANCELLING, _T.UNCLEAR): _S.RESOLVING,  # "not found or already canceled", docs/venue.md 1.5
    (_S.RESOLVING, _T.GONE): _S.DONE,
    (_S.RESOLVING, _T.REFUSED): _S.DONE,
    # not in the venue's list: asked about; and asked again how much was filled, after its end
    (_S.RESTING, _T.DOUBTED): _S.RESOLVING,
    (_S.DONE, _T.DOUBTED): _S.RESOLVING,
    (_S.RESOLVING, _T.ACCEPTED): _S.RESTING,
}

BEFORE_POST = frozenset({_S.WAITING, _S.SIGNING, _S.RECORDING})
"""Nothing has been sent: a denial is safe."""


def advance(state: OutboxState, trigger: OutboxTrigger) -> OutboxState:
    """The next state; `InvariantError` for a pair that is not in the table."""
    nxt = TRANSITIONS.get((state, trigger))
    invariant(nxt is not None, f"an order cannot go from {state} by {trigger}")
    assert nxt is not None
    return nxt
