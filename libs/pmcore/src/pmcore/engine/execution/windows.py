"""Windows.

Swept until the venue lists no open order, and compared with its list from time to time.
"""

from __future__ import annotations

from pmcore.engine.execution.cancelling import ask_if_due, doubt, take_back
from pmcore.engine.execution.state import ExecutionState
from pmcore.engine.execution.io import DeleteAll, Finished, ListOpenOrders
from pmcore.engine.execution.records import (
    LIST_LAG_NS,
    MAX_SWEEP_ATTEMPTS,
    MAX_SWEEP_TOKENS,
    RECONCILE_NS,
    ListingReason,
    Sweep,
    WindowRecord,
    backoff_ns,
)
from pmcore.machines.outbox import OutboxState
from pmcore.messages.execution import VenueMode, WindowFlat
from pmcore.messages.notices import NoticeKind
from pmcore.model.errors import Reason
from pmcore.model.market import Window


def announce(desk: ExecutionState, window: Window) -> None:
    """A window may be traded; a repeated announcement is nothing new."""
    if window.slug in desk.windows:
        return
    desk.windows[window.slug] = WindowRecord(window, desk.at_ns)
    if desk.modes.mode is not VenueMode.NORMAL:
        desk.publish_mode_to(window.slug)


def end(desk: ExecutionState, slug: str) -> None:
    """Forget a window as soon as it is flat; sweep it first if it is not."""
    window = desk.windows.get(slug)
    if window is None:
        return
    window.ending = True
    if window.live:
        _sweep(desk, window, Reason.MARKET_CLOSED, "the window is over")


def cancel_window(desk: ExecutionState, token: str, slug: str) -> None:
    """Sweep a window and answer when it is flat."""
    window = desk.windows.get(slug)
    if window is None:
        desk.cancel_failed(slug, "", Reason.UNKNOWN, "the window is not known here")
        desk.out.append(Finished(token))
        return
    sweep = _sweep(desk, window, Reason.NOT_FLAT, "the window is being cancelled")
    sweep.tokens.append(token)
    if len(sweep.tokens) > MAX_SWEEP_TOKENS:
        desk.out.append(Finished(sweep.tokens.pop(0)))


def sweep_all(desk: ExecutionState, reason: Reason, text: str) -> None:
    """By ids, then by list, and cancel-all as a second measure."""
    for window in desk.windows.values():
        _sweep(desk, window, reason, text)
    desk.out.append(DeleteAll())


def take_all_back(desk: ExecutionState, reason: Reason, text: str) -> None:
    """Cancel what is known, without asking for lists."""
    for window in desk.windows.values():
        for record in tuple(window.live.values()):
            take_back(desk, record, reason, text)


def advance(desk: ExecutionState) -> None:
    """Do what is due in any window."""
    for window in tuple(desk.windows.values()):
        over = window.ending or desk.at_ns >= window.window.close_ns
        if over and window.live and window.sweep is None:
            _sweep(desk, window, Reason.MARKET_CLOSED, "the window is over")
        for record in tuple(window.live.values()):
            ask_if_due(desk, record)
        if window.ending and window.flat:
            _forget(desk, window)
            continue
        _advance_sweep(desk, window)
        _reconcile_if_due(desk, window)


def _sweep(desk: ExecutionState, window: WindowRecord, reason: Reason, text: str) -> Sweep:
    if window.sweep is None:
        window.sweep = Sweep()
    for record in tuple(window.live.values()):
        take_back(desk, record, reason, text)
    return window.sweep


def _forget(desk: ExecutionState, window: WindowRecord) -> None:
    del desk.windows[window.window.slug]
    for record in window.orders.values():
        desk.by_hash.pop(record.order_hash, None)


def _advance_sweep(desk: ExecutionState, window: WindowRecord) -> None:
    sweep = window.sweep
    if sweep is None or window.live or window.listing is not None:
        return
    if desk.at_ns >= sweep.next_ns:
        _list(desk, window, ListingReason.SWEEP)


def _reconcile_if_due(desk: ExecutionState, window: WindowRecord) -> None:
    if desk.at_ns < window.reconcile_ns or window.listing is not None:
        return
    window.reconcile_ns = desk.at_ns + RECONCILE_NS
    if window.sweep is None and (window.live or window.lost):
        _list(desk, window, ListingReason.RECONCILE)


def _list(desk: ExecutionState, window: WindowRecord, why: ListingReason) -> None:
    window.listing = why
    window.listed_ns = desk.at_ns
    desk.out.append(ListOpenOrders(window.window.slug))


def listed(desk: ExecutionState, slug: str, order_hashes: tuple[str, ...]) -> None:
    """The venue's list of open orders of a window."""
    window = desk.windows.get(slug)
    if window is None or window.listing is None:
        return
    why, window.listing = window.listing, None
    if why is ListingReason.RECONCILE:
        _reconcile(desk, window, order_hashes)
        return
    sweep = window.sweep
    assert sweep is not None  # it waits for its list
    if order_hashes:
        for order_hash in order_hashes:
            _delete_stray(desk, window, order_hash)
        _missed(desk, window, sweep, Reason.NOT_FLAT, f"{len(order_hashes)} still open")
    else:
        desk.out.append(WindowFlat(slug=slug, ts_exec_ns=desk.at_ns))
        _finish(desk, window, sweep)


def list_failed(desk: ExecutionState, slug: str, reason: Reason, text: str) -> None:
    """The list could not be had; a sweep asks again, a comparison waits for its next turn."""
    window = desk.windows.get(slug)
    if window is None or window.listing is None:
        return
    window.listing = None
    if window.sweep is not None:
        _missed(desk, window, window.sweep, reason, text)


def _missed(desk: ExecutionState, window: WindowRecord, sweep: Sweep, reason: Reason, text: str) -> None:
    sweep.next_ns = desk.at_ns + backoff_ns(sweep.attempts)
    sweep.attempts += 1
    gave_up = sweep.attempts >= MAX_SWEEP_ATTEMPTS
    text = f"not confirmed, send CancelWindow again: {text}" if gave_up else text
    desk.cancel_failed(window.window.slug, "", reason, text)
    if gave_up:
        _finish(desk, window, sweep)


def _finish(desk: ExecutionState, window: WindowRecord, sweep: Sweep) -> None:
    desk.out.extend(Finished(token) for token in sweep.tokens)
    window.sweep = None


def _reconcile(desk: ExecutionState, window: WindowRecord, order_hashes: tuple[str, ...]) -> None:
    """The executor hears of no fills: the venue is asked about what a list no longer shows."""
    shown = frozenset(order_hashes)
    old_ns = window.listed_ns - LIST_LAG_NS
    for record in tuple(window.live.values()):
        resting = record.state is OutboxState.RESTING
        if resting and record.changed_ns <= old_ns and record.order_hash not in shown:
            doubt(desk, record)
    for order_hash in order_hashes:
        known = desk.by_hash.get(order_hash)
        if known is None or (known.state is OutboxState.DONE and known.changed_ns <= old_ns):
            _delete_stray(desk, window, order_hash)
        elif known.state is not OutboxState.DONE:
            window.revive(known)


def _delete_stray(desk: ExecutionState, window: WindowRecord, order_hash: str) -> None:
    """An order that is open although we thought it ended, or never knew it (docs/venue.md 1.5)."""
    desk.notice(NoticeKind.UNKNOWN_ORDER, window.window.slug, Reason.NOT_FLAT, order_hash)
    desk.deletes.append(order_hash)
