"""The life of one of our orders, as a table. Nothing else moves a state.

An order that left the book keeps its place in the worst case until its fills are accounted for:
the venue said how many shares were matched, and the ledger has a trade for each of them. Silence
proves nothing, and "gone" does not say how much was filled (docs/venue.md 1.4, 6.2, 6.5).
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from pmcore.model.market import Outcome


class OrderState(StrEnum):
    """REQUESTED..UNKNOWN occupy the slot; GONE_* only count in the worst case; the rest is over."""

    REQUESTED = "requested"
    SUBMITTING = "submitting"
    RESTING = "resting"
    UNKNOWN = "unknown"
    GONE_REST = "gone_rest"
    GONE_USER = "gone_user"
    GONE_BOTH = "gone_both"
    FILLED = "filled"
    FAILED = "failed"
    CLOSED = "closed"

    @property
    def occupies_slot(self) -> bool:
        """Whether the side's slot is taken."""
        return self in _OCCUPYING

    @property
    def is_over(self) -> bool:
        """Whether it can no longer become inventory, by all reports so far."""
        return self in _OVER


class OrderTrigger(StrEnum):
    """What can be said of an order. REST_* by the executor, USER_* by the user channel."""

    SUBMITTING = "submitting"
    ACCEPTED = "accepted"
    FAILED = "failed"
    UNKNOWN = "unknown"
    REST_GONE = "rest_gone"
    USER_PLACED = "user_placed"
    USER_GONE = "user_gone"
    MATCH_SEEN = "match_seen"
    FILLED = "filled"
    AGREED = "agreed"


_S = OrderState
_T = OrderTrigger
_OCCUPYING = (_S.REQUESTED, _S.SUBMITTING, _S.RESTING, _S.UNKNOWN)
_OVER = (_S.FILLED, _S.FAILED, _S.CLOSED)

TRANSITIONS: dict[tuple[OrderState, OrderTrigger], OrderState] = {
    (_S.REQUESTED, _T.SUBMITTING): _S.SUBMITTING,
    (_S.REQUESTED, _T.ACCEPTED): _S.RESTING,
    (_S.REQUESTED, _T.FAILED): _S.FAILED,
    (_S.REQUESTED, _T.UNKNOWN): _S.UNKNOWN,
    (_S.REQUESTED, _T.REST_GONE): _S.GONE_REST,
    (_S.REQUESTED, _T.AGREED): _S.CLOSED,
    (_S.SUBMITTING, _T.ACCEPTED): _S.RESTING,
    (_S.SUBMITTING, _T.FAILED): _S.FAILED,
    (_S.SUBMITTING, _T.UNKNOWN): _S.UNKNOWN,
    (_S.SUBMITTING, _T.REST_GONE): _S.GONE_REST,
    # the user channel may report before the POST is answered (docs/venue.md 6.5)
    (_S.SUBMITTING, _T.USER_PLACED): _S.RESTING,
    (_S.SUBMITTING, _T.USER_GONE): _S.GONE_USER,
    (_S.SUBMITTING, _T.FILLED): _S.FILLED,
    (_S.SUBMITTING, _T.AGREED): _S.CLOSED,
    (_S.RESTING, _T.ACCEPTED): _S.RESTING,
    (_S.RESTING, _T.USER_PLACED): _S.RESTING,
    (_S.RESTING, _T.UNKNOWN): _S.RESTING,
    # PLACEMENT on the user channel, then the POST is answered with a refusal (docs/venue.md 4.4)
    (_S.RESTING, _T.FAILED): _S.FAILED,
    (_S.RESTING, _T.REST_GONE): _S.GONE_REST,
    (_S.RESTING, _T.USER_GONE): _S.GONE_USER,
    (_S.RESTING, _T.FILLED): _S.FILLED,
    (_S.RESTING, _T.AGREED): _S.CLOSED,
    (_S.UNKNOWN, _T.ACCEPTED): _S.RESTING,
    (_S.UNKNOWN, _T.FAILED): _S.FAILED,
    (_S.UNKNOWN, _T.UNKNOWN): _S.UNKNOWN,
    (_S.UNKNOWN, _T.USER_PLACED): _S.RESTING,
    (_S.UNKNOWN, _T.REST_GONE): _S.GONE_REST,
    (_S.UNKNOWN, _T.USER_GONE): _S.GONE_USER,
    (_S.UNKNOWN, _T.FILLED): _S.FILLED,
    (_S.UNKNOWN, _T.AGREED): _S.CLOSED,
    (_S.GONE_REST, _T.USER_GONE): _S.GONE_BOTH,
    (_S.GONE_REST, _T.REST_GONE): _S.GONE_REST,
    (_S.GONE_REST, _T.AGREED): _S.CLOSED,
    # a late frame or answer about an order that is going: it does not become live again
    (_S.GONE_REST, _T.USER_PLACED): _S.GONE_REST,
    (_S.GONE_REST, _T.ACCEPTED): _S.GONE_REST,
    (_S.GONE_REST, _T.FILLED): _S.FILLED,
    (_S.GONE_USER, _T.REST_GONE): _S.GONE_BOTH,
    (_S.GONE_USER, _T.USER_GONE): _S.GONE_USER,
    (_S.GONE_USER, _T.AGREED): _S.CLOSED,
    (_S.GONE_USER, _T.USER_PLACED): _S.GONE_USER,
    (_S.GONE_USER, _T.ACCEPTED): _S.GONE_USER,
    (_S.GONE_USER, _T.UNKNOWN): _S.GONE_USER,
    (_S.GONE_USER, _T.FILLED): _S.FILLED,
    # announced, ended, and then the POST is answered with a refusal: what it matched still counts
    (_S.GONE_USER, _T.FAILED): _S.GONE_BOTH,
    (_S.GONE_BOTH, _T.REST_GONE): _S.GONE_BOTH,
    (_S.GONE_BOTH, _T.USER_GONE): _S.GONE_BOTH,
    (_S.GONE_BOTH, _T.USER_PLACED): _S.GONE_BOTH,
    (_S.GONE_BOTH, _T.ACCEPTED): _S.GONE_BOTH,
    (_S.GONE_BOTH, _T.FAILED): _S.GONE_BOTH,
    (_S.GONE_BOTH, _T.UNKNOWN): _S.GONE_BOTH,
    (_S.GONE_BOTH, _T.AGREED): _S.CLOSED,
    (_S.GONE_BOTH, _T.FILLED): _S.FILLED,
    # fills are delivered after the fact: they count as inventory whatever we thought of the order
    (_S.CLOSED, _T.FILLED): _S.FILLED,
    # a match that we learn of after the end counts again, until its trade is told
    (_S.CLOSED, _T.MATCH_SEEN): _S.GONE_BOTH,
    (_S.FAILED, _T.MATCH_SEEN): _S.GONE_BOTH,
    (_S.CLOSED, _T.USER_GONE): _S.CLOSED,
    (_S.CLOSED, _T.REST_GONE): _S.CLOSED,
    (_S.CLOSED, _T.ACCEPTED): _S.CLOSED,
    (_S.CLOSED, _T.USER_PLACED): _S.CLOSED,
    (_S.CLOSED, _T.AGREED): _S.CLOSED,
    (_S.FILLED, _T.ACCEPTED): _S.FILLED,
    (_S.FILLED, _T.USER_PLACED): _S.FILLED,
    (_S.FILLED, _T.USER_GONE): _S.FILLED,
    (_S.FILLED, _T.REST_GONE): _S.FILLED,
    (_S.FILLED, _T.AGREED): _S.FILLED,
    (_S.FILLED, _T.FILLED): _S.FILLED,
    (_S.FILLED, _T.UNKNOWN): _S.FILLED,
    (_S.FAILED, _T.AGREED): _S.FAILED,
    # the venue may announce and then refuse the same order (docs/venue.md 4.4, 6.2)
    (_S.FAILED, _T.USER_GONE): _S.FAILED,
    (_S.FAILED, _T.REST_GONE): _S.FAILED,
    (_S.FAILED, _T.FAILED): _S.FAILED,
}


