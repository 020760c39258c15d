"""The executor's own limits: what a window may hold at most, whatever the strategy believes.

Inventory is read from the user channel's messages, and counted for these limits alone; nothing here
is reported to anybody. The worst case counts: every order that may still be filled is, and what the
other side has matched counts only once the chain took it. The bounds are those that the strategy
keeps, and here the same or more is known: so a strategy that is right never meets them.
"""

from __future__ import annotations

from collections.abc import Iterator

from pmcore.engine.execution.records import MAX_POSTS_PER_WINDOW, WindowRecord
from pmcore.engine.execution.state import ExecutionState
from pmcore.machines.order_evidence import evidence_of
from pmcore.machines.risk import Exposure
from pmcore.messages.orders import SubmitOrder
from pmcore.messages.user import FillReported, OrderUpdated
from pmcore.model.errors import Reason
from pmcore.model.params import OrderCaps
from pmcore.model.units import NS_PER_S, PRICE_ONE_E4

LOSS_GRACE_NS = 5 * NS_PER_S
"""So long the strategy has to hear of a loss too; a command that it sent before has expired."""
_Refusal = tuple[Reason, str]


def hear_account(state: ExecutionState, event: FillReported | OrderUpdated) -> None:
    """A message of the user channel; of other markets nothing is kept."""
    window = _window_of(state, event.condition_id)
    outcome = None if window is None else window.window.outcome_of(event.token_id)
    if window is None or outcome is None:
        return
    record = state.by_hash.get(event.order_hash)
    if isinstance(event, FillReported):
        window.inventory.apply(event, outcome)
        _mind_loss(state, window)
        if record is not None:
            record.filled_u6 = window.inventory.filled_u6(event.order_hash)
    elif record is not None:
        evidence = evidence_of(event, record.size_u6)
        record.told_gone |= evidence.gone
        record.claim(evidence.matched_u6, final=evidence.final)
    if record is not None:
        window.recount(record)


def _window_of(state: ExecutionState, condition_id: str) -> WindowRecord | None:
    found = (w for w in state.windows.values() if w.window.condition_id == condition_id)
    return next(found, None)


def beyond_limits(
    state: ExecutionState, window: WindowRecord, command: SubmitOrder
) -> _Refusal | None:
    """The first limit that this order could break; no strategy with these settings asks for it."""
    caps = state.caps_of(window)
    if caps is None:
        return None
    text = (
        _too_many(window)
        or _too_large(caps, command, window)
        or _too_exposed(caps, command, window)
        or _too_much_lost(state, caps, command, window)
    )
    return (Reason.RISK, text) if text else None


def _too_many(window: WindowRecord) -> str:
    if window.submits <= MAX_POSTS_PER_WINDOW:
        return ""
    return f"more than {MAX_POSTS_PER_WINDOW} orders in this window"


def _too_large(caps: OrderCaps, command: SubmitOrder, window: WindowRecord) -> str:
    most_u6 = max(caps.bid_size_u6, window.window.min_size_u6)
    if command.size_u6 > most_u6:
        return f"{command.size_u6} is more than one bid may be: {most_u6}"
    if command.price_e4 * command.size_u6 >= caps.max_position_value_u6 * PRICE_ONE_E4:
        return f"it costs as much as PM_MAX_POSITION_VALUE: {caps.max_position_value_u6}"
    if caps.pair_target_e4 is not None and command.price_e4 > caps.pair_target_e4:
        return f"its price is above PM_PAIR_TARGET: {caps.pair_target_e4}"
    return ""


def _too_exposed(caps: OrderCaps, command: SubmitOrder, window: WindowRecord) -> str:
    """Net and value if all that may fill does; the same worst case as in machines/risk.py."""
    outcome = command.outcome
    position = window.inventory.working
    for exposure in (Exposure(outcome, command.price_e4, command.size_u6), *_exposures(window)):
        position = position.with_buy(exposure.outcome, exposure.price_e4, exposure.qty_u6)
    most_u6 = position.holding(outcome).qty_u6
    sure_u6 = window.inventory.settled.holding(outcome.complement).qty_u6
    if caps.max_net_diff_u6 is not None and most_u6 - sure_u6 >= caps.max_net_diff_u6:
        return f"the net position could reach PM_MAX_NET_DIFF: {most_u6 - sure_u6}"
    if not position.value_below(outcome, caps.max_position_value_u6):
        return f"the position could cost PM_MAX_POSITION_VALUE: {caps.max_position_value_u6}"
    return ""


def _exposures(window: WindowRecord) -> Iterator[Exposure]:
    for record in window.counted.values():
        if record.unheard:
            continue
        assert record.outcome is not None  # an earlier run's has no size
        yield Exposure(record.outcome, record.price_e4, record.exposure_u6)


def _too_much_lost(
    state: ExecutionState, caps: OrderCaps, command: SubmitOrder, window: WindowRecord
) -> str:
    """After a loss only what lowers the net position; the strategy has stopped on its own."""
    held = window.inventory.working
    own, other = held.holding(command.outcome), held.holding(command.outcome.complement)
    since_ns = window.lost_since_ns
    if since_ns is None or state.at_ns - since_ns < LOSS_GRACE_NS or own.qty_u6 < other.qty_u6:
        return ""
    return f"this window may lose PM_MAX_WINDOW_LOSS: {caps.max_window_loss_u6}"


def _mind_loss(state: ExecutionState, window: WindowRecord) -> None:
    caps = state.caps_of(window)
    most_u6 = None if caps is None else caps.max_window_loss_u6
    if most_u6 is None or window.inventory.working.worst_loss_u6 < most_u6:
        window.lost_since_ns = None
    elif window.lost_since_ns is None:
        window.lost_since_ns = state.at_ns
