"""Merges: one at a time in a window, each submitted once, and what became of it told.

A command keeps its entry until its answer. So one that was left by a run that died is found by the
next, which says UNKNOWN and submits nothing.
"""

from __future__ import annotations

from pmcore.engine.execution.io import AccountHeard, Finished, MergeAnswered, SubmitMerge
from pmcore.engine.execution.records import MergeRecord, WindowRecord
from pmcore.engine.execution.state import MAX_TEXT, ExecutionState
from pmcore.machines.merge_ledger import MAX_MERGES
from pmcore.messages.execution import MergeReported, MergeStatus
from pmcore.messages.orders import MergePairs
from pmcore.model.market import Outcome

LEFT = "left by an earlier run: perhaps it was sent"
WINDOW_OVER = "the window was forgotten before the answer came"


def merge(state: ExecutionState, token: str, command: MergePairs, no_lease: str) -> None:
    """Submit it, or refuse it at once; of a command that comes again nothing new is said."""
    window = state.windows.get(command.slug)
    if window is not None and _knows(window, command.merge_id):
        state.out.append(Finished(token))
        return
    if window is None or (why := no_lease or _refusal(state, window, command)):
        why = "the window is not known here" if window is None else why
        _report(state, MergeRecord(token, command), MergeStatus.FAILED, why)
    elif state.awaits_account:
        window.merge = MergeRecord(token, command, unheard=True)
    else:
        _submit(state, window, token, command)


def account_heard(state: ExecutionState, event: AccountHeard) -> None:
    """Judge a merge that waited for this, as if it came now."""
    window = state.windows.get(event.slug)
    record = None if window is None else window.merge
    if window is None or record is None or not record.unheard:
        return
    token, command = record.token, record.command
    if command.merge_id not in event.asked:
        return
    window.merge = None
    if why := state.no_lease(command) or _refusal(state, window, command):
        _report(state, MergeRecord(token, command), MergeStatus.FAILED, why)
    else:
        _submit(state, window, token, command)


def _submit(state: ExecutionState, window: WindowRecord, token: str, command: MergePairs) -> None:
    held = window.inventory
    if command.size_u6 > held.mergeable_u6:
        why = f"only {held.mergeable_u6} of each outcome are confirmed and not merged"
        _report(state, MergeRecord(token, command), MergeStatus.FAILED, why)
        return
    up, down = (held.merge_cost_e4u6(o, command.size_u6) for o in Outcome)
    window.merge = MergeRecord(token, command, up, down)
    state.out.append(SubmitMerge(command.slug, command.merge_id, command.size_u6))


def _knows(window: WindowRecord, merge_id: str) -> bool:
    if window.merge is not None and window.merge.command.merge_id == merge_id:
        return True
    return any(report.merge_id == merge_id for report in window.inventory.merges.reports)


def _refusal(state: ExecutionState, window: WindowRecord, command: MergePairs) -> str:
    caps, inventory = state.caps_of(window), window.inventory
    if caps is None or not 0 < caps.merge_min_pairs_u6 <= command.size_u6:
        return "PM_MERGE_MIN_PAIRS does not allow it"
    if state.stopping or state.halted:
        return state.halted or "the executor stops"
    if state.at_ns >= command.expires_at_ns:
        return "expired before it was read"
    if window.merge is not None or inventory.merges.doubted_u6:
        return "what became of another merge of this window is not known yet"
    if len(inventory.merges) >= MAX_MERGES:
        return f"more than {MAX_MERGES} merges in this window"
    return ""


def answered(state: ExecutionState, event: MergeAnswered) -> None:
    """The venue's word; of a merge that was given up nothing is said any more."""
    window = state.windows.get(event.slug)
    record = window.merge if window is not None else None
    if record is not None and record.command.merge_id == event.merge_id:
        _report(state, record, event.status, event.text)


def abandoned(state: ExecutionState, token: str, command: MergePairs) -> None:
    """A command of an earlier run: it is never sent again."""
    _report(state, MergeRecord(token, command), MergeStatus.UNKNOWN, LEFT)


def adopt(state: ExecutionState, report: MergeReported) -> None:
    """What an earlier run said counts as if this one had."""
    if (window := state.windows.get(report.slug)) is not None:
        window.inventory.hear_merge(report)


def tell_again(state: ExecutionState, window: WindowRecord) -> None:
    """For a strategy that starts: all merges of the window, before the window is called flat."""
    state.out.extend(window.inventory.merges.reports)
    if window.merge is not None:
        state.out.append(_said(state, window.merge, MergeStatus.UNKNOWN, "under way"))


def give_up(state: ExecutionState, window: WindowRecord) -> None:
    """The window is forgotten: its command must have an answer."""
    if (record := window.merge) is not None:
        status = MergeStatus.FAILED if record.unheard else MergeStatus.UNKNOWN
        _report(state, record, status, WINDOW_OVER)


def _report(state: ExecutionState, record: MergeRecord, status: MergeStatus, text: str) -> None:
    report = _said(state, record, status, text)
    window = state.windows.get(record.command.slug)
    if window is not None:
        window.inventory.hear_merge(report)
        if window.merge is record:
            window.merge = None
    state.out.extend((report, Finished(record.token)))


def _said(
    state: ExecutionState, record: MergeRecord, status: MergeStatus, text: str
) -> MergeReported:
    return MergeReported(
        slug=record.command.slug,
        merge_id=record.command.merge_id,
        size_u6=record.command.size_u6,
        status=status,
        text=text[:MAX_TEXT],
        up_cost_e4u6=record.up_cost_e4u6,
        down_cost_e4u6=record.down_cost_e4u6,
        ts_exec_ns=state.at_ns,
    )
