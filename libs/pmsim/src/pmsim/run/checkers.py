"""Checks over a whole simulated run. Each check returns what is wrong, one short line each.

They compare the venue's own records (`Accounts`) with what the engines hold; tests assert that the
result is empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pmcore.engine.strategy.engine import WindowEngine
from pmcore.messages.execution import ExecutionMessage, OrderAccepted, OrderFailed
from pmcore.messages.orders import CommandMessage, SubmitOrder
from pmcore.model.market import Outcome, Window
from pmsim.venue.accounts import Accounts
from pmsim.venue.ports import OrderSide


def ledger_problems(accounts: Accounts, windows: Iterable[Window]) -> list[str]:
    """Cash and shares are conserved."""
    ledger = accounts.ledger
    problems = []
    if extra_u6 := ledger.unaccounted_u6():
        problems.append(f"{extra_u6} u6 of cash without a source")
    for window in windows:
        sets_u6 = ledger.issued_u6(window)
        for outcome in Outcome:
            supply_u6 = ledger.supply_u6(window.token_id(outcome))
            if supply_u6 != sets_u6:
                problems.append(
                    f"{window.slug}: {supply_u6} u6 of {outcome.value}, {sets_u6} u6 of sets"
                )
    return problems


def taker_problems(accounts: Accounts, owner: str) -> list[str]:
    """Each of our fills was a maker's and a buy."""
    problems = [f"trade {t.trade_id} took" for t in accounts.trades if t.taker.owner == owner]
    problems += [
        f"order {record.order_hash} sells"
        for record in accounts.orders.values()
        if record.account.owner == owner and record.side is not OrderSide.BUY
    ]
    return problems


def outliving_problems(
    accounts: Accounts, owner: str, windows: Iterable[Window], at_ns: int
) -> list[str]:
    """No order rests after its window's close."""
    closed = {window.condition_id: window.slug for window in windows if window.close_ns < at_ns}
    return [
        f"{record.order_hash} rests after the close of {closed[record.condition_id]}"
        for record in accounts.open_orders(owner)
        if record.condition_id in closed
    ]


def belief_problems(accounts: Accounts, owner: str, engine: WindowEngine) -> list[str]:
    """When everything has settled, the engine's orders and holdings equal the venue's."""
    window, session = engine.session.window, engine.session
    problems = []
    believed = {order.order_hash: order.leaves_u6 for order in session.orders.alive()}
    open_ = {
        record.order_hash: record.leaves_u6
        for record in accounts.open_orders(owner)
        if record.condition_id == window.condition_id
    }
    if believed != open_:
        problems.append(f"{window.slug}: believes in orders {believed}, the venue has {open_}")
    for outcome in Outcome:
        held_u6 = session.inventory.working.holding(outcome).qty_u6
        real_u6 = accounts.ledger.shares_u6(owner, window.token_id(outcome))
        if held_u6 != real_u6:
            problems.append(
                f"{window.slug}: believes in {held_u6} u6 of {outcome.value}, holds {real_u6}"
            )
    return problems


def limit_problems(engine: WindowEngine) -> list[str]:
    """The limits held at every step."""
    counters, slug = engine.counters, engine.session.window.slug
    limit_u6 = engine.session.params.limits.max_net_diff_u6
    problems = []
    if counters.limit_violations:
        problems.append(f"{slug}: {counters.limit_violations} limit violations")
    if counters.max_abs_net_diff_u6 >= limit_u6:
        problems.append(f"{slug}: net difference reached {counters.max_abs_net_diff_u6} u6")
    return problems


class CommandAudit:
    """Every submit ends in exactly one of accepted or failed, and nothing is at the venue but
    what an engine asked for.
    """

    def __init__(self) -> None:
        self._ends: dict[str, int] = {}
        self._accepted: list[str] = []
        self._problems: list[str] = []

    def commanded(self, command: CommandMessage) -> None:
        """An engine asked for something."""
        if isinstance(command, SubmitOrder):
            if command.client_order_id in self._ends:
                self._problems.append(f"{command.client_order_id} was submitted twice")
            self._ends[command.client_order_id] = 0

    def answered(self, message: ExecutionMessage) -> None:
        """The executor answered."""
        if isinstance(message, OrderAccepted | OrderFailed):
            if message.client_order_id not in self._ends:
                self._problems.append(f"{message.client_order_id} was never asked for")
                return
            self._ends[message.client_order_id] += 1
            if isinstance(message, OrderAccepted):
                self._accepted.append(message.order_hash)

    def problems(self, accounts: Accounts, owner: str) -> list[str]:
        """After quiescence."""
        problems = list(self._problems)
        problems += [f"{order_id} ended {n} times" for order_id, n in self._ends.items() if n != 1]
        ours = [r.order_hash for r in accounts.orders.values() if r.account.owner == owner]
        strangers = _missing(ours, self._accepted)
        problems += [f"{order_hash} at the venue is no engine's" for order_hash in strangers]
        return problems


def _missing(wanted: Sequence[str], known: Sequence[str]) -> list[str]:
    have = dict.fromkeys(known)
    return [each for each in wanted if each not in have]
