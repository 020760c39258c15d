"""Cancel orders, and find out what became of orders whose outcome is unknown."""

from __future__ import annotations

from pmcore.engine.execution_desk import Desk
from pmcore.engine.execution_io import (
    Adopted,
    CancelAnswered,
    CancelsFailed,
    DeleteOrders,
    Finding,
    LookUpOrder,
    OrderLookedUp,
)
from pmcore.engine.execution_records import (
    MAX_RESOLVE_ATTEMPTS,
    Ask,
    OrderRecord,
    PendingCancel,
    backoff_ns,
    refused_cancel,
)
from pmcore.machines.outbox import BEFORE_POST, OutboxState, OutboxTrigger
from pmcore.messages.orders import CancelOrders
from pmcore.model.check import invariant
from pmcore.model.errors import Reason


def cancel_orders(desk: Desk, token: str, command: CancelOrders) -> None:
    """Cancel these orders; the command is finished when each has ended."""
    pending = PendingCancel(token)
    window = desk.windows.get(command.slug)
    for client_order_id in dict.fromkeys(command.client_order_ids):
        record = None if window is None else window.orders.get(client_order_id)
        if window is None or record is None or record.state is OutboxState.DONE:
            text = "not known here" if record is None else "it ended before"
            desk.cancel_failed(command.slug, client_order_id, Reason.NOT_FOUND, text)
            continue
        pending.left += 1
        record.cancels.append(pending)
        window.revive(record)
        take_back(desk, record, Reason.EXPIRED, "cancelled before it was sent")
    desk.release(pending)


def take_back(desk: Desk, record: OrderRecord, reason: Reason, text: str) -> None:
    """Make sure that an order does not stay at the venue, whatever its state is now."""
    if record.state is OutboxState.WAITING:
        desk.deny(record, reason, text)
    elif record.state in BEFORE_POST:
        record.deny = (reason, text)
    elif record.state is OutboxState.RESTING:
        record.move(desk.at_ns, OutboxTrigger.CANCEL)
    else:
        record.cancel_wanted = True


def ask_if_due(desk: Desk, record: OrderRecord) -> None:
    """Send the next DELETE or look-up; one at a time for each order."""
    if record.asked or desk.at_ns < record.retry_ns:
        return
    resolving = record.state is OutboxState.RESOLVING
    if resolving and record.ask is Ask.LOOK_UP:
        record.asked = True
        desk.out.append(LookUpOrder(record.slug, record.order_hash))
        return
    wants_delete = resolving or record.state is OutboxState.CANCELLING
    if wants_delete and not desk.budget.cancels.blocked(desk.at_ns):
        record.asked = True
        desk.deletes.append(record.order_hash)


def flush_deletes(desk: Desk) -> None:
    """One batch, or as few batches as the venue's limit allows.

    Our own count never delays a cancel.
    """
    size = desk.budget.max_cancel_batch
    for start in range(0, len(desk.deletes), size):
        batch = tuple(desk.deletes[start : start + size])
        desk.budget.cancels.take(desk.at_ns, len(batch))
        desk.out.append(DeleteOrders(batch))
    desk.deletes.clear()


def cancel_answered(desk: Desk, answer: CancelAnswered) -> None:
    """Each id was cancelled, was refused with a text, or is missing in the answer."""
    desk.heed(desk.budget.cancels, answer.rate)
    for order_hash in answer.order_hashes:
        record = desk.by_hash.get(order_hash)
        if record is None or not record.asked:
            continue
        record.asked = False
        text = answer.not_canceled.get(order_hash, "")
        if record.state is OutboxState.RESOLVING:
            record.cancel_confirmed |= order_hash in answer.canceled
            record.ask = Ask.LOOK_UP
        elif order_hash in answer.canceled:
            desk.cancelled(record, None)
        elif refused_cancel(text) is Reason.ALREADY_MATCHED:
            desk.gone(record, Reason.ALREADY_MATCHED, text)
        else:
            record.move(desk.at_ns, OutboxTrigger.UNCLEAR)
            record.ask = Ask.LOOK_UP


def cancels_failed(desk: Desk, event: CancelsFailed) -> None:
    """Not answered: try again later. Cancelling twice does no harm."""
    desk.learn(event.mode, event.retry_after_ms)
    not_before_ns = 0
    if event.reason is Reason.RATE_LIMITED:
        not_before_ns = desk.after(event.retry_after_ms)
        desk.budget.cancels.block(not_before_ns)
    for order_hash in event.order_hashes:
        record = desk.by_hash.get(order_hash)
        if record is None or not record.asked:
            continue
        record.asked = False
        record.retry_ns = max(not_before_ns, desk.at_ns + backoff_ns(record.failures))
        record.failures += 1
        if record.state is OutboxState.RESOLVING:
            record.ask = Ask.LOOK_UP


def adopt(desk: Desk, event: Adopted) -> None:
    """An order of an earlier run: cancel it, then ask what became of it."""
    window = desk.windows.get(event.slug)
    invariant(window is not None, "orders are adopted after their window is announced")
    assert window is not None
    invariant(event.client_order_id not in window.orders, "an order is adopted once")
    record = OrderRecord(event.client_order_id, event.slug, OutboxState.RESOLVING)
    record.order_hash = event.order_hash
    record.token = event.token
    record.was_accepted = event.was_accepted
    desk.by_hash[event.order_hash] = record
    desk.remember(window, record)


def looked_up(desk: Desk, event: OrderLookedUp) -> None:
    """The venue's answer about an order of unknown outcome.

    Absence is accepted only after several looks.
    """
    record = desk.by_hash.get(event.order_hash)
    if record is None or record.state is not OutboxState.RESOLVING or not record.asked:
        return
    record.asked = False
    finding = event.finding
    known_gone = finding is Finding.CANCELED or (
        record.cancel_confirmed and finding in {Finding.LIVE, Finding.ABSENT}
    )
    if finding is Finding.UNANSWERED:
        record.retry_ns = desk.at_ns + backoff_ns(record.failures)
        record.failures += 1
    elif known_gone or (finding is Finding.MATCHED and not record.was_accepted):
        desk.cancelled(record, event.filled_u6)
    elif finding is Finding.MATCHED:
        desk.gone(record, Reason.ALREADY_MATCHED, "found matched")
    elif finding is Finding.INVALID and not record.was_accepted:
        desk.reject(record, Reason.INVALID_ORDER, "the venue calls it invalid")
    elif finding is Finding.LIVE or record.attempts + 1 < MAX_RESOLVE_ATTEMPTS:
        record.attempts += 1
        record.ask = Ask.DELETE
        record.retry_ns = desk.at_ns + backoff_ns(record.attempts)
    elif record.was_accepted:
        desk.gone(record, Reason.NOT_FOUND, f"found {finding}")
    else:
        desk.windows[record.slug].lost += 1
        desk.reject(record, Reason.LOST, "the venue does not know it")
