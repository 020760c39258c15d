"""Inventory equals a naive model under any interleaving of reports, repeats and settlements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, combinations

from hypothesis import given
from hypothesis import strategies as st

from pmcore.machines.inventory import Inventory, Position
from pmcore.machines.risk import Exposure, Provisional, RiskRefusal, filled, refuse
from pmcore.messages.user import TradeStatus
from pmcore.model.market import Outcome
from pmcore.model.params import LimitParams
from pmcore.model.units import PRICE_ONE_E4
from support.builders import fill

T = TradeStatus
LIVES = (
    [T.MATCHED, T.MINED, T.CONFIRMED],
    [T.MATCHED, T.RETRYING, T.FAILED],
    [T.MATCHED, T.FAILED],
)


Story = tuple[list[tuple[int, Outcome, str, str, list[T]]], list[tuple[int, T]]]
"""Fills (number, outcome, size, price, statuses), and the reports of them in some order."""


@st.composite
def stories(draw: st.DrawFn) -> Story:
    fills = []
    reports: list[tuple[int, T]] = []
    for n in range(draw(st.integers(1, 6))):
        life = draw(st.sampled_from(LIVES))
        told = life[: draw(st.integers(1, len(life)))]
        price = f"0.{draw(st.integers(1, 99)):02d}"
        size = f"{draw(st.integers(1, 20))}.{draw(st.integers(0, 99)):02d}"
        fills.append((n, draw(st.sampled_from(Outcome)), size, price, told))
        reports += [(n, status) for status in told for _ in range(draw(st.integers(1, 2)))]
    order = draw(st.permutations(range(len(fills))))
    interleaved = sorted(reports, key=lambda r: order[r[0]]) if draw(st.booleans()) else reports
    return fills, interleaved


def ledgers(story: Story) -> Iterator[Inventory]:
    """The ledger after each report, the same object."""
    fills, reports = story
    ledger = Inventory()
    for n, status in reports:
        _, outcome, size, price, _ = fills[n]
        ledger.apply(fill(outcome, size, price, trade_id=f"t{n}", status=status), outcome)
        yield ledger


@given(stories())
def test_only_what_did_not_fail_is_held(story: Story) -> None:
    fills, _ = story
    *_, ledger = ledgers(story)
    working, settled = Position(), Position()
    for n, outcome, size, price, told in fills:
        one = fill(outcome, size, price, trade_id=f"t{n}")
        if T.FAILED not in told:
            working = working.with_buy(outcome, one.price_e4, one.size_u6)
        if T.MINED in told:
            settled = settled.with_buy(outcome, one.price_e4, one.size_u6)
    assert ledger.working == working
    assert ledger.settled == settled


@given(stories())
def test_the_worst_case_is_that_of_the_worst_subset_after_every_report(story: Story) -> None:
    for ledger in ledgers(story):
        open_ones = ledger.unsettled
        for winner in Outcome:
            profits_e4u6 = [
                sum(
                    PRICE_ONE_E4 * buy.qty_u6 * (buy.outcome is winner) - buy.price_e4 * buy.qty_u6
                    for buy in kept
                )
                for size in range(len(open_ones) + 1)
                for kept in combinations(
                    [Exposure(e.outcome, e.price_e4, e.size_u6) for e in open_ones], size
                )
            ]
            held = ledger.settled
            base_e4u6 = held.holding(winner).qty_u6 * PRICE_ONE_E4 - (
                held.up.cost_e4u6 + held.down.cost_e4u6
            )
            worst_u6 = (base_e4u6 + min(profits_e4u6)) // PRICE_ONE_E4
            assert ledger.worst_profit_u6[winner] == worst_u6
        assert open_ones or ledger.working == ledger.settled


@st.composite
def exposures(draw: st.DrawFn) -> Exposure:
    return Exposure(
        draw(st.sampled_from(Outcome)),
        draw(st.integers(1, 999)) * 10,
        draw(st.integers(1, 800)) * 10_000,
    )


@given(st.lists(st.tuples(exposures(), st.none() | st.integers(0, 7)), max_size=8))
def test_approved_orders_keep_every_limit_in_whatever_order_they_fill(
    candidates: list[tuple[Exposure, int | None]],
) -> None:
    """Place only what risk approves, fill in any order or not at all: nothing breaks."""
    limits = LimitParams()
    position = Position()
    resting: list[Exposure] = []
    for candidate, fills_next in candidates:
        if refuse(candidate, resting, (position,), limits) is None:
            resting.append(candidate)
        if resting and fills_next is not None:
            chosen = resting.pop(fills_next % len(resting))
            position = position.with_buy(chosen.outcome, chosen.price_e4, chosen.qty_u6)
            assert position.can_open(limits)


@given(st.lists(exposures(), max_size=6))
def test_own_bids_never_cross_each_other(candidates: list[Exposure]) -> None:
    resting: list[Exposure] = []
    for candidate in candidates:
        if refuse(candidate, resting, (Position(),), LimitParams()) is None:
            resting.append(candidate)
    best = {o: max((e.price_e4 for e in resting if e.outcome is o), default=0) for o in Outcome}
    assert best[Outcome.UP] + best[Outcome.DOWN] < 10_000


def subsets(fills: Sequence[Exposure]) -> Iterator[tuple[Exposure, ...]]:
    return chain.from_iterable(combinations(fills, n) for n in range(len(fills) + 1))


ROOMY = LimitParams(max_position_value_u6=1_000_000_000)


@given(st.lists(exposures(), max_size=3), st.lists(exposures(), max_size=5), st.booleans())
def test_the_gate_is_as_exact_as_all_subsets_of_the_matched_fills(
    taken: list[Exposure], matched: list[Exposure], roomy: bool
) -> None:
    limits = ROOMY if roomy else LimitParams()
    provisional = Provisional(filled(Position(), taken), tuple(matched))
    every = [filled(provisional.settled, some).can_open(limits) for some in subsets(matched)]
    assert provisional.can_open(limits) is all(every)


@given(
    exposures(),
    st.lists(exposures(), max_size=2),
    st.lists(exposures(), max_size=2),
    st.lists(exposures(), max_size=4),
)
def test_approved_orders_keep_the_limits_whichever_fills_fail(
    new: Exposure, resting: list[Exposure], taken: list[Exposure], matched: list[Exposure]
) -> None:
    """Brute force: any subset of what rests is filled, any subset of what matched stays."""
    limits = LimitParams()
    provisional = Provisional(filled(Position(), taken), tuple(matched))
    views = (filled(provisional.settled, matched), provisional.settled)
    verdict = refuse(new, resting, views, limits, provisional)
    before = [filled(provisional.settled, some) for some in subsets([*resting, *matched])]
    after = [filled(position, [new]) for position in before]
    sign = 1 if new.outcome is Outcome.UP else -1
    too_far = any(p.net_diff_u6 * sign >= limits.max_net_diff_u6 for p in after)
    if verdict is None:
        assert not too_far
        assert all(p.value_below(new.outcome, limits.max_position_value_u6) for p in after)
        max_e4 = limits.max_portfolio_cost_e4
        if all(p.portfolio_cost_below(max_e4) for p in before):
            assert all(p.portfolio_cost_below(max_e4) for p in after)
    elif verdict is RiskRefusal.NET_DIFF:
        assert too_far
