"""Our orders of one window: what the executor and the user channel say, applied to the table."""

from __future__ import annotations

from collections.abc import Iterable

from pmcore.machines.order_lifecycle import (
    InvalidTransitionError,
    OrderState,
    OrderTrigger,
    OwnOrder,
    advance,
)
from pmcore.machines.risk import Exposure
from pmcore.model.errors import Reason
from pmcore.model.market import Outcome
from pmcore.model.params import StrategyParams

GONE_REASONS = (Reason.ALREADY_MATCHED, Reason.NOT_FOUND)
_MAX_ASK_WAITS = 5
"""The wait between two questions about one order doubles this often."""


class OrderBookkeeper:
    """All orders of a window by our id and by the venue's; at most one slot a side."""

    def __init__(self, params: StrategyParams) -> None:
        self._params = params
        self._by_id: dict[str, OwnOrder] = {}
        self._by_hash: dict[str, OwnOrder] = {}
        self._alive: list[OwnOrder] = []

    def __len__(self) -> int:
        return len(self._by_id)

    def add(self, order: OwnOrder) -> None:
        """A command to place it was just emitted."""
        self._by_id[order.client_order_id] = order
        self._alive.append(order)

    def cancel_asked(self, orders: Iterable[OwnOrder], at_ns: int) -> None:
        """A command to cancel these orders was just emitted."""
        for order in orders:
            order.cancel_requested_ns = at_ns

    @staticmethod
    def cancel_failed(order: OwnOrder) -> None:
        """The cancel did not go through: it may be sent again at once."""
        order.cancel_requested_ns = None

    def get(self, client_order_id: str) -> OwnOrder | None:
        """The order of one of our ids."""
        return self._by_id.get(client_order_id)

    def by_hash(self, order_hash: str) -> OwnOrder | None:
        """The order of one of the venue's ids."""
        return self._by_hash.get(order_hash)

    def identify(self, order: OwnOrder, order_hash: str, filled_u6: int) -> None:
        """The executor named the venue's id; fills that came first are counted now."""
        self.forget_stranger(order_hash)
        order.order_hash = order_hash
        self._by_hash[order_hash] = order
        order.filled_u6 = max(order.filled_u6, filled_u6)

    def add_stranger(self, order: OwnOrder) -> None:
        """An order of this market that no command of this run made: only its matches count."""
        self._by_hash[order.order_hash] = order
        self._alive.append(order)

    def forget_stranger(self, order_hash: str) -> None:
        """It has a name now, or nothing of it is owed."""
        order = self._by_hash.get(order_hash)
        if order is not None and not order.client_order_id:
            del self._by_hash[order_hash]
            self._alive = [o for o in self._alive if o is not order]

    def trigger(self, order: OwnOrder, trigger: OrderTrigger, at_ns: int) -> str:
        """Move an order; return "" or why the table refused (nothing changed then)."""
        try:
            state = advance(order.state, trigger)
        except InvalidTransitionError as error:
            return f"{order.client_order_id}: {error}"
        if state in (OrderState.CLOSED, OrderState.FAILED) and order.owed_u6:
            state = advance(state, OrderTrigger.MATCH_SEEN)
        was_over = order.state.is_over
        if state is not order.state:
            order.state = state
            order.changed_ns = at_ns
        if state.is_over:
            self._alive = [o for o in self._alive if o is not order]
        elif was_over:
            self._alive.append(order)
        return ""

    def claim(
        self, order: OwnOrder, matched_u6: int | None, at_ns: int, *, ended: bool = False
    ) -> str:
        """Somebody says how much was matched; `ended`: of an order that takes no more.

        Only a trade books it. Until then it counts as bought wherever that is worse. "Nothing"
        is not believed of an order whose match was proved: the venue does not list it any more.
        """
        if matched_u6 is not None:
            order.claimed_u6 = max(order.claimed_u6, matched_u6)
            if ended and (matched_u6 or not order.match_proved):
                order.venue_filled_u6 = max(order.venue_filled_u6 or 0, matched_u6)
        self._mind_owed(order, at_ns)
        if order.owed_u6 and order.state in (OrderState.CLOSED, OrderState.FAILED):
            return self.trigger(order, OrderTrigger.MATCH_SEEN, at_ns)
        return ""

    def prove_match(self, order: OwnOrder, at_ns: int) -> str:
        """A cancel was refused as already matched, without an amount."""
        order.match_proved = True
        order.venue_filled_u6 = order.venue_filled_u6 or None
        return self.claim(order, None, at_ns)

    @staticmethod
    def _mind_owed(order: OwnOrder, at_ns: int) -> None:
        if not order.owed_u6:
            order.owed_since_ns = None
        elif order.owed_since_ns is None:
            order.owed_since_ns = at_ns

    def filled(self, order: OwnOrder, filled_u6: int, at_ns: int) -> str:
        """Shares filled so far, from the ledger."""
        order.filled_u6 = filled_u6
        self._mind_owed(order, at_ns)
        if order.leaves_u6 == 0:
            return self.trigger(order, OrderTrigger.FILLED, at_ns)
        if order.state in (OrderState.SUBMITTING, OrderState.UNKNOWN):
            return self.trigger(order, OrderTrigger.USER_PLACED, at_ns)
        return ""

    def slot(self, outcome: Outcome) -> OwnOrder | None:
        """The order that occupies a side's slot."""
        for order in self._alive:
            if order.outcome is outcome and order.state.occupies_slot:
                return order
        return None

    def exposures(self, *, slots_only: bool = False) -> list[Exposure]:
        """What may still be bought; `slots_only` leaves out orders that are going."""
        return [
            Exposure(o.outcome, o.price_e4, o.exposure_u6)
            for o in self._alive
            if o.state.occupies_slot or not slots_only
        ]

    def alive(self) -> tuple[OwnOrder, ...]:
        """Orders that are not over, oldest first."""
        return tuple(self._alive)

    def owed(self) -> list[Exposure]:
        """Shares that somebody proved to be matched and that no trade has told yet."""
        return [Exposure(o.outcome, o.price_e4, o.owed_u6) for o in self._alive if o.owed_u6]

    def owes(self, outcome: Outcome) -> bool:
        """Whether a trade of this side is still to be told: buying again could double it."""
        return any(o.owed_u6 and o.outcome is outcome for o in self._alive)

    def settle_accounts(self, at_ns: int) -> None:
        """Close what left the book and is in the ledger as far as it was matched."""
        for order in tuple(self._alive):
            if not order.state.occupies_slot and order.exposure_u6 == 0:
                if order.client_order_id:
                    self.trigger(order, OrderTrigger.AGREED, at_ns)
                else:
                    self.forget_stranger(order.order_hash)

    def to_ask(self, at_ns: int) -> list[OwnOrder]:
        """Orders that left the book, of which nobody said how much was matched: ask (again)."""
        asked: list[OwnOrder] = []
        for order in self._alive:
            if order.state.occupies_slot or order.venue_filled_u6 is not None:
                continue
            waits = min(order.asks, _MAX_ASK_WAITS)
            wait_ns = self._params.agree_timeout_ns << waits
            if at_ns - max(order.changed_ns, order.asked_ns) >= wait_ns:
                order.asks += 1
                order.asked_ns = at_ns
                asked.append(order)
        return asked

    def unaccounted(self, at_ns: int) -> list[OwnOrder]:
        """Orders whose fills were not accounted for within the bound."""
        bound_ns = self._params.account_timeout_ns
        return [
            order
            for order in self._alive
            if (order.owed_since_ns is not None and at_ns - order.owed_since_ns >= bound_ns)
            or (not order.state.occupies_slot and at_ns - order.changed_ns >= bound_ns)
        ]

    def close_all(self, at_ns: int) -> None:
        """The venue has nothing of ours open. What was filled before is still to be told."""
        for order in tuple(self._alive):
            if order.state is OrderState.REQUESTED and not order.order_hash:
                order.venue_filled_u6 = 0  # it had no id yet: it was never sent
            if order.state.occupies_slot:
                self.trigger(order, OrderTrigger.REST_GONE, at_ns)
        self.settle_accounts(at_ns)
