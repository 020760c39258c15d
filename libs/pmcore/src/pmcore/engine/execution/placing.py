"""From a SubmitOrder to the venue's answer: checks, the rate budget, signing, recording, POST."""

from __future__ import annotations

from collections import deque

from pmcore.engine.execution.state import ExecutionState
from pmcore.engine.execution.io import Finished, PostOrder, PostRejected, SignOrder
from pmcore.engine.execution.records import (
    MAX_LIVE_PER_WINDOW,
    MAX_WAITING,
    Ask,
    OrderRecord,
    WindowRecord,
)
from pmcore.machines.outbox import OutboxState, OutboxTrigger
from pmcore.messages.execution import FailureStage, OrderAccepted, OrderSubmitting, OrderUnknown
from pmcore.messages.notices import NoticeKind
from pmcore.messages.orders import SubmitOrder
from pmcore.model.check import invariant
from pmcore.model.errors import Reason
from pmcore.model.units import QTY_GRID_U6, is_on_grid

_NEVER_SENT = frozenset({Reason.TRANSPORT, Reason.TIMEOUT})
_Refusal = tuple[Reason, str]


def submit(desk: ExecutionState, token: str, command: SubmitOrder) -> None:
    """Accept a command or refuse it; a repeated one is dropped, because its order has an answer."""
    window = desk.windows.get(command.slug)
    if window is None:
        desk.deny_command(command, Reason.MARKET_CLOSED, "the window is not known here")
        desk.out.append(Finished(token))
        return
    if command.client_order_id in window.orders:
        desk.notice(
            NoticeKind.INPUT_DROPPED,
            command.slug,
            Reason.DUPLICATE_COMMAND,
            command.client_order_id,
        )
        desk.out.append(Finished(token))
        return
    refusal = _crowded(desk, window) or _malformed(command, window)
    record = OrderRecord(command.client_order_id, command.slug, OutboxState.WAITING)
    record.command = command
    record.size_u6 = command.size_u6
    record.token = token
    desk.remember(window, record)
    refusal = refusal or _refusal(desk, record, command)
    if refusal is None:
        desk.waiting.append(record)
    else:
        desk.deny(record, *refusal)


def _crowded(desk: ExecutionState, window: WindowRecord) -> _Refusal | None:
    if len(window.live) >= MAX_LIVE_PER_WINDOW:
        return Reason.RISK, f"{MAX_LIVE_PER_WINDOW} orders of this window are alive"
    if len(desk.waiting) >= MAX_WAITING:
        return Reason.BUDGET, "the queue for the rate budget is full"
    return None


def _malformed(command: SubmitOrder, window: WindowRecord) -> _Refusal | None:
    if not is_on_grid(command.price_e4, command.tick_e4):
        return Reason.TICK, f"{command.price_e4} is not on the grid of {command.tick_e4}"
    if command.size_u6 // QTY_GRID_U6 * QTY_GRID_U6 < window.window.min_size_u6:
        return Reason.MIN_SIZE, f"below the market's minimum of {window.window.min_size_u6}"
    return None


def _refusal(desk: ExecutionState, record: OrderRecord, command: SubmitOrder) -> _Refusal | None:
    """Why this order may not go out now."""
    window = desk.windows[record.slug]
    refusal: _Refusal | None = None
    if desk.stopping:
        refusal = Reason.SHUTTING_DOWN, "the executor stops"
    elif desk.halted is not None:
        refusal = Reason.HALTED, desk.halted
    elif desk.gate_text is not None:
        refusal = Reason.NO_HEARTBEAT, desk.gate_text
    elif window.ending or desk.at_ns >= window.window.close_ns:
        refusal = Reason.MARKET_CLOSED, "the window is over"
    elif window.sweep is not None:
        refusal = Reason.NOT_FLAT, "the window is being cancelled"
    elif (reason := desk.modes.refusal()) is not None:
        refusal = reason, f"the venue is {desk.modes.mode}"
    elif desk.at_ns >= command.expires_at_ns:
        refusal = Reason.EXPIRED, "too late to send"
    return refusal


