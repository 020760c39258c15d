"""The simulated relayer: its quota, and the states of a transaction over time."""

from __future__ import annotations

import pytest

from pmcore.model.units import NS_PER_S
from pmcore.venue.relayer import SUBMITS_PER_MINUTE
from pmsimulator.answers import VenueError
from pmsimulator.relayer import RelayedTransaction, Relayer

WALLET = "0xAb"


def states(transaction: RelayedTransaction) -> list[object]:
    return [transaction.row(int(age_s * NS_PER_S))["state"] for age_s in (0, 1, 3, 5, 900)]


def test_a_transaction_is_told_late_and_happens_at_once() -> None:
    done: list[str] = []

    def act() -> str:
        done.append("merged")
        return ""

    transaction = Relayer().submit(WALLET, 0, act)
    assert done == ["merged"]
    told = ["NEW", "EXECUTED", "MINED", "CONFIRMED", "CONFIRMED"]
    assert states(transaction) == [f"STATE_{name}" for name in told]
    assert transaction.row(0)["transaction_hash"] == ""
    assert transaction.row(5 * NS_PER_S)["transaction_hash"]


def test_one_that_fails_says_why_when_it_would_have_been_mined() -> None:
    transaction = Relayer().submit(WALLET, 0, lambda: "reverted")
    told = ["NEW", "EXECUTED", "FAILED", "FAILED", "FAILED"]
    assert states(transaction) == [f"STATE_{name}" for name in told]
    assert transaction.row(0)["error_msg"] == ""
    assert transaction.row(3 * NS_PER_S)["error_msg"] == "reverted"


def test_one_that_is_stuck_never_tells() -> None:
    transaction = Relayer().submit(WALLET, 0, lambda: "", stuck=True)
    assert set(states(transaction)) == {"STATE_NEW"}


def test_a_wallet_may_submit_25_a_minute_and_is_told_when_it_may_again() -> None:
    relayer, done = Relayer(), []

    def act() -> str:
        done.append(1)
        return ""

    for number in range(SUBMITS_PER_MINUTE):
        relayer.submit(WALLET, number * NS_PER_S, act)
    with pytest.raises(VenueError) as refused:
        relayer.submit(WALLET.lower(), 59 * NS_PER_S, act)
    assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "1"})
    relayer.submit("0xother", 59 * NS_PER_S, act)
    relayer.submit(WALLET, 60 * NS_PER_S, act)
    assert len(done) == SUBMITS_PER_MINUTE + 2


def test_only_what_was_submitted_is_found() -> None:
    relayer = Relayer()
    transaction = relayer.submit(WALLET, 0, lambda: "")
    assert relayer.find(transaction.transaction_id) is transaction
    with pytest.raises(VenueError):
        relayer.find("0" * 64)
