"""Windows.

Swept until the venue lists no open order, and compared with its list from time to time.
"""

from __future__ import annotations

from pmcore.engine.execution.cancelling import account_if_due, ask_if_due, doubt, take_back
from pmcore.engine.execution.io import (
    AllCancelled,
    CancelAll,
    CancelAllFailed,
    Finished,
    ListOpenOrders,
)
from pmcore.engine.execution.merging import give_up, tell_again
from pmcore.engine.execution.records import (
    LIST_LAG_NS,
    MAX_SWEEP_ATTEMPTS,
    MAX_SWEEP_TOKENS,
    RECONCILE_NS,
    CancelAllRecord,
    ListingReason,
    Sweep,
    WindowRecord,
    backoff_ns,
)
from pmcore.engine.execution.state import ExecutionState
from pmcore.machines.outbox import OutboxState
from pmcore.messages.execution import VenueMode, WindowFlat
from pmcore.messages.notices import NoticeKind
from pmcore.model.errors import Reason
from pmcore.model.market import Window


def announce(state: ExecutionState, window: Window) -> None:
    """A window may be traded; a repeated announcement is nothing new."""
    if window.slug in state.windows:
        return
    state.windows[window.slug] = WindowRecord(window, state.at_ns)
    if state.modes.mode is not VenueMode.NORMAL:
        state.publish_mode_to(window.slug)


def end(state: ExecutionState, slug: str) -> None:
    """Forget a window as soon as it is flat; sweep it first if it is not."""
    window = state.windows.get(slug)
    if window is None:
        return
    window.ending = True
    if window.live:
        _sweep(state, window, Reason.MARKET_CLOSED, "the window is over")


def cancel_window(state: ExecutionState, token: str, slug: str) -> None:
    """Sweep a window and answer when it is flat."""
    window = state.windows.get(slug)
    if window is None:
        state.cancel_failed(slug, "", Reason.UNKNOWN, "the window is not known here")
        state.out.append(Finished(token))
        return
    tell_again(state, window)
    sweep = _sweep(state, window, Reason.NOT_FLAT, "the window is being cancelled")
    sweep.tokens.append(token)
    if len(sweep.tokens) > MAX_SWEEP_TOKENS:
        state.out.append(Finished(sweep.tokens.pop(0)))


def sweep_all(state: ExecutionState, reason: Reason, text: str) -> None:
    """By ids, then by list; and cancel-all, for what no window knows."""
    for window in state.windows.values():
        _sweep(state, window, reason, text)
    if state.cancel_all is None:
        state.cancel_alls += 1
        state.cancel_all = CancelAllRecord(state.cancel_alls, state.at_ns)


def all_cancelled(state: ExecutionState, event: AllCancelled | CancelAllFailed) -> None:
    """Repeat cancel-all until the venue has listed nothing after it."""
    record = state.cancel_all
    if record is None or event.number != record.number:  # resumed meanwhile
        return
    if isinstance(event, AllCancelled) and not event.open_hashes:
        state.cancel_all = None
        return
    record.asked = False
    record.retry_ns = state.at_ns + backoff_ns(record.failures)
    record.failures += 1
    if record.failures > 1:
        return
    if isinstance(event, AllCancelled):
        text = f"{len(event.open_hashes)} orders are still open"
        state.notice(NoticeKind.CANCEL_ALL_REPEATED, "", Reason.NOT_FLAT, text)
    else:
        state.notice(NoticeKind.CANCEL_ALL_REPEATED, "", event.reason, event.text)


def cancel_all_if_due(state: ExecutionState) -> None:
    """Last in a step, behind the cancels by id.

    An order that cancel-all took first is "not found" to the other, and must be looked up.
    """
    record = state.cancel_all
    if record is not None and not record.asked and state.at_ns >= record.retry_ns:
        record.asked = True
        state.out.append(CancelAll(record.number))


def take_all_back(
    state: ExecutionState, reason: Reason, text: str, *, series: str | None = None
) -> None:
    """Cancel what is known, without asking for lists; of one series, or of all."""
    for window in state.windows.values():
        if series is not None and window.window.series != series:
            continue
        for record in tuple(window.live.values()):
            take_back(state, record, reason, text)


def advance(state: ExecutionState) -> None:
    """Do what is due in any window."""
    for window in tuple(state.windows.values()):
        over = window.ending or state.at_ns >= window.window.close_ns
        if over and window.live and window.sweep is None:
            _sweep(state, window, Reason.MARKET_CLOSED, "the window is over")
        account_if_due(state, window)
        for record in tuple(window.live.values()):
            ask_if_due(state, record)
        if window.ending and window.flat:
            _forget(state, window)
            continue
        _advance_sweep(state, window)
        _reconcile_if_due(state, window)


