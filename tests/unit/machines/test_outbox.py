"""The table is whole, and nothing else moves an order."""

from __future__ import annotations

import pytest

from pmcore.machines.outbox import BEFORE_POST, TRANSITIONS, OutboxState, OutboxTrigger, advance
from pmcore.model.errors import InvariantError


def test_every_state_leads_on_and_is_reached() -> None:
    sources = {state for state, _ in TRANSITIONS}
    targets = set(TRANSITIONS.values())
    assert sources == set(OutboxState)
    after_the_end = {t for s, t in TRANSITIONS if s is OutboxState.DONE}
    assert after_the_end == {OutboxTrigger.DOUBTED}  # only asked about again
    assert targets == set(OutboxState) - {OutboxState.WAITING}


def test_only_a_recorded_order_is_posted() -> None:
    into_posting = [pair for pair, state in TRANSITIONS.items() if state is OutboxState.POSTING]
    assert into_posting == [(OutboxState.RECORDING, OutboxTrigger.RECORDED)]


def test_an_order_can_be_denied_exactly_before_its_post() -> None:
    denied = {state for state, trigger in TRANSITIONS if trigger is OutboxTrigger.DENIED}
    assert denied == BEFORE_POST


def test_a_pair_outside_the_table_is_our_mistake() -> None:
    assert advance(OutboxState.WAITING, OutboxTrigger.ADMITTED) is OutboxState.SIGNING
    with pytest.raises(InvariantError):
        advance(OutboxState.DONE, OutboxTrigger.ACCEPTED)
