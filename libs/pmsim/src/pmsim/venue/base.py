"""What every simulated venue does the same way: accounts, reads, positions, time.

A venue brings its markets: how orders meet them and what happens by itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from pmcore.model.market import Outcome, Window
from pmsim.faults.plan import FaultPlan
from pmsim.venue.accounts import Accounts, AccountsParams
from pmsim.venue.conservation import ledger_problems
from pmsim.venue.controls import AccountAudit, PositionResult
from pmsim.venue.ports import (
    Account,
    CancelOutcome,
    ListedWindow,
    NewOrder,
    PlaceResult,
    TradeRecord,
    VenueEvent,
    VenueOrder,
)
from pmsim.venue.positions import audited, merged, redeemed, split

NO_MARKET = "market not found"


class SimulatedVenueBase(ABC):
    """The half of a `SimulatedVenue` about accounts. Calls first bring the world to time."""

    def __init__(self, params: AccountsParams, start_ns: int) -> None:
        self.accounts = Accounts(params, self._pull_expired)
        self._now_ns = start_ns
        self._outbox: list[VenueEvent] = []

    @property
    def now_ns(self) -> int:
        """The world's time; at first, when it begins."""
        return self._now_ns

    def add_account(self, account: Account) -> None:
        """Register an API key."""
        self.accounts.add_account(account)

    @abstractmethod
    def place(self, owner: str, order: NewOrder, at_ns: int) -> PlaceResult:
        """Let an order reach the engine."""

    def place_batch(
        self, owner: str, orders: Sequence[NewOrder], at_ns: int
    ) -> Sequence[PlaceResult]:
        """Let orders reach the engine, one after the other."""
        return [self.place(owner, order, at_ns) for order in orders]

    @abstractmethod
    def cancel(self, owner: str, order_hashes: Sequence[str], at_ns: int) -> CancelOutcome:
        """Cancel by ids."""

    def cancel_all(self, owner: str, at_ns: int) -> CancelOutcome:
        """Cancel everything of an account."""
        return self.cancel_market(owner, at_ns)

    def cancel_market(
        self, owner: str, at_ns: int, *, condition_id: str = "", token_id: str = ""
    ) -> CancelOutcome:
        """Cancel an account's orders of a market and/or a token."""
        self._run(at_ns)
        return self.cancel(owner, self.accounts.select(owner, condition_id, token_id), at_ns)

    def open_orders(self, owner: str) -> Sequence[VenueOrder]:
        """Live orders, oldest first."""
        return self.accounts.open_orders(owner)

    def order(self, order_hash: str) -> VenueOrder | None:
        """Any accepted order."""
        return self.accounts.orders.get(order_hash)

    def trades(self, owner: str) -> Sequence[TradeRecord]:
        """Trades of an account, newest first."""
        return self.accounts.trades_of(owner)

    def balance_u6(self, owner: str, token_id: str = "") -> int:
        """Shares of a token, or cash."""
        return self.accounts.balance_u6(owner, token_id)

    def account_audit(self, owner: str) -> AccountAudit:
        """The truth about an account."""
        return audited(self.accounts, owner)

    def underlying_e8(self, asset: str, at_ns: int) -> int | None:
        """No venue but a synthetic one knows the price of an asset."""
        del asset, at_ns
        return None

    @abstractmethod
    def listings(self) -> Sequence[ListedWindow]:
        """All windows that exist so far."""

    def unbalanced(self) -> list[str]:
        """Where cash or shares are not conserved."""
        return ledger_problems(self.accounts, [one.window for one in self.listings()])

    def split(self, owner: str, condition_id: str, size_u6: int, at_ns: int) -> PositionResult:
        """Turn cash into complete sets."""
        self._run(at_ns)
        found = self._market_state(condition_id)
        if found is None:
            return PositionResult(error=NO_MARKET)
        return split(self.accounts, owner, found[0], size_u6)

    def merge(self, owner: str, condition_id: str, size_u6: int, at_ns: int) -> PositionResult:
        """Turn complete sets into cash."""
        self._run(at_ns)
        found = self._market_state(condition_id)
        if found is None:
            return PositionResult(error=NO_MARKET)
        return merged(self.accounts, owner, found[0], size_u6)

    def redeem(self, owner: str, condition_id: str, at_ns: int) -> PositionResult:
        """Burn shares of a resolved market for what they are worth."""
        self._run(at_ns)
        found = self._market_state(condition_id)
        if found is None:
            return PositionResult(error=NO_MARKET)
        return redeemed(self.accounts, owner, *found)

    @property
    def faults(self) -> FaultPlan:
        """The plan in force; of it, the venue itself carries out what happens inside."""
        return self.accounts.plan

    def set_faults(self, plan: FaultPlan, at_ns: int) -> None:
        """Replace the plan."""
        self._run(at_ns)
        self.accounts.plan = plan

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

    @abstractmethod
    def _pull_expired(self, record: VenueOrder) -> None:
        """Take an order whose time has come out of the book, and tell the market."""

    @abstractmethod
    def _market_state(self, condition_id: str) -> tuple[Window, Outcome | None] | None:
        """A window, and who won it once it is resolved."""

    def _run(self, to_ns: int) -> None:
        while (due_ns := self._next_due_ns()) is not None and due_ns <= to_ns:
            self._now_ns = max(self._now_ns, due_ns)
            self._step(due_ns)
            self._drain_accounts()
        self._now_ns = max(self._now_ns, to_ns)

    def _drain_accounts(self) -> None:
        self._outbox += self.accounts.frames
        self.accounts.frames.clear()
