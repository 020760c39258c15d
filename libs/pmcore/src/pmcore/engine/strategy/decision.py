"""From a session to commands: hold, targets, the risk of both together, then side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pmcore.engine.strategy.explain import explain
from pmcore.engine.strategy.session import OUTCOMES, MarketSession
from pmcore.machines.order_lifecycle import OrderState, OwnOrder, QuoteNote
from pmcore.machines.placement import PlacementAction, action_for
from pmcore.machines.quoting import Quote, QuoteMode, SideView, Targets, decide, withdrawn
from pmcore.machines.risk import Exposure, RiskApproved, RiskRefusal, approve, refuse
from pmcore.machines.rotation import WindowState
from pmcore.messages.orders import CancelOrders, CancelWindow, CommandMessage, SubmitOrder
from pmcore.model.market import Outcome


def decide_commands(
    session: MarketSession,
    at_ns: int,
    seen: Mapping[Outcome, SideView],
    next_order_id: Callable[[], str],
) -> list[CommandMessage]:
    """What to send now. A cancel never waits for anything; a placement waits for everything."""
    session.decision.begin()
    targets, commands = _decide(session, at_ns, seen, next_order_id)
    session.decision.explain(explain(session, at_ns, targets))
    return commands


def _decide(
    session: MarketSession,
    at_ns: int,
    seen: Mapping[Outcome, SideView],
    next_order_id: Callable[[], str],
) -> tuple[Targets, list[CommandMessage]]:
    if must_ask_flat(session, at_ns):
        session.flat_check.asked(at_ns)
        session.orders.cancel_asked(session.orders.alive(), at_ns)
        reason = "start" if not session.flat_check.started_flat else "window end"
        asked = CancelWindow(slug=session.window.slug, reason=reason, ts_step_ns=at_ns)
        return Targets(QuoteMode.HOLD), [asked]
    targets = choose_targets(session, at_ns, seen)
    session.decision.choose(targets.mode)
    # taken now: `approved` below writes the reason of the side that it refuses
    hold_reason = session.decision.hold_reason
    commands: list[CommandMessage] = []
    cancels: list[OwnOrder] = overdue_orders(session, at_ns)
    for outcome in OUTCOMES:
        target = targets.quote(outcome)
        action = action_for(
            target,
            session.slot_view(at_ns, outcome),
            at_ns=at_ns,
            debounce_ns=session.params.debounce_ns,
            reprice_threshold_e4=session.params.reprice_threshold_e4,
        )
        if action is PlacementAction.PLACE and target is not None:
            approval = approved(session, at_ns, outcome, target)
            if approval is not None:
                commands.append(place(session, at_ns, approval, next_order_id))
        elif action is PlacementAction.CANCEL:
            order = session.orders.slot(outcome)
            if order is not None and order not in cancels:
                cancels.append(order)
                session.counters.requotes += target is not None
    if cancels:
        session.orders.cancel_asked(cancels, at_ns)
        commands.insert(
            0,
            CancelOrders(
                slug=session.window.slug,
                client_order_ids=tuple(order.client_order_id for order in cancels),
                order_hashes=tuple(order.order_hash for order in cancels),
                reason=hold_reason or targets.mode.value,
                ts_step_ns=at_ns,
                ts_cause_ns=session.cause.received_ns,
            ),
        )
    return targets, commands


def must_ask_flat(session: MarketSession, at_ns: int) -> bool:
    """Ask for CancelWindow at the start and at the end, again after a while without an answer."""
    state = session.clock.state
    if state in (WindowState.AWAITING_RESOLUTION, WindowState.SETTLED):
        return False
    ending = state is WindowState.CANCELLING
    return session.flat_check.due(at_ns, session.params.answer_timeout_ns, ending=ending)


def choose_targets(session: MarketSession, at_ns: int, seen: Mapping[Outcome, SideView]) -> Targets:
    """The quotes we want, or none with the reason."""
    session.decision.hold(session.hold(at_ns))
    if session.decision.hold_reason:
        return Targets(QuoteMode.HOLD)
    view, last = session.quote_view(seen), session.last_targets
    targets = last.answer if last.knows(view) else last.keep(view, decide(view))
    if targets.mode is not QuoteMode.BALANCED:
        return targets
    if targets.up is None or targets.down is None:
        session.decision.hold("one of the two bids has no price: no first leg without a second")
        return Targets(QuoteMode.HOLD)
    if refusal := pair_refusal(session, targets.up, targets.down):
        session.decision.refuse_pair(refusal)
        return Targets(QuoteMode.RISK)
    endangered = session.underlying.endangered(at_ns)
    targets = withdrawn(targets, endangered, QuoteMode.UNDERLYING)
    if not session.fair_value.is_on:
        return targets
    overpriced = session.fair_value.overpriced(at_ns, highest_bids_e4(session, targets))
    return withdrawn(targets, overpriced, QuoteMode.FAIR_VALUE)


def highest_bids_e4(session: MarketSession, targets: Targets) -> dict[Outcome, int]:
    """The target's price by outcome, or that of the order that rests, where it is higher."""
    bids_e4: dict[Outcome, int] = {}
    for outcome in OUTCOMES:
        target, order = targets.quote(outcome), session.orders.slot(outcome)
        if target is not None:
            bids_e4[outcome] = max(target.price_e4, order.price_e4 if order else 0)
    return bids_e4


