"""Merging pairs: asked for when the limit on the value keeps a bid away, and what came of it."""

from __future__ import annotations

from pmcore.engine.strategy.session import OUTCOMES, MarketSession
from pmcore.machines.merging import MERGE_TTL_NS
from pmcore.machines.risk import RiskRefusal
from pmcore.messages.execution import MergeReported
from pmcore.messages.notices import Notice, NoticeKind
from pmcore.messages.orders import MergePairs
from pmcore.model.units import format_qty


def merge_if_short(session: MarketSession, at_ns: int, run_id: str) -> list[MergePairs]:
    """The command to merge, after a decision that was short of capital; else nothing."""
    if not session.merging.is_on or not value_binds(session):
        return []
    if session.hold(at_ns) or not session.gate.open:
        return []
    known = session.inventory.merges
    size_u6 = session.merging.size_u6(at_ns, session.inventory.mergeable_u6, known)
    if not size_u6:
        return []
    merge_id = f"{run_id}.{session.window.slug}.merge.{session.merging.sent + 1}"
    session.merging.send(merge_id, size_u6)
    return [
        MergePairs(
            merge_id=merge_id,
            slug=session.window.slug,
            size_u6=size_u6,
            expires_at_ns=at_ns + MERGE_TTL_NS,
            ts_step_ns=at_ns,
        )
    ]


def value_binds(session: MarketSession) -> bool:
    """Whether PM_MAX_POSITION_VALUE kept a bid away in the decision that was just made."""
    decision, limit_u6 = session.decision, session.params.limits.max_position_value_u6
    refusals = (decision.pair_refusal, *decision.risk_refusals.values())
    if RiskRefusal.POSITION_VALUE in refusals:
        return True
    views = session.worst_views
    return not all(view.value_below(outcome, limit_u6) for view in views for outcome in OUTCOMES)


def note_merge(session: MarketSession, at_ns: int, report: MergeReported) -> list[Notice]:
    """Apply what became of a merge; a person is told of each, once."""
    if not session.inventory.hear_merge(report):
        return []
    session.merging.hear(at_ns, report)
    detail = f"{format_qty(report.size_u6)} pairs {report.text}".strip()
    slug, reason = session.window.slug, report.status.value
    return [Notice(kind=NoticeKind.MERGE, slug=slug, reason=reason, detail=detail)]
