"""What is noted of a fill for later judgement, and the figures for people. Nothing decides on it.

See docs/modelling.md#attribution-and-markouts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pmcore.engine.strategy.session import MarketSession
from pmcore.machines.attribution import PnlParts, attribute, summed
from pmcore.machines.markouts import HORIZONS_S, MarkedFill
from pmcore.machines.order_lifecycle import OrderState
from pmcore.messages.user import FillReported
from pmcore.model.market import Outcome
from pmcore.model.units import NS_PER_S, PRICE_ONE_E4, SHARE_U6

_DOLLAR2_E4U6 = 2 * PRICE_ONE_E4 * SHARE_U6


def mark_fill(
    session: MarketSession,
    at_ns: int,
    fill: FillReported,
    outcome: Outcome,
    *,
    net_diff_u6: int,
) -> None:
    """Note a fill that was just booked, before its order moves; `net_diff_u6` of before it."""
    order = session.orders.by_hash(fill.order_hash)
    rests = order is not None and order.state is OrderState.RESTING
    heard_ns = min(fill.ts_recv_ns, at_ns)
    marked = MarkedFill(
        trade_id=fill.trade_id,
        outcome=outcome,
        price_e4=fill.price_e4,
        size_u6=fill.size_u6,
        at_ns=heard_ns,
        since_open_ns=heard_ns - session.window.open_ns,
        hedge=net_diff_u6 < 0 if outcome is Outcome.UP else net_diff_u6 > 0,
        toxic=session.toxic,
        ofi_score_u6=session.flows[outcome].flow.score_u6,
        rested_ns=at_ns - order.changed_ns if order is not None and rests else None,
        reason=order.note.reason if order is not None and order.note else None,
        ahead_u6=order.note.ahead_u6 if order is not None and order.note else None,
        phase=session.clock.state,
        flow=session.flows[outcome].state,
    )
    session.markouts.add(at_ns, fill.order_hash, marked)


def up_worth2_e4(session: MarketSession, at_ns: int) -> int | None:
    """Twice what an Up share pays, or its mid until that is known; None: neither is known."""
    if session.winner is not None:
        return 2 * PRICE_ONE_E4 if session.winner is Outcome.UP else 0
    return session.side_view(at_ns, Outcome.UP).mid2_e4


def attribution_view(session: MarketSession, worth2_e4: int | None) -> dict[str, float]:
    """The parts of a window's profit in dollars; without a worth there are none."""
    if worth2_e4 is None:
        return {}
    return in_dollars(summed(attribute(session.markouts.fills, worth2_e4)))


def in_dollars(parts: PnlParts) -> dict[str, float]:
    """Each part, and their sum."""
    return {
        "profit_spread": parts.spread2_e4u6 / _DOLLAR2_E4U6,
        "profit_adverse": parts.adverse2_e4u6 / _DOLLAR2_E4U6,
        "profit_residual": parts.residual2_e4u6 / _DOLLAR2_E4U6,
        "profit_unknown": parts.unknown2_e4u6 / _DOLLAR2_E4U6,
        "profit": parts.total2_e4u6 / _DOLLAR2_E4U6,
    }


def fill_views(session: MarketSession, newest: int) -> list[dict[str, object]]:
    """The newest fills for `/state`, oldest first: dollars, shares, cents a share."""
    return [
        {
            "at_s": fill.at_ns / NS_PER_S,
            "slug": session.window.slug,
            "outcome": fill.outcome.value,
            "price": fill.price_e4 / PRICE_ONE_E4,
            "shares": fill.size_u6 / SHARE_U6,
            "reason": fill.reason,
            "phase": fill.phase.value,
            "flow": fill.flow.value,
            "ahead_shares": None if fill.ahead_u6 is None else fill.ahead_u6 / SHARE_U6,
            "rested_s": None if fill.rested_ns is None else fill.rested_ns / NS_PER_S,
            "failed": fill.failed,
            "trade_id": fill.trade_id,
            "markout_cents": mean_markouts([fill]),
        }
        for fill in session.markouts.fills[-newest:]
    ]


def mean_markouts(fills: Iterable[MarkedFill]) -> dict[str, float]:
    """Cents a share at each horizon, over the shares whose mid is known; failed fills left out."""
    kept: Sequence[MarkedFill] = [fill for fill in fills if not fill.failed]
    means: dict[str, float] = {}
    for index, horizon_s in enumerate(HORIZONS_S):
        known = [(fill.markouts2_e4[index], fill.size_u6) for fill in kept]
        told = [(markout2, size_u6) for markout2, size_u6 in known if markout2 is not None]
        if told:
            summed2 = sum(markout2 * size_u6 for markout2, size_u6 in told)
            means[f"{horizon_s}s"] = summed2 / sum(size for _, size in told) / 200
    return means
