"""Cancel orders, and find out what became of orders whose outcome is unknown."""

from __future__ import annotations

from pmcore.engine.execution.io import (
    Adopted,
    CancelAnswered,
    CancelsFailed,
    DeleteOrders,
    LookUpOrder,
    LookUpResult,
    OrderLookedUp,
)
from pmcore.engine.execution.records import (
    ABSENT_MEANS_UNFILLED_NS,
    MAX_CANCEL_WAIT_MS,
    MAX_RESOLVE_ATTEMPTS,
    NOT_SENT,
    Ask,
    OrderRecord,
    PendingCancel,
    WindowRecord,
    backoff_ns,
    refused_cancel,
)
from pmcore.engine.execution.state import ExecutionState
from pmcore.machines.outbox import BEFORE_POST, OutboxState, OutboxTrigger
from pmcore.messages.notices import NoticeKind
from pmcore.messages.orders import CancelOrders
from pmcore.model.check import invariant
from pmcore.model.errors import Reason
from pmcore.model.units import MATCHED_DUST_U6


def cancel_orders(state: ExecutionState, token: str, command: CancelOrders) -> None:
    """Cancel these orders; the command is finished when each has ended."""
    pending = PendingCancel(token)
    window = state.windows.get(command.slug)
    hashes = dict(zip(command.client_order_ids, command.order_hashes, strict=False))
    for client_order_id in dict.fromkeys(command.client_order_ids):
        record = None if window is None else window.orders.get(client_order_id)
        if record is None and window is not None and hashes.get(client_order_id):
            record = _of_earlier_run(state, window, client_order_id, hashes[client_order_id])
        if window is None or record is None:
            state.cancel_failed(command.slug, client_order_id, Reason.NOT_FOUND, "not known here")
            continue
        if record.state is OutboxState.DONE and record.ended_ns is None:
            text = "it ended before"
            state.cancel_failed(command.slug, client_order_id, Reason.NOT_FOUND, text)
            continue
        pending.left += 1
        record.cancels.append(pending)
        window.revive(record)
        if record.state is OutboxState.DONE:
            ask_again(state, record)
        else:
            take_back(state, record, Reason.EXPIRED, NOT_SENT)
    state.release(pending)


def _of_earlier_run(
    state: ExecutionState, window: WindowRecord, client_order_id: str, order_hash: str
) -> OrderRecord | None:
    """An order of which only the strategy remembers anything: cancel it and ask."""
    if order_hash in state.by_hash:
        return None
    record = OrderRecord(client_order_id, window.window.slug, OutboxState.RESTING)
    record.order_hash = order_hash
    record.was_accepted = True
    state.by_hash[order_hash] = record
    state.remember(window, record)
    return record


def ask_again(state: ExecutionState, record: OrderRecord) -> None:
    """Its end was said, but not how much of it was filled."""
    record.move(state.at_ns, OutboxTrigger.DOUBTED)
    record.ask = Ask.LOOK_UP


def account_if_due(state: ExecutionState, window: WindowRecord) -> None:
    """Ask how much was matched of ended orders; it counts as all of them until somebody says."""
    if state.caps_of(window) is None or window.ending or window.sweep is not None:
        return
    for record in tuple(window.counted.values()):
        ended = record.state is OutboxState.DONE and record.ended_ns is not None
        if ended and record.final_u6 is None and state.at_ns >= record.account_ns:
            record.account_asks += 1
            window.revive(record)
            ask_again(state, record)


def doubt(state: ExecutionState, record: OrderRecord) -> None:
    """It should rest, and the venue's list does not show it: ask about this order."""
    record.move(state.at_ns, OutboxTrigger.DOUBTED)
    record.doubted = True
    record.ask = Ask.LOOK_UP


def take_back(state: ExecutionState, record: OrderRecord, reason: Reason, text: str) -> None:
    """Make sure that an order does not stay at the venue, whatever its state is now."""
    if record.state is OutboxState.WAITING:
        state.deny(record, reason, text)
    elif record.state in BEFORE_POST:
        record.deny = (reason, text)
    elif record.state is OutboxState.RESTING:
        record.move(state.at_ns, OutboxTrigger.CANCEL)
    else:
        if record.doubted and not record.asked:
            record.ask = Ask.DELETE
            if not record.cancel_wanted:
                record.retry_ns = 0  # the look-up's; the first DELETE waits for nothing
        record.cancel_wanted = True