def pair_refusal(session: MarketSession, up: Quote, down: Quote) -> RiskRefusal | None:
    """The limit that both bids together could break: a first leg must leave room for the second.

    What already rests on a side stands for its target; orders that are going do not count here,
    but they do when a single order is approved (`approved`).
    """
    pair = tuple(
        Exposure(outcome, quote.price_e4, order.exposure_u6 if order else quote.size_u6)
        for outcome, quote in ((Outcome.UP, up), (Outcome.DOWN, down))
        for order in (session.orders.slot(outcome),)
    )
    inventory, last = session.inventory, session.last_pair_risk
    asked = (pair, inventory.working, inventory.settled, inventory.unsettled)
    if last.knows(asked):
        return last.answer
    up_bid, down_bid = pair
    views, maybe = (inventory.working, inventory.settled), session.provisional
    limits = session.params.limits
    return last.keep(
        asked,
        refuse(up_bid, [down_bid], views, limits, maybe)
        or refuse(down_bid, [up_bid], views, limits, maybe),
    )


def approved(
    session: MarketSession, at_ns: int, outcome: Outcome, target: Quote
) -> RiskApproved | None:
    """Approve one order on the worst case; None when it must wait, with the reason as the hold."""
    if blocked := session.placing_blocked(at_ns):
        session.decision.hold(blocked)
        return None
    if session.orders.owes(outcome):
        session.decision.hold(f"waiting for the trade of matched {outcome.value} shares")
        return None
    exposure = Exposure(outcome, target.price_e4, target.size_u6)
    views = (session.inventory.working, session.inventory.settled)
    others, limits = session.orders.exposures(), session.params.limits
    verdict = approve(exposure, others, views, limits, session.provisional)
    if isinstance(verdict, RiskRefusal):
        session.decision.refuse(outcome, verdict)
        return None
    return verdict


def place(
    session: MarketSession, at_ns: int, approval: RiskApproved, next_order_id: Callable[[], str]
) -> SubmitOrder:
    """Take the slot and make the command. The only place where an order begins."""
    order = OwnOrder(
        client_order_id=next_order_id(),
        outcome=approval.outcome,
        price_e4=approval.price_e4,
        size_u6=approval.qty_u6,
        changed_ns=at_ns,
        note=QuoteNote(
            session.decision.mode.value,
            session.displayed_u6(at_ns, approval.outcome, approval.price_e4),
        ),
    )
    session.orders.add(order)
    session.sides[order.outcome].placed(at_ns)
    session.counters.quotes_submitted += 1
    return SubmitOrder(
        client_order_id=order.client_order_id,
        slug=session.window.slug,
        outcome=order.outcome,
        price_e4=order.price_e4,
        size_u6=order.size_u6,
        tick_e4=session.books.tick_e4,
        expires_at_ns=at_ns + session.params.order_ttl_ns,
        ts_step_ns=at_ns,
        ts_cause_ns=session.cause.received_ns,
    )


def overdue_orders(session: MarketSession, at_ns: int) -> list[OwnOrder]:
    """Orders that nobody answered for, or whose fills nobody told: cancel them, that is ask."""
    timeout_ns = session.params.answer_timeout_ns
    return session.orders.to_ask(at_ns) + [
        order
        for order in session.orders.alive()
        if order.state in (OrderState.REQUESTED, OrderState.SUBMITTING, OrderState.UNKNOWN)
        and at_ns - (order.cancel_requested_ns or order.changed_ns) >= timeout_ns
    ]
