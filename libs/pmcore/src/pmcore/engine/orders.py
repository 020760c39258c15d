"""Our orders of one window: what the executor and the user channel say, applied to the table."""

from __future__ import annotations

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
_UNSEEN_FILL_TIMEOUTS = 10


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

    def get(self, client_order_id: str) -> OwnOrder | None:
        """The order of one of our ids."""
        return self._by_id.get(client_order_id)

    def by_hash(self, order_hash: str) -> OwnOrder | None:
        """The order of one of the venue's ids."""
        return self._by_hash.get(order_hash)

    def identify(self, order: OwnOrder, order_hash: str, filled_u6: int) -> None:
        """The executor named the venue's id; fills that came first are counted now."""
        order.order_hash = order_hash
        self._by_hash[order_hash] = order
        order.filled_u6 = max(order.filled_u6, filled_u6)

    def trigger(self, order: OwnOrder, trigger: OrderTrigger, at_ns: int) -> str:
        """Move an order; return "" or why the table refused (nothing changed then)."""
        try:
            state = advance(order.state, trigger)
        except InvalidTransitionError as error:
            return f"{order.client_order_id}: {error}"
        if state is not order.state:
            order.state = state
            order.changed_ns = at_ns
        if state.is_over:
            self._alive = [o for o in self._alive if o is not order]
        return ""

    def filled(self, order: OwnOrder, filled_u6: int, at_ns: int) -> str:
        """Shares filled so far, from the ledger."""
        order.filled_u6 = filled_u6
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

    def expire(self, at_ns: int) -> list[str]:
        """Close orders that both sources, or a long enough silence, say are gone.

        Return what needs a notice.
        """
        notices: list[str] = []
        for order in tuple(self._alive):
            if order.state.occupies_slot:
                continue
            waited_ns = at_ns - order.changed_ns
            unseen = order.venue_filled_u6 is not None and order.exposure_u6 > 0
            patience_ns = self._params.agree_timeout_ns * (_UNSEEN_FILL_TIMEOUTS if unseen else 1)
            if order.exposure_u6 == 0 or waited_ns >= patience_ns:
                if unseen:
                    notices.append(f"{order.client_order_id}: matched shares never reported")
                self.trigger(order, OrderTrigger.AGREED, at_ns)
        return notices

    def close_all(self, at_ns: int) -> None:
        """The venue was asked and has nothing of ours open: a reconcile."""
        for order in tuple(self._alive):
            if order.exposure_u6 == 0 or order.venue_filled_u6 is None:
                self.trigger(order, OrderTrigger.AGREED, at_ns)