def ask_if_due(state: ExecutionState, record: OrderRecord) -> None:
    """Send the next DELETE or look-up; one at a time for each order."""
    if record.asked or state.at_ns < record.retry_ns:
        return
    resolving = record.state is OutboxState.RESOLVING
    if resolving and record.ask is Ask.LOOK_UP:
        record.asked = True
        state.out.append(LookUpOrder(record.slug, record.order_hash))
        return
    wants_delete = resolving or record.state is OutboxState.CANCELLING
    if wants_delete and not state.budget.cancels.blocked(state.at_ns):
        record.asked = True
        state.deletes.append(record.order_hash)


def flush_deletes(state: ExecutionState) -> None:
    """One batch, or as few batches as the venue's limit allows.

    Our own count never delays a cancel.
    """
    size = state.budget.max_cancel_batch
    for start in range(0, len(state.deletes), size):
        batch = tuple(state.deletes[start : start + size])
        state.budget.cancels.take(state.at_ns, len(batch))
        state.out.append(DeleteOrders(batch))
    state.deletes.clear()


def cancel_answered(state: ExecutionState, answer: CancelAnswered) -> None:
    """Each id was cancelled, was refused with a text, or is missing in the answer."""
    state.apply_rate_headers(state.budget.cancels, answer.rate)
    for order_hash in answer.order_hashes:
        record = state.by_hash.get(order_hash)
        if record is None or not record.asked:
            continue
        record.asked = False
        text = answer.not_canceled.get(order_hash, "")
        if record.state is OutboxState.RESOLVING:
            record.cancel_confirmed |= order_hash in answer.canceled
            record.ask = Ask.LOOK_UP
        elif order_hash in answer.canceled:
            record.cancel_confirmed = True
            state.cancelled(record, None)
        elif refused_cancel(text) is Reason.ALREADY_MATCHED:
            state.gone(record, Reason.ALREADY_MATCHED, text)
        else:
            record.move(state.at_ns, OutboxTrigger.UNCLEAR)
            record.ask = Ask.LOOK_UP


def cancels_failed(state: ExecutionState, event: CancelsFailed) -> None:
    """Not answered: try again later. Cancelling twice does no harm."""
    state.note_mode(event.mode, event.retry_after_ms)
    not_before_ns = 0
    if event.reason is Reason.RATE_LIMITED:
        not_before_ns = state.after(event.retry_after_ms, MAX_CANCEL_WAIT_MS)
        state.budget.cancels.block(not_before_ns)
    for order_hash in event.order_hashes:
        record = state.by_hash.get(order_hash)
        if record is None or not record.asked:
            continue
        record.asked = False
        record.retry_ns = max(not_before_ns, state.at_ns + backoff_ns(record.failures))
        record.failures += 1
        if record.state is OutboxState.RESOLVING:
            record.ask = Ask.LOOK_UP


def adopt(state: ExecutionState, event: Adopted) -> None:
    """An order of an earlier run: cancel it, then ask what became of it."""
    window = state.windows.get(event.slug)
    invariant(window is not None, "orders are adopted after their window is announced")
    assert window is not None
    invariant(event.client_order_id not in window.orders, "an order is adopted once")
    record = OrderRecord(event.client_order_id, event.slug, OutboxState.RESOLVING)
    record.order_hash = event.order_hash
    record.token = event.token
    record.was_accepted = event.was_accepted
    record.ask = Ask.DELETE
    state.by_hash[event.order_hash] = record
    state.remember(window, record)


def looked_up(state: ExecutionState, event: OrderLookedUp) -> None:
    """The venue's answer about an order of unknown outcome.

    Absence is accepted only after several looks.
    """
    record = state.by_hash.get(event.order_hash)
    if record is None or record.state is not OutboxState.RESOLVING or not record.asked:
        return
    record.asked = False
    event = _whole(record, event)
    finding = event.finding
    if (
        finding is LookUpResult.UNANSWERED
        and record.ended_ns is not None
        and record.failures + 1 >= MAX_RESOLVE_ATTEMPTS
    ):
        state.gone(record, Reason.NOT_FOUND, "no answer")  # it will be asked about again
    elif finding is LookUpResult.UNANSWERED:
        record.retry_ns = state.at_ns + backoff_ns(record.failures)
        record.failures += 1
        if record.doubted and record.cancel_wanted:
            record.ask = Ask.DELETE
    elif finding is LookUpResult.LIVE and record.doubted and not record.cancel_wanted:
        record.doubted = False
        record.move(state.at_ns, OutboxTrigger.ACCEPTED)
    elif record.ended_ns is not None:
        _told_again(state, record, event)
    else:
        _resolve(state, record, event)