def admit_waiting(desk: ExecutionState) -> None:
    """In order of arrival while the budget lasts; the rest waits until it expires."""
    still: deque[OrderRecord] = deque()
    for record in desk.waiting:
        command = record.command
        if record.state is not OutboxState.WAITING or command is None:
            continue
        if (refusal := _refusal(desk, record, command)) is not None:
            reason, text = refusal
            desk.deny(record, Reason.BUDGET if reason is Reason.EXPIRED else reason, text)
        elif not still and desk.budget.may_place(desk.at_ns, desk.open_orders):
            desk.budget.orders.take(desk.at_ns, 1)
            record.move(desk.at_ns, OutboxTrigger.ADMITTED)
            desk.out.append(SignOrder(command))
        else:
            still.append(record)
    desk.waiting = still


def signed(desk: ExecutionState, client_order_id: str, order_hash: str) -> None:
    """The id is known: it goes to `exe` before anything goes to the venue."""
    record = desk.find(client_order_id)
    record.move(desk.at_ns, OutboxTrigger.SIGNED)
    invariant(order_hash not in desk.by_hash, "two orders with one hash")
    record.order_hash = order_hash
    desk.by_hash[order_hash] = record
    desk.out.append(
        OrderSubmitting(
            slug=record.slug,
            client_order_id=client_order_id,
            order_hash=order_hash,
            ts_exec_ns=desk.at_ns,
        )
    )


def recorded(desk: ExecutionState, client_order_id: str) -> None:
    """The last check before the POST."""
    record = desk.find(client_order_id)
    command = record.command
    invariant(
        record.state is OutboxState.RECORDING and command is not None,
        "recorded twice would be posted twice",
    )
    assert command is not None
    if (refusal := record.deny or _refusal(desk, record, command)) is not None:
        desk.deny(record, *refusal)
        return
    record.move(desk.at_ns, OutboxTrigger.RECORDED)
    desk.out.append(PostOrder(record.slug, client_order_id, record.order_hash))


def posted(desk: ExecutionState, record: OrderRecord) -> None:
    """It rests. A cancel that came meanwhile goes out now."""
    record.move(desk.at_ns, OutboxTrigger.ACCEPTED)
    record.was_accepted = True
    if desk.modes.accepted():
        desk.publish_mode()
    desk.out.append(
        OrderAccepted(
            slug=record.slug,
            client_order_id=record.client_order_id,
            order_hash=record.order_hash,
            ts_exec_ns=desk.at_ns,
        )
    )
    desk.finish_submit(record)
    if record.cancel_wanted:
        record.move(desk.at_ns, OutboxTrigger.CANCEL)


def post_rejected(desk: ExecutionState, event: PostRejected) -> None:
    """It does not rest, and why."""
    record = desk.posting(event.client_order_id)
    desk.apply_rate_headers(desk.budget.orders, event.rate)
    desk.note_mode(event.mode, event.retry_after_ms)
    if event.reason is Reason.RATE_LIMITED:
        desk.budget.orders.block(desk.after(event.retry_after_ms))
    if event.reason is Reason.DUPLICATE:  # the venue has the order, so it has not failed
        post_unknown(desk, record, event.reason, event.text)
        return
    stage = FailureStage.DENIED if event.reason in _NEVER_SENT else FailureStage.REJECTED
    desk.reject(record, event.reason, event.text, stage)


def post_unknown(desk: ExecutionState, record: OrderRecord, reason: Reason, text: str) -> None:
    """Say so, then cancel it by its id and ask (docs/venue.md 1.5)."""
    record.move(desk.at_ns, OutboxTrigger.UNCLEAR)
    record.ask = Ask.DELETE
    if reason is Reason.EDGE_PAGE:
        record.unclear = (reason, text)
    desk.notice(NoticeKind.UNKNOWN_ORDER, record.slug, reason, text)
    desk.out.append(
        OrderUnknown(
            slug=record.slug,
            client_order_id=record.client_order_id,
            order_hash=record.order_hash,
            reason=reason,
            ts_exec_ns=desk.at_ns,
        )
    )
