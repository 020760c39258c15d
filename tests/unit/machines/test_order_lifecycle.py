from __future__ import annotations

import pytest

from pmcore.machines.order_lifecycle import (
    TRANSITIONS,
    InvalidTransitionError,
    OrderState,
    OrderTrigger,
    OwnOrder,
    advance,
)
from pmcore.model.market import Outcome

S, T = OrderState, OrderTrigger


def test_the_ordinary_life() -> None:
    state = S.REQUESTED
    for trigger, expected in (
        (T.SUBMITTING, S.SUBMITTING),
        (T.ACCEPTED, S.RESTING),
        (T.REST_GONE, S.GONE_REST),
        (T.USER_GONE, S.GONE_BOTH),
        (T.AGREED, S.CLOSED),
    ):
        state = advance(state, trigger)
        assert state is expected


def test_a_trigger_outside_the_table_changes_nothing_and_says_so() -> None:
    with pytest.raises(InvalidTransitionError, match="failed cannot take accepted"):
        advance(S.FAILED, T.ACCEPTED)


def test_nothing_that_is_over_takes_a_slot_again() -> None:
    for (state, _), after in TRANSITIONS.items():
        if state.is_over:
            assert not after.occupies_slot
        if not state.occupies_slot:
            assert not after.occupies_slot


def order(**changes: object) -> OwnOrder:
    """Five shares at .47."""
    fields: dict[str, object] = {
        "client_order_id": "c1",
        "outcome": Outcome.UP,
        "price_e4": 4700,
        "size_u6": 5_000_000,
        **changes,
    }
    return OwnOrder(**fields)  # type: ignore[arg-type] # tests name fields


def test_exposure_is_what_may_still_be_bought() -> None:
    assert order(filled_u6=2_000_000, state=S.RESTING).exposure_u6 == 3_000_000
    assert order(state=S.GONE_REST).exposure_u6 == 5_000_000
    assert order(state=S.GONE_USER, venue_filled_u6=0).exposure_u6 == 0
    seen = order(state=S.GONE_USER, venue_filled_u6=4_000_000, filled_u6=1_000_000)
    assert seen.exposure_u6 == 3_000_000
    assert order(state=S.CLOSED).exposure_u6 == 0
    assert order(filled_u6=9_000_000).leaves_u6 == 0


def test_owed_is_what_is_proved_to_be_matched_and_not_told_as_a_trade() -> None:
    assert order(state=S.RESTING, claimed_u6=3_000_000, filled_u6=1_000_000).owed_u6 == 2_000_000
    assert order(state=S.GONE_REST, match_proved=True).owed_u6 == 5_000_000  # no amount: all of it
    told = order(state=S.GONE_REST, match_proved=True, venue_filled_u6=2_000_000)
    assert told.owed_u6 == 2_000_000
    assert order(state=S.RESTING, claimed_u6=9_000_000).owed_u6 == 5_000_000
