"""From a SubmitOrder to the venue's answer: checks, the rate budget, signing, recording, POST."""

from __future__ import annotations

from collections import deque

from pmcore.engine.execution.io import (
    AccountHeard,
    Finished,
    PostOrder,
    PostRejected,
    SignOrder,
)
from pmcore.engine.execution.limits import beyond_limits
from pmcore.engine.execution.records import (
    MAX_LIVE_PER_WINDOW,
    MAX_WAITING,
    NOT_SENT,
    Ask,
    OrderRecord,
    WindowRecord,
)
from pmcore.engine.execution.state import ExecutionState
from pmcore.machines.outbox import OutboxState, OutboxTrigger
from pmcore.messages.execution import FailureStage, OrderAccepted, OrderSubmitting, OrderUnknown
from pmcore.messages.notices import NoticeKind
from pmcore.messages.orders import SubmitOrder
from pmcore.model.check import invariant
from pmcore.model.errors import Reason
from pmcore.model.units import QTY_GRID_U6, is_on_grid

_NEVER_SENT = frozenset(
    {
        Reason.TRANSPORT,
        Reason.TIMEOUT,
        Reason.NO_LEASE,
        Reason.NO_HEARTBEAT,
        Reason.HALTED,
        Reason.SHUTTING_DOWN,
        Reason.NOT_FLAT,
        Reason.EXPIRED,
    }
)
_Refusal = tuple[Reason, str]


def submit(state: ExecutionState, token: str, command: SubmitOrder) -> None:
    """Accept a command or refuse it; a repeated one is dropped, because its order has an answer."""
    window = state.windows.get(command.slug)
    if window is None:
        state.deny_command(command, Reason.MARKET_CLOSED, "the window is not known here")
        state.out.append(Finished(token))
        return
    if command.client_order_id in window.orders:
        state.notice(
            NoticeKind.INPUT_DROPPED,
            command.slug,
            Reason.DUPLICATE_COMMAND,
            command.client_order_id,
        )
        state.out.append(Finished(token))
        return
    window.submits += not state.no_lease(command)  # a stranger's are not counted
    record = OrderRecord(command.client_order_id, command.slug, OutboxState.WAITING)
    record.command = command
    record.outcome = command.outcome
    record.price_e4 = command.price_e4
    record.size_u6 = command.size_u6
    record.token = token
    record.unheard = state.awaits_account
    refusal = (
        _crowded(state, window)
        or _malformed(command, window)
        or _refusal(state, record, command)
        or (None if record.unheard else _beyond_limits(state, window, command))
    )
    state.remember(window, record)
    if refusal is None:
        state.waiting.append(record)
    else:
        state.deny(record, *refusal)


def account_heard(state: ExecutionState, event: AccountHeard) -> None:
    """Judge these orders in their order, as if they came now; what was taken back is over."""
    window = state.windows.get(event.slug)
    for client_order_id in event.asked:
        record = None if window is None else window.live.get(client_order_id)
        if window is None or record is None or not record.unheard or record.command is None:
            continue
        command = record.command
        refusal = (
            _queued_up(state)
            or _refusal(state, record, command)
            or _beyond_limits(state, window, command)
        )
        record.unheard = False
        if refusal is not None:
            state.deny(record, *refusal)


def _beyond_limits(
    state: ExecutionState, window: WindowRecord, command: SubmitOrder
) -> _Refusal | None:
    """The last question: of an order that could go out, one answer and one notice."""
    refusal = beyond_limits(state, window, command)
    if refusal is not None:
        state.notice(NoticeKind.COMMAND_REFUSED, command.slug, *refusal)
    return refusal


def _crowded(state: ExecutionState, window: WindowRecord) -> _Refusal | None:
    if len(window.live) >= MAX_LIVE_PER_WINDOW:
        return Reason.RISK, f"{MAX_LIVE_PER_WINDOW} orders of this window are alive"
    return _queued_up(state)


def _queued_up(state: ExecutionState) -> _Refusal | None:
    if state.in_line >= MAX_WAITING:
        return Reason.BUDGET, "the queue for the rate budget is full"
    return None


def _malformed(command: SubmitOrder, window: WindowRecord) -> _Refusal | None:
    if not is_on_grid(command.price_e4, command.tick_e4):
        return Reason.TICK, f"{command.price_e4} is not on the grid of {command.tick_e4}"
    if command.size_u6 // QTY_GRID_U6 * QTY_GRID_U6 < window.window.min_size_u6:
        return Reason.MIN_SIZE, f"below the market's minimum of {window.window.min_size_u6}"
    return None


