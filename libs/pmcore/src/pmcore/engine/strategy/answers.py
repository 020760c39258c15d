"""What others say of our orders, applied to the session: executor answers and order events."""

from __future__ import annotations

from collections import deque
from typing import assert_never

from pmcore.engine.strategy.orders import GONE_REASONS
from pmcore.engine.strategy.session import MarketSession
from pmcore.machines.order_evidence import evidence_of
from pmcore.machines.order_lifecycle import OrderState, OrderTrigger, OwnOrder
from pmcore.machines.rotation import WindowState
from pmcore.messages.execution import (
    CancelFailed,
    FailureStage,
    OrderAccepted,
    OrderCancelled,
    OrderFailed,
    OrderSubmitting,
    OrderUnknown,
    WindowFlat,
)
from pmcore.messages.notices import Notice, NoticeKind
from pmcore.messages.orders import CommandMessage
from pmcore.messages.user import OrderUpdated, OrderUpdateKind
from pmcore.model.errors import Reason

OrderAnswer = (
    OrderSubmitting | OrderAccepted | OrderFailed | OrderUnknown | OrderCancelled | CancelFailed
)


MAX_EARLY_EVENTS = 256
"""Events of orders that have no name yet, or that another run made."""


class Answers:
    """Applies each answer to the order's table; a pair that the table does not have is a notice."""

    def __init__(self, session: MarketSession, run_id: str) -> None:
        self._session = session
        self._run_prefix = f"{run_id}."
        self._early: deque[OrderUpdated] = deque(maxlen=MAX_EARLY_EVENTS)

    def execution(self, at_ns: int, event: OrderAnswer) -> list[CommandMessage | Notice]:
        """Apply one answer of the executor."""
        session = self._session
        order = session.orders.get(event.client_order_id)
        if order is None:
            ours = event.client_order_id.startswith(self._run_prefix)
            return [self._notice(NoticeKind.UNKNOWN_ORDER, event.client_order_id)] if ours else []
        match event:
            case OrderSubmitting():
                said = self._move(at_ns, order, OrderTrigger.SUBMITTING)
                return said + self._identify(at_ns, order, event.order_hash)
            case OrderAccepted():
                session.counters.orders_placed += 1
                session.sides[order.outcome].accepted()
                session.refusals.accepted()
                said = self._move(at_ns, order, OrderTrigger.ACCEPTED)
                return said + self._identify(at_ns, order, event.order_hash)
            case OrderFailed():
                return self._failed(at_ns, order, event)
            case OrderUnknown():
                said = self._move(at_ns, order, OrderTrigger.UNKNOWN)
                return said + self._identify(at_ns, order, event.order_hash)
            case OrderCancelled():
                session.counters.orders_cancelled += 1
                session.orders.claim(order, event.filled_u6, at_ns, ended=True)
                return self._move(at_ns, order, OrderTrigger.REST_GONE)
            case CancelFailed():
                return self._cancel_failed(at_ns, order, event)
        assert_never(event)

    def _cancel_failed(
        self, at_ns: int, order: OwnOrder, event: CancelFailed
    ) -> list[CommandMessage | Notice]:
        """Nothing rests (and perhaps: how much was matched), or the cancel is to be repeated."""
        if event.reason not in GONE_REASONS:
            self._session.orders.cancel_failed(order)
            return []
        orders, filled_u6 = self._session.orders, event.filled_u6
        if filled_u6 is None and event.reason is Reason.NOT_FOUND and not order.order_hash:
            filled_u6 = 0  # its id never stood in `exe`, so it was never sent
        if filled_u6 is None and event.reason is Reason.ALREADY_MATCHED:
            orders.prove_match(order, at_ns)
        else:
            orders.claim(order, filled_u6, at_ns, ended=True)
        return self._move(at_ns, order, OrderTrigger.REST_GONE)

    def _failed(
        self, at_ns: int, order: OwnOrder, event: OrderFailed
    ) -> list[CommandMessage | Notice]:
        session = self._session
        rejected, reason = session.counters.orders_rejected, event.reason
        rejected[reason.value] = rejected.get(reason.value, 0) + 1
        side = session.sides[order.outcome]
        side.failed(f"{reason.value}: {event.text}" if event.text else reason.value)
        wait_ns = session.refusals.refused(reason, event.text)
        if reason is Reason.POST_ONLY_CROSSES:
            side.crossed(at_ns, session.params)
        elif wait_ns is not None:
            side.wait(at_ns + wait_ns)
        elif reason is not Reason.EXPIRED:
            side.wait(at_ns + session.params.failure_backoff_ns)
        denied = event.stage is FailureStage.DENIED
        kind = NoticeKind.ORDER_DENIED if denied else NoticeKind.ORDER_REJECTED
        notice = self._notice(kind, event.client_order_id, event.text, reason=reason.value)
        return [notice, *self._move(at_ns, order, OrderTrigger.FAILED)]

    def order_updated(self, at_ns: int, event: OrderUpdated) -> list[CommandMessage | Notice]:
        """Apply one order event of the user channel; orders of others are kept aside."""
        order = self._session.orders.by_hash(event.order_hash)
        if order is None or not order.client_order_id:
            self._early.append(event)
            self._claim_of_stranger(at_ns, event)
            return []
        return self._apply_update(at_ns, order, event)

    def _apply_update(
        self, at_ns: int, order: OwnOrder, event: OrderUpdated
    ) -> list[CommandMessage | Notice]:
        """What an event says of fills counts at once; only a trade books them."""
        orders = self._session.orders
        said = evidence_of(event, order.size_u6)
        if said.proved:
            orders.prove_match(order, at_ns)
        else:
            orders.claim(order, said.matched_u6, at_ns, ended=said.final)
        if said.gone:
            return self._move(at_ns, order, OrderTrigger.USER_GONE)
        if event.kind is OrderUpdateKind.PLACEMENT:
            return self._move(at_ns, order, OrderTrigger.USER_PLACED)
        return []

    def _claim_of_stranger(self, at_ns: int, event: OrderUpdated) -> None:
        """An order that no command of this run made (yet): shares matched of it count as well."""
        session, order_hash = self._session, event.order_hash
        outcome = session.window.outcome_of(event.token_id)
        matched_u6 = event.matched_u6 or 0
        if event.kind is OrderUpdateKind.CANCELLATION and matched_u6 >= event.original_u6:
            return  # recorded so of an order that was cancelled: it proves nothing
        filled_u6 = session.inventory.filled_u6(order_hash)
        if outcome is None or matched_u6 <= filled_u6:
            return
        order = session.orders.by_hash(order_hash)
        if order is None:
            order = OwnOrder(
                client_order_id="",
                outcome=outcome,
                price_e4=event.price_e4,
                size_u6=max(event.original_u6, matched_u6),
                state=OrderState.GONE_USER,
                changed_ns=at_ns,
                order_hash=order_hash,
                filled_u6=filled_u6,
            )
            session.orders.add_stranger(order)
        session.orders.claim(order, matched_u6, at_ns, ended=True)

    def window_flat(self, at_ns: int, event: WindowFlat) -> list[CommandMessage | Notice]:
        """The venue was asked: nothing of ours is open in this window."""
        session = self._session
        if session.flat_check.asked_ns is None:
            return []
        session.orders.close_all(at_ns)
        session.clock.flat()
        session.flat_check.answered(ending=session.clock.state is WindowState.CANCELLING)
        return []

    def note_fill(self, at_ns: int, order_hash: str) -> None:
        """The ledger changed for an order.

        Unknown ones are counted once their order id is known.
        """
        order = self._session.orders.by_hash(order_hash)
        if order is not None:
            filled_u6 = self._session.inventory.filled_u6(order_hash)
            self._session.orders.filled(order, filled_u6, at_ns)

    def _identify(
        self, at_ns: int, order: OwnOrder, order_hash: str
    ) -> list[CommandMessage | Notice]:
        """The venue's id of an order is known: what was said of it before is heard now."""
        if order.order_hash == order_hash:
            return []
        filled_u6 = self._session.inventory.filled_u6(order_hash)
        self._session.orders.identify(order, order_hash, filled_u6)
        said: list[CommandMessage | Notice] = []
        if filled_u6:
            problem = self._session.orders.filled(order, filled_u6, at_ns)
            said += self._problem(order, problem)
        for event in [e for e in self._early if e.order_hash == order_hash]:
            self._early.remove(event)
            said += self._apply_update(at_ns, order, event)
        return said

    def _move(
        self, at_ns: int, order: OwnOrder, trigger: OrderTrigger
    ) -> list[CommandMessage | Notice]:
        problem = self._session.orders.trigger(order, trigger, at_ns)
        if not problem and order.order_hash and not order.state.is_over and order.filled_u6:
            problem = self._session.orders.filled(order, order.filled_u6, at_ns)
        return self._problem(order, problem)

    def _problem(self, order: OwnOrder, problem: str) -> list[CommandMessage | Notice]:
        if not problem:
            return []
        return [self._notice(NoticeKind.INVALID_TRANSITION, order.client_order_id, problem)]

    def _notice(
        self, kind: NoticeKind, client_order_id: str, detail: str = "", *, reason: str = ""
    ) -> Notice:
        text = f"{client_order_id} {detail}".strip()
        return Notice(kind=kind, slug=self._session.window.slug, reason=reason, detail=text)
