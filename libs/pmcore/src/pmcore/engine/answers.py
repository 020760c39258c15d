"""What others say of our orders, applied to the session: executor answers and order events."""

from __future__ import annotations

from typing import assert_never

from pmcore.engine.orders import GONE_REASONS
from pmcore.engine.session import FATAL_REASONS, MarketSession
from pmcore.machines.order_lifecycle import OrderTrigger, OwnOrder
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


class Answers:
    """Applies each answer to the order's table; a pair that the table does not have is a notice."""

    def __init__(self, session: MarketSession, run_id: str) -> None:
        self._session = session
        self._run_prefix = f"{run_id}."

    def execution(self, at_ns: int, event: OrderAnswer) -> list[CommandMessage | Notice]:
        """Apply one answer of the executor."""
        session = self._session
        if event.slug != session.window.slug:
            return []
        order = session.orders.get(event.client_order_id)
        if order is None:
            ours = event.client_order_id.startswith(self._run_prefix)
            return [self._notice(NoticeKind.UNKNOWN_ORDER, event.client_order_id)] if ours else []
        match event:
            case OrderSubmitting():
                self._identify(order, event.order_hash)
                return self._move(at_ns, order, OrderTrigger.SUBMITTING)
            case OrderAccepted():
                self._identify(order, event.order_hash)
                session.counters.orders_placed += 1
                session.sides[order.outcome].accepted()
                return self._move(at_ns, order, OrderTrigger.ACCEPTED)
            case OrderFailed():
                return self._failed(at_ns, order, event)
            case OrderUnknown():
                self._identify(order, event.order_hash)
                return self._move(at_ns, order, OrderTrigger.UNKNOWN)
            case OrderCancelled():
                session.counters.orders_cancelled += 1
                order.venue_filled_u6 = _larger(order.venue_filled_u6, event.filled_u6)
                return self._move(at_ns, order, OrderTrigger.REST_GONE)
            case CancelFailed():
                if event.reason in GONE_REASONS:
                    return self._move(at_ns, order, OrderTrigger.REST_GONE)
                order.cancel_requested_ns = None
                return []
        assert_never(event)

    def _failed(
        self, at_ns: int, order: OwnOrder, event: OrderFailed
    ) -> list[CommandMessage | Notice]:
        session = self._session
        rejected, reason = session.counters.orders_rejected, event.reason
        rejected[reason.value] = rejected.get(reason.value, 0) + 1
        side = session.sides[order.outcome]
        if reason is Reason.POST_ONLY_CROSSES:
            side.crossed(at_ns, session.params)
        elif reason is not Reason.EXPIRED:
            side.blocked_until_ns = at_ns + session.params.failure_backoff_ns
        if reason in FATAL_REASONS:
            session.refused = f"the venue refuses orders: {reason.value} {event.text}".strip()
        denied = event.stage is FailureStage.DENIED
        kind = NoticeKind.ORDER_DENIED if denied else NoticeKind.ORDER_REJECTED
        notice = self._notice(kind, event.client_order_id, event.text, reason=reason.value)
        return [notice, *self._move(at_ns, order, OrderTrigger.FAILED)]

    def order_updated(self, at_ns: int, event: OrderUpdated) -> list[CommandMessage | Notice]:
        """Apply one order event of the user channel; orders of others are ignored."""
        if event.condition_id != self._session.window.condition_id:
            return []
        order = self._session.orders.by_hash(event.order_hash)
        if order is None or event.kind is OrderUpdateKind.UPDATE:
            return []
        if event.kind is OrderUpdateKind.PLACEMENT:
            return self._move(at_ns, order, OrderTrigger.USER_PLACED)
        order.venue_filled_u6 = _larger(order.venue_filled_u6, event.matched_u6)
        return self._move(at_ns, order, OrderTrigger.USER_GONE)

    def window_flat(self, at_ns: int, event: WindowFlat) -> list[CommandMessage | Notice]:
        """The venue was asked: nothing of ours is open in this window."""
        session = self._session
        if event.slug != session.window.slug or session.cancel_window_asked_ns is None:
            return []
        session.orders.close_all(at_ns)
        session.started_flat = True
        session.clock.flat()
        if session.clock.state is not WindowState.CANCELLING:
            session.cancel_window_asked_ns = None
        return []

    def note_fill(self, at_ns: int, order_hash: str) -> None:
        """The ledger changed for an order.

        Unknown ones are counted once their order id is known.
        """
        order = self._session.orders.by_hash(order_hash)
        if order is not None:
            filled_u6 = self._session.inventory.filled_u6(order_hash)
            self._session.orders.filled(order, filled_u6, at_ns)

    def _identify(self, order: OwnOrder, order_hash: str) -> None:
        if order.order_hash != order_hash:
            filled_u6 = self._session.inventory.filled_u6(order_hash)
            self._session.orders.identify(order, order_hash, filled_u6)

    def _move(
        self, at_ns: int, order: OwnOrder, trigger: OrderTrigger
    ) -> list[CommandMessage | Notice]:
        problem = self._session.orders.trigger(order, trigger, at_ns)
        if not problem and order.order_hash and not order.state.is_over and order.filled_u6:
            problem = self._session.orders.filled(order, order.filled_u6, at_ns)
        if not problem:
            return []
        return [self._notice(NoticeKind.INVALID_TRANSITION, order.client_order_id, problem)]

    def _notice(
        self, kind: NoticeKind, client_order_id: str, detail: str = "", *, reason: str = ""
    ) -> Notice:
        text = f"{client_order_id} {detail}".strip()
        return Notice(kind=kind, slug=self._session.window.slug, reason=reason, detail=text)


def _larger(known_u6: int | None, said_u6: int | None) -> int | None:
    if known_u6 is None or said_u6 is None:
        return said_u6 if known_u6 is None else known_u6
    return max(known_u6, said_u6)