def _sweep(state: ExecutionState, window: WindowRecord, reason: Reason, text: str) -> Sweep:
    if window.sweep is None:
        window.sweep = Sweep()
    for record in tuple(window.live.values()):
        take_back(state, record, reason, text)
    return window.sweep


def _forget(state: ExecutionState, window: WindowRecord) -> None:
    give_up(state, window)
    del state.windows[window.window.slug]
    for record in window.orders.values():
        state.by_hash.pop(record.order_hash, None)


def _advance_sweep(state: ExecutionState, window: WindowRecord) -> None:
    sweep = window.sweep
    if sweep is None or window.live or window.listing is not None:
        return
    if state.at_ns >= sweep.next_ns:
        _list(state, window, ListingReason.SWEEP)


def _reconcile_if_due(state: ExecutionState, window: WindowRecord) -> None:
    if state.at_ns < window.reconcile_ns or window.listing is not None:
        return
    window.reconcile_ns = state.at_ns + RECONCILE_NS
    if window.sweep is None and window.live:
        _list(state, window, ListingReason.RECONCILE)


def _list(state: ExecutionState, window: WindowRecord, why: ListingReason) -> None:
    window.listing = why
    window.listed_ns = state.at_ns
    state.out.append(ListOpenOrders(window.window.slug))


def listed(state: ExecutionState, slug: str, order_hashes: tuple[str, ...]) -> None:
    """The venue's list of open orders of a window."""
    window = state.windows.get(slug)
    if window is None or window.listing is None:
        return
    why, window.listing = window.listing, None
    if why is ListingReason.RECONCILE:
        _reconcile(state, window, order_hashes)
        return
    sweep = window.sweep
    assert sweep is not None  # it waits for its list
    if order_hashes:
        for order_hash in order_hashes:
            _delete_stray(state, window, order_hash)
        _missed(state, window, sweep, Reason.NOT_FLAT, f"{len(order_hashes)} still open")
    else:
        state.out.append(WindowFlat(slug=slug, ts_exec_ns=state.at_ns))
        _finish(state, window, sweep)


def list_failed(state: ExecutionState, slug: str, reason: Reason, text: str) -> None:
    """The list could not be had; a sweep asks again, a comparison waits for its next turn."""
    window = state.windows.get(slug)
    if window is None or window.listing is None:
        return
    window.listing = None
    if window.sweep is not None:
        _missed(state, window, window.sweep, reason, text)


def _missed(
    state: ExecutionState, window: WindowRecord, sweep: Sweep, reason: Reason, text: str
) -> None:
    sweep.next_ns = state.at_ns + backoff_ns(sweep.attempts)
    sweep.attempts += 1
    gave_up = sweep.attempts >= MAX_SWEEP_ATTEMPTS and window.ending
    text = f"not confirmed, send CancelWindow again: {text}" if gave_up else text
    state.cancel_failed(window.window.slug, "", reason, text)
    if gave_up:
        _finish(state, window, sweep)


def _finish(state: ExecutionState, window: WindowRecord, sweep: Sweep) -> None:
    state.out.extend(Finished(token) for token in sweep.tokens)
    window.sweep = None


def _reconcile(state: ExecutionState, window: WindowRecord, order_hashes: tuple[str, ...]) -> None:
    """The executor hears of no fills: the venue is asked about what a list no longer shows."""
    shown = frozenset(order_hashes)
    old_ns = window.listed_ns - LIST_LAG_NS
    for record in tuple(window.live.values()):
        resting = record.state is OutboxState.RESTING
        if resting and record.changed_ns <= old_ns and record.order_hash not in shown:
            doubt(state, record)
    for order_hash in order_hashes:
        known = state.by_hash.get(order_hash)
        if known is None or (known.state is OutboxState.DONE and known.changed_ns <= old_ns):
            _delete_stray(state, window, order_hash)
        elif known.state is not OutboxState.DONE:
            window.revive(known)


def _delete_stray(state: ExecutionState, window: WindowRecord, order_hash: str) -> None:
    """An order that is open although we thought it ended, or never knew it (docs/venue.md 1.5)."""
    state.notice(NoticeKind.UNKNOWN_ORDER, window.window.slug, Reason.NOT_FLAT, order_hash)
    state.deletes.append(order_hash)