def _refusal(state: ExecutionState, record: OrderRecord, command: SubmitOrder) -> _Refusal | None:
    """Why this order may not go out now."""
    window = state.windows[record.slug]
    refusal: _Refusal | None = None
    if why := state.no_lease(command):
        refusal = Reason.NO_LEASE, why
    elif state.stopping:
        refusal = Reason.SHUTTING_DOWN, "the executor stops"
    elif state.halted is not None:
        refusal = Reason.HALTED, state.halted
    elif state.gate_text is not None:
        refusal = Reason.NO_HEARTBEAT, state.gate_text
    elif window.ending or state.at_ns >= window.window.close_ns:
        refusal = Reason.MARKET_CLOSED, "the window is over"
    elif window.sweep is not None:
        refusal = Reason.NOT_FLAT, "the window is being cancelled"
    elif (reason := state.modes.refusal()) is not None:
        refusal = reason, f"the venue is {state.modes.mode}"
    elif state.at_ns >= command.expires_at_ns:
        refusal = Reason.EXPIRED, "too late to send"
    return refusal


def admit_waiting(state: ExecutionState) -> None:
    """In order of arrival while the budget lasts; the rest waits until it expires.

    An order that was not judged yet keeps back none behind it: it may be another series'.
    """
    still: deque[OrderRecord] = deque()
    spent = False
    for record in state.waiting:
        command = record.command
        if record.state is not OutboxState.WAITING or command is None:
            continue
        if (refusal := _refusal(state, record, command)) is not None:
            reason, text = refusal
            late = reason is Reason.EXPIRED and not record.unheard
            state.deny(record, Reason.BUDGET if late else reason, text)
        elif record.unheard:
            still.append(record)
        elif not spent and state.budget.may_place(state.at_ns, state.open_orders):
            state.budget.orders.take(state.at_ns, 1)
            record.move(state.at_ns, OutboxTrigger.ADMITTED)
            state.out.append(SignOrder(command))
        else:
            spent = True
            still.append(record)
    state.waiting = still


def signed(state: ExecutionState, client_order_id: str, order_hash: str) -> None:
    """The id is known: it goes to `exe` before anything goes to the venue."""
    record = state.find(client_order_id)
    record.move(state.at_ns, OutboxTrigger.SIGNED)
    invariant(order_hash not in state.by_hash, "two orders with one hash")
    record.order_hash = order_hash
    state.by_hash[order_hash] = record
    state.out.append(
        OrderSubmitting(
            slug=record.slug,
            client_order_id=client_order_id,
            order_hash=order_hash,
            ts_exec_ns=state.at_ns,
        )
    )


def recorded(state: ExecutionState, client_order_id: str) -> None:
    """The last check before the POST."""
    record = state.find(client_order_id)
    command = record.command
    invariant(
        record.state is OutboxState.RECORDING and command is not None,
        "recorded twice would be posted twice",
    )
    assert command is not None
    if (refusal := record.deny or _refusal(state, record, command)) is not None:
        state.deny(record, *refusal)
        return
    record.move(state.at_ns, OutboxTrigger.RECORDED)
    state.out.append(PostOrder(record.slug, client_order_id, record.order_hash))


def last_refusal(state: ExecutionState, client_order_id: str) -> _Refusal | None:
    """Its POST had to wait for a connection: what came meanwhile counts."""
    record = state.posting(client_order_id)
    assert record.command is not None  # kept until its end
    if refusal := _refusal(state, record, record.command):
        return refusal
    return (Reason.EXPIRED, NOT_SENT) if record.cancel_wanted else None


def posted(state: ExecutionState, record: OrderRecord) -> None:
    """It rests. A cancel that came meanwhile goes out now."""
    record.move(state.at_ns, OutboxTrigger.ACCEPTED)
    record.was_accepted = True
    if state.modes.accepted():
        state.publish_mode()
    state.out.append(
        OrderAccepted(
            slug=record.slug,
            client_order_id=record.client_order_id,
            order_hash=record.order_hash,
            ts_exec_ns=state.at_ns,
        )
    )
    state.finish_submit(record)
    if record.cancel_wanted:
        record.move(state.at_ns, OutboxTrigger.CANCEL)


def post_rejected(state: ExecutionState, event: PostRejected) -> None:
    """It does not rest, and why."""
    record = state.posting(event.client_order_id)
    state.apply_rate_headers(state.budget.orders, event.rate)
    state.note_mode(event.mode, event.retry_after_ms)
    if event.reason is Reason.RATE_LIMITED:
        state.budget.orders.block(state.after(event.retry_after_ms))
    if event.reason is Reason.DUPLICATE:  # the venue has the order, so it has not failed
        post_unknown(state, record, event.reason, event.text)
        return
    stage = FailureStage.DENIED if event.reason in _NEVER_SENT else FailureStage.REJECTED
    state.reject(record, event.reason, event.text, stage)


def post_unknown(state: ExecutionState, record: OrderRecord, reason: Reason, text: str) -> None:
    """Say so, then cancel it by its id and ask (docs/venue.md 1.5)."""
    record.move(state.at_ns, OutboxTrigger.UNCLEAR)
    record.ask = Ask.DELETE
    if reason is Reason.EDGE_PAGE:
        record.unclear = (reason, text)
    state.notice(NoticeKind.UNKNOWN_ORDER, record.slug, reason, text)
    state.out.append(
        OrderUnknown(
            slug=record.slug,
            client_order_id=record.client_order_id,
            order_hash=record.order_hash,
            reason=reason,
            ts_exec_ns=state.at_ns,
        )
    )
