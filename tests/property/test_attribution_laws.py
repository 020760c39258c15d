"""Whatever is filled, known, failed and won: the parts add up to settlement less cash."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pmcore.machines.attribution import attribute, summed
from pmcore.machines.inventory import Inventory
from pmcore.machines.markouts import MarkedFill, Markouts
from pmcore.messages.user import FillReported, TradeStatus
from pmcore.model.market import Outcome
from pmcore.model.units import NS_PER_MS, NS_PER_S, format_qty
from support.builders import fill

_MIDS = st.none() | st.integers(1, 19_999)
_FILLS = st.tuples(
    st.sampled_from(Outcome), st.integers(1, 999), st.integers(1, 10**9), st.booleans()
)
_STEPS = st.lists(st.tuples(st.integers(0, 30_000), _MIDS, st.none() | _FILLS), max_size=25)


def _marked(report: FillReported, outcome: Outcome) -> MarkedFill:
    return MarkedFill(
        trade_id=report.trade_id,
        outcome=outcome,
        price_e4=report.price_e4,
        size_u6=report.size_u6,
        at_ns=report.ts_recv_ns,
        since_open_ns=0,
        hedge=False,
        toxic=False,
        ofi_score_u6=0,
        rested_ns=None,
    )


@given(_STEPS, st.integers(0, 20_000) | st.sampled_from([0, 20_000]))
def test_the_parts_add_up_to_worth_less_cost(
    steps: list[tuple[int, int | None, tuple[Outcome, int, int, bool] | None]], worth2_e4: int
) -> None:
    inventory, markouts = Inventory(), Markouts(close_ns=300 * NS_PER_S)
    at_ns, failing = 0, []
    for number, (later_ms, mid2_e4, bought) in enumerate(steps):
        at_ns += later_ms * NS_PER_MS
        if bought is not None:
            outcome, price, size_u6, fails = bought
            trade_id, size = f"t{number}", format_qty(size_u6)
            report = fill(outcome, size, f"0.{price:03}", trade_id=trade_id, at_ns=at_ns)
            failing += [(report, outcome)] if fails else []
            inventory.apply(report, outcome)
            markouts.add(at_ns, report.order_hash, _marked(report, outcome))
        markouts.advance(at_ns, mid2_e4)
    for report, outcome in failing:
        inventory.apply(replace(report, status=TradeStatus.FAILED), outcome)
        markouts.fail(report.trade_id, report.order_hash)
    held = inventory.working
    results = attribute(markouts.fills, worth2_e4)
    worth2 = held.up.qty_u6 * worth2_e4 + held.down.qty_u6 * (20_000 - worth2_e4)
    cost2 = 2 * (held.up.cost_e4u6 + held.down.cost_e4u6)
    assert summed(results).total2_e4u6 == worth2 - cost2
    pairs = inventory.pairing.pairs
    assert sum(one.paired_u6 for one in results) == 2 * sum(p.up.qty_u6 for p in pairs)
    cost = sum(p.cost_e4 * p.up.qty_u6 for p in pairs)
    assert sum(one.pair_cost_e4u6 for one in results) == 2 * cost
    if all(mid is not None for _, mid, _ in steps) and all(r.fill.mid2_e4 for r in results):
        gaps = any(None in one.fill.marks2_e4 for one in results)
        assert gaps or summed(results).unknown2_e4u6 == 0