class InvalidTransitionError(ValueError):
    """A trigger that the table does not know; nothing was changed."""


def advance(state: OrderState, trigger: OrderTrigger) -> OrderState:
    """The next state; raise `InvalidTransitionError` for a pair that is not in the table."""
    try:
        return TRANSITIONS[state, trigger]
    except KeyError:
        raise InvalidTransitionError(f"{state} cannot take {trigger}") from None


class QuoteNote(msgspec.Struct, frozen=True):
    """Why a bid was sent and what was in its way, for later judgement. Nothing decides on it.

    `ahead_u6`: the shares that the book displayed at its price then; None: no book was known.
    """

    reason: str
    ahead_u6: int | None


class OwnOrder(msgspec.Struct, kw_only=True):
    """What we asked, and apart from it what the venue said."""

    client_order_id: str
    outcome: Outcome
    price_e4: int
    size_u6: int
    state: OrderState = OrderState.REQUESTED
    changed_ns: int = 0
    order_hash: str = ""
    cancel_requested_ns: int | None = None
    filled_u6: int = 0  # in the ledger
    claimed_u6: int = 0  # the most that anybody said was matched
    venue_filled_u6: int | None = None  # matched in all, said of an order that had ended
    match_proved: bool = False  # "already matched", and nobody said how much
    owed_since_ns: int | None = None  # matched shares without a trade since then
    asks: int = 0  # how often the executor was asked what became of it
    asked_ns: int = 0
    note: QuoteNote | None = None  # None: no command of this run made it

    @property
    def leaves_u6(self) -> int:
        """Not known to be filled."""
        return max(self.size_u6 - self.filled_u6, 0)

    @property
    def owed_u6(self) -> int:
        """Proved to be matched, and not in the ledger yet."""
        said_u6 = max(self.claimed_u6, self.venue_filled_u6 or 0)
        if self.match_proved and self.venue_filled_u6 is None:
            said_u6 = self.size_u6
        return max(min(said_u6, self.size_u6) - self.filled_u6, 0)

    @property
    def exposure_u6(self) -> int:
        """What may still become inventory, beyond the fills already seen.

        Once the venue has said how much was matched, only matched and unseen shares remain.
        """
        if self.state.is_over:
            return 0
        if not self.state.occupies_slot and self.venue_filled_u6 is not None:
            return self.owed_u6
        return self.leaves_u6