def _whole(record: OrderRecord, event: OrderLookedUp) -> OrderLookedUp:
    """Absent, but its trades make up all of it: matched. A part of it proves no end."""
    filled_u6 = event.filled_u6 or 0
    if event.finding is LookUpResult.ABSENT and 0 < record.size_u6 - MATCHED_DUST_U6 < filled_u6:
        return OrderLookedUp(event.order_hash, LookUpResult.MATCHED, filled_u6)
    return event


def _told_again(state: ExecutionState, record: OrderRecord, event: OrderLookedUp) -> None:
    """The end of the order was said before; now how much of it was filled, when that is known."""
    assert record.ended_ns is not None
    finding, filled_u6 = event.finding, event.filled_u6
    if finding is LookUpResult.LIVE and not record.cancel_confirmed:
        record.ask = Ask.DELETE  # what we called gone rests
        record.retry_ns = state.at_ns + backoff_ns(record.attempts)
        record.attempts += 1
        return
    if finding is LookUpResult.LIVE:
        filled_u6 = None  # an old answer: not the last word
    elif (
        finding is LookUpResult.ABSENT and state.at_ns - record.ended_ns >= ABSENT_MEANS_UNFILLED_NS
    ):
        filled_u6 = filled_u6 or 0
    elif finding is LookUpResult.ABSENT:
        filled_u6 = None
    matched = finding is LookUpResult.MATCHED
    reason = Reason.ALREADY_MATCHED if matched else Reason.NOT_FOUND
    state.gone(record, reason, f"found {finding}", filled_u6)


def _resolve(state: ExecutionState, record: OrderRecord, event: OrderLookedUp) -> None:
    """The venue's word ends an order of which nobody knew; absence only in the end."""
    finding = event.finding
    # what is still open, or only absent, is not the last word on what was filled
    final = finding in {LookUpResult.CANCELED, LookUpResult.MATCHED}
    filled_u6 = event.filled_u6 if final else None
    known_gone = finding is LookUpResult.CANCELED or (
        record.cancel_confirmed and finding in {LookUpResult.LIVE, LookUpResult.ABSENT}
    )
    if known_gone or (finding is LookUpResult.MATCHED and not record.was_accepted):
        _tell_vanished(state, record, finding)
        state.cancelled(record, filled_u6)
    elif finding is LookUpResult.MATCHED:
        state.gone(record, Reason.ALREADY_MATCHED, "found matched", filled_u6)
    elif finding is LookUpResult.INVALID and not record.was_accepted:
        state.reject(record, Reason.INVALID_ORDER, "the venue calls it invalid")
    elif finding is LookUpResult.LIVE or not _stays_absent(state, record, event):
        record.attempts += 1
        record.ask = Ask.DELETE
        record.retry_ns = state.at_ns + backoff_ns(record.attempts)
    elif record.was_accepted or event.filled_u6:
        _tell_vanished(state, record, finding)
        state.gone(record, Reason.NOT_FOUND, f"found {finding}")
    else:
        reason, text = record.unclear or (Reason.LOST, "the venue does not know it")
        state.reject(record, reason, text)


def _stays_absent(state: ExecutionState, record: OrderRecord, event: OrderLookedUp) -> bool:
    """Whether absence is believed.

    Of an order that the venue has known, after several looks. Of one that it never confirmed, not
    before its window has ended: until then the POST may still arrive, and the order carries no
    expiry (docs/venue.md 1.5).
    """
    was_known = record.was_accepted or bool(event.filled_u6)
    may_arrive = not was_known and not state.windows[record.slug].ending
    return record.attempts + 1 >= MAX_RESOLVE_ATTEMPTS and not may_arrive


def _tell_vanished(state: ExecutionState, record: OrderRecord, finding: LookUpResult) -> None:
    """It was resting, and no message said that it ended."""
    if record.doubted and not record.cancel_wanted:
        text = f"{record.client_order_id} {record.order_hash} found {finding}"
        state.notice(NoticeKind.ORDER_VANISHED, record.slug, Reason.NOT_FOUND, text)
