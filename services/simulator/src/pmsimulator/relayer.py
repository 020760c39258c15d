"""The relayer: merges of the simulated wallets, its quota, and the states of its transactions.

What is called here happens on the chain at once; the states tell it late, as the real ones do. A
signature is not asked for. Pure over given time.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

import msgspec

from pmcore.model.units import NS_PER_MS, NS_PER_S
from pmcore.venue.relayer import SUBMITS_PER_MINUTE, RelayerState
from pmsimulator.answers import VenueError, not_found

_MINUTE_NS = 60 * NS_PER_S
_STATES = (
    (500 * NS_PER_MS, RelayerState.NEW),
    (2_000 * NS_PER_MS, RelayerState.EXECUTED),
    (4_000 * NS_PER_MS, RelayerState.MINED),
)
"""Each until that age, then CONFIRMED. The times are guesses: nothing measured is known."""


class RelayedTransaction(msgspec.Struct, frozen=True):
    """One submission. `stuck`: it happened, and its state is NEW for ever."""

    transaction_id: str
    at_ns: int
    error: str = ""
    stuck: bool = False

    def row(self, at_ns: int) -> dict[str, object]:
        """As the relayer tells it at a time."""
        state = self._state(at_ns)
        untold = state in (RelayerState.NEW, RelayerState.FAILED)
        return {
            "transaction_id": self.transaction_id,
            "state": state.value,
            "transaction_hash": "" if untold else "0x" + self.transaction_id,
            "error_msg": self.error if state is RelayerState.FAILED else "",
        }

    def _state(self, at_ns: int) -> RelayerState:
        if self.stuck:
            return RelayerState.NEW
        age_ns = at_ns - self.at_ns
        state = next((s for until_ns, s in _STATES if age_ns < until_ns), RelayerState.CONFIRMED)
        if self.error and state in (RelayerState.MINED, RelayerState.CONFIRMED):
            return RelayerState.FAILED
        return state


class Relayer:
    """All transactions, by id; 25 submissions a minute for each wallet."""

    def __init__(self) -> None:
        self._transactions: dict[str, RelayedTransaction] = {}
        self._submitted_ns: dict[str, deque[int]] = {}

    def submit(
        self, wallet: str, at_ns: int, act: Callable[[], str], *, stuck: bool = False
    ) -> RelayedTransaction:
        """Do it now, within the quota; `act` says why it failed, or "". Raise `VenueError` 429."""
        self._pay(wallet.lower(), at_ns)
        number = len(self._transactions) + 1
        transaction = RelayedTransaction(f"{number:064x}", at_ns, act(), stuck)
        self._transactions[transaction.transaction_id] = transaction
        return transaction

    def find(self, transaction_id: str) -> RelayedTransaction:
        """A transaction; raise `VenueError` 404."""
        found = self._transactions.get(transaction_id)
        if found is None:
            raise not_found("transaction not found")
        return found

    def _pay(self, wallet: str, at_ns: int) -> None:
        recent = self._submitted_ns.setdefault(wallet, deque(maxlen=SUBMITS_PER_MINUTE))
        if len(recent) == SUBMITS_PER_MINUTE and at_ns - recent[0] < _MINUTE_NS:
            wait_s = math.ceil((recent[0] + _MINUTE_NS - at_ns) / NS_PER_S)
            raise VenueError(429, "Too Many Requests", headers={"Retry-After": str(wait_s)})
        recent.append(at_ns)
