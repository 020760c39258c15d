"""What every simulated venue does alike: accounts and their orders at the desk, events in order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from pmcore.sim.desk import Desk, DeskParams
from pmcore.sim.ports import Account, CancelResult, OrderRecord, TradeRecord, VenueEvent


class DeskVenue(ABC):
    """The part of a `SimulatedVenue` that does not depend on where its market comes from."""

    def __init__(self, desk: DeskParams, now_ns: int) -> None:
        self.desk = Desk(desk)
        self._now_ns = now_ns
        self._outbox: list[VenueEvent] = []

    @property
    def now_ns(self) -> int:
        """The world's time; at first, when it begins."""
        return self._now_ns

    def add_account(self, account: Account) -> None:
        """Register an API key."""
        self.desk.add_account(account)

    @abstractmethod
    def cancel(self, owner: str, order_hashes: Sequence[str], at_ns: int) -> CancelResult:
        """Cancel by ids."""

    def cancel_all(self, owner: str, at_ns: int) -> CancelResult:
        """Cancel everything of an account."""
        return self.cancel_market(owner, at_ns)

    def cancel_market(
        self, owner: str, at_ns: int, *, condition_id: str = "", token_id: str = ""
    ) -> CancelResult:
        """Cancel an account's orders of a market and/or a token."""
        self._run(at_ns)
        return self.cancel(owner, self.desk.select(owner, condition_id, token_id), at_ns)

    def open_orders(self, owner: str) -> Sequence[OrderRecord]:
        """Live orders, oldest first."""
        return self.desk.open_orders(owner)

    def order(self, order_hash: str) -> OrderRecord | None:
        """Any accepted order."""
        return self.desk.orders.get(order_hash)

    def trades(self, owner: str) -> Sequence[TradeRecord]:
        """Trades of an account, newest first."""
        return self.desk.trades_of(owner)

    def balance_u6(self, owner: str, token_id: str = "") -> int:
        """Shares of a token, or cash."""
        return self.desk.balance_u6(owner, token_id)

    def advance(self, to_ns: int) -> Sequence[VenueEvent]:
        """Bring the world to a time; all events since the last call."""
        self._run(to_ns)
        events, self._outbox = self._outbox, []
        return events

    def next_ns(self) -> int | None:
        """When the next event is due."""
        return self._outbox[0].at_ns if self._outbox else self._next_due_ns()

    @abstractmethod
    def _next_due_ns(self) -> int | None:
        """When the world next does something by itself."""

    @abstractmethod
    def _step(self, due_ns: int) -> None:
        """Do one thing that is due."""

    def _run(self, to_ns: int) -> None:
        while (due_ns := self._next_due_ns()) is not None and due_ns <= to_ns:
            self._now_ns = max(self._now_ns, due_ns)
            self._step(due_ns)
            self._drain_desk()
        self._now_ns = max(self._now_ns, to_ns)

    def _drain_desk(self) -> None:
        self._outbox += self.desk.frames
        self.desk.frames.clear()
