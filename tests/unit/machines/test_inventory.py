from __future__ import annotations

import pytest

from pmcore.machines.inventory import (
    FillEffect,
    Holding,
    Inventory,
    Position,
    dust_u6,
)
from pmcore.messages.user import TradeStatus
from pmcore.model.market import Outcome
from pmcore.model.params import LimitParams
from support.builders import fill
from support.merges import FAILED, MERGED, UNKNOWN, dollars, merge_report

UP, DOWN = Outcome.UP, Outcome.DOWN


def position(up: tuple[float, int] = (0, 0), down: tuple[float, int] = (0, 0)) -> Position:
    """((shares, price_e4), (shares, price_e4))."""
    base = Position()
    if up[0]:
        base = base.with_buy(UP, up[1], int(up[0] * 1_000_000))
    if down[0]:
        base = base.with_buy(DOWN, down[1], int(down[0] * 1_000_000))
    return base


def test_vwap_and_pair_cost() -> None:
    both = position((5, 4700), (5, 5200)).with_buy(UP, 4900, 5_000_000)
    assert both.up.avg_cost_dollars == pytest.approx(0.48)
    assert both.net_diff_u6 == 5_000_000
    assert both.portfolio_cost_dollars == pytest.approx(1.0)
    assert position((5, 4700)).portfolio_cost_dollars == 0
    assert Holding().avg_cost_dollars == 0


def test_limits_are_strict() -> None:
    limits = LimitParams()
    assert position((5, 4700), (5, 5200)).can_open(limits)
    assert not position((10, 100)).can_open(limits)  # |net| 10 is not < 10
    # .47 x 10 = 4.7 < 5 but .50 x 10 = 5 is not < 5 (docs/strategy_guide.md#worked-cases)
    assert not position((10, 4700), (10, 5000)).can_open(limits)
    assert not position((5, 5100), (5, 5100)).can_open(limits)  # 1.02 is not < 1.02
    assert position((5, 5100), (5, 5099)).can_open(limits)
    assert not position((9, 5600)).can_open(limits)  # 5.04


def test_worst_case_and_profit() -> None:
    held = position((10, 4700), (5, 5200))
    assert held.worst_loss_u6 == 4_700_000 + 2_600_000 - 5_000_000
    assert held.profit_u6(UP) == 10_000_000 - 7_300_000
    assert held.profit_u6(DOWN) == -2_300_000


def test_matched_counts_once_and_settles_later() -> None:
    ledger = Inventory()
    assert ledger.apply(fill(UP, "5", "0.47"), UP) is FillEffect.ADDED
    assert ledger.apply(fill(UP, "5", "0.47"), UP) is FillEffect.UNCHANGED
    assert ledger.settled.up.qty_u6 == 0
    mined = fill(UP, "5", "0.47", status=TradeStatus.MINED)
    assert ledger.apply(mined, UP) is FillEffect.SETTLED
    confirmed = fill(UP, "5", "0.47", status=TradeStatus.CONFIRMED)
    assert ledger.apply(confirmed, UP) is FillEffect.SETTLED
    assert ledger.working == ledger.settled == position((5, 4700))
    assert len(ledger) == 1
    assert ledger.filled_u6("0xhash") == 5_000_000


def test_failed_takes_out_quantity_and_cost_exactly() -> None:
    ledger = Inventory()
    ledger.apply(fill(UP, "5", "0.47"), UP)
    ledger.apply(fill(UP, "3.33", "0.41", trade_id="t2"), UP)
    failed = fill(UP, "3.33", "0.41", trade_id="t2", status=TradeStatus.FAILED)
    assert ledger.apply(failed, UP) is FillEffect.REVERSED
    assert ledger.working == position((5, 4700))
    assert ledger.apply(failed, UP) is FillEffect.UNCHANGED


def test_a_fill_first_heard_of_as_failed_never_counts() -> None:
    ledger = Inventory()
    failed = fill(DOWN, "5", "0.5", status=TradeStatus.FAILED)
    assert ledger.apply(failed, DOWN) is FillEffect.UNCHANGED
    assert ledger.working == Position()


def test_contradictions_change_nothing() -> None:
    ledger = Inventory()
    ledger.apply(fill(UP, "5", "0.47", status=TradeStatus.CONFIRMED), UP)
    failed = fill(UP, "5", "0.47", status=TradeStatus.FAILED)
    assert ledger.apply(failed, UP) is FillEffect.CONTRADICTION
    assert ledger.apply(fill(UP, "6", "0.47"), UP) is FillEffect.CONTRADICTION
    assert ledger.working == position((5, 4700))


def test_one_trade_may_fill_two_of_our_orders() -> None:
    ledger = Inventory()
    ledger.apply(fill(UP, "5", "0.47", order_hash="0xa"), UP)
    ledger.apply(fill(UP, "5", "0.46", order_hash="0xb"), UP)
    assert ledger.working.up.qty_u6 == 10_000_000


def test_dust_is_half_the_minimum() -> None:
    assert dust_u6(5_000_000) == 2_500_000


def test_a_repeat_that_differs_in_one_thing_contradicts() -> None:
    ledger = Inventory()
    ledger.apply(fill(UP, "5", "0.47"), UP)
    for changed, outcome in (
        (fill(UP, "5", "0.46"), UP),
        (fill(UP, "4", "0.47"), UP),
        (fill(UP, "5", "0.47"), DOWN),
    ):
        assert ledger.apply(changed, outcome) is FillEffect.CONTRADICTION
    assert ledger.working == position((5, 4700))


def test_shares_of_a_reversed_fill_are_still_gone_from_their_order() -> None:
    ledger = Inventory()
    ledger.apply(fill(UP, "2", "0.47", order_hash="0xa"), UP)
    ledger.apply(fill(UP, "3", "0.47", trade_id="t2", order_hash="0xa"), UP)
    ledger.apply(fill(UP, "4", "0.47", trade_id="t3", order_hash="0xb"), UP)
    failed = fill(UP, "3", "0.47", trade_id="t2", order_hash="0xa", status=TradeStatus.FAILED)
    assert ledger.apply(failed, UP) is FillEffect.REVERSED
    assert ledger.working.up.qty_u6 == 6_000_000
    assert ledger.filled_u6("0xa") == 5_000_000
    assert ledger.filled_u6("0xb") == 4_000_000


def test_a_part_of_a_millionth_that_was_paid_is_a_loss() -> None:
    # 3 + 2 millionths of a share for 3 x 0.4701 + 2 x 0.52 = 2.4503 millionths of a dollar
    held = Position().with_buy(UP, 4701, 3).with_buy(DOWN, 5200, 2)
    assert held.worst_loss_u6 == 3 - 2
    assert held.profit_u6(UP) == 3 - 3
    assert held.profit_u6(DOWN) == 2 - 3


def test_one_leg_has_no_pair_cost() -> None:
    assert position(down=(5, 5200)).portfolio_cost_dollars == 0
    assert position(up=(5, 5200)).portfolio_cost_dollars == 0


def test_what_the_chain_has_not_taken_counts_only_where_it_hurts() -> None:
    inventory = Inventory()
    inventory.apply(fill(UP, "5", "0.47", trade_id="taken", status=TradeStatus.MINED), UP)
    inventory.apply(fill(DOWN, "5", "0.52", trade_id="open"), DOWN)
    gone = fill(DOWN, "2", "0.50", trade_id="gone", status=TradeStatus.FAILED)
    inventory.apply(gone, DOWN)
    assert [entry.trade_id for entry in inventory.unsettled] == ["open"]
    assert inventory.worst_profit_u6[UP] == 2_650_000 - 2_600_000
    assert inventory.worst_profit_u6[DOWN] == -2_350_000


def test_pairs_leave_out_what_failed() -> None:
    ledger = Inventory()
    for n, (outcome, price, status) in enumerate(
        [
            (Outcome.UP, "0.3", TradeStatus.FAILED),
            (Outcome.UP, "0.4", TradeStatus.MATCHED),
            (Outcome.DOWN, "0.5", TradeStatus.MINED),
            (Outcome.UP, "0.6", TradeStatus.MATCHED),
        ]
    ):
        ledger.apply(fill(outcome, "5", price, trade_id=f"t{n}", status=status), outcome)
    (pair,) = ledger.pairing.pairs
    assert (pair.up.price_e4, pair.down.price_e4, pair.cost_e4) == (4000, 5000, 9000)
    assert [(lot.price_e4, lot.qty_u6) for lot in ledger.pairing.unpaired] == [(6000, 5_000_000)]


def test_what_settled_is_known_with_the_time_of_the_first_report_of_it() -> None:
    ledger = Inventory()
    for at_ns, status in enumerate((TradeStatus.MATCHED, TradeStatus.MINED, TradeStatus.CONFIRMED)):
        report = fill(UP, "5", "0.47", trade_id="a", status=status, at_ns=at_ns)
        ledger.apply(report, UP)
    ledger.apply(fill(DOWN, "3", "0.5", trade_id="b", status=TradeStatus.MINED, at_ns=7), DOWN)
    assert [ledger.settled_by_u6(UP, at_ns) for at_ns in (0, 1, 2)] == [0, 5_000_000, 5_000_000]
    assert [ledger.settled_by_u6(DOWN, at_ns) for at_ns in (6, 7)] == [0, 3_000_000]


def pairs(ledger: Inventory, status: TradeStatus = TradeStatus.CONFIRMED) -> None:
    """Ten Up at .40, ten Down at .50."""
    for outcome, price in ((UP, "0.40"), (DOWN, "0.50")):
        name = f"{outcome} pairs"
        ledger.apply(fill(outcome, "10", price, trade_id=name, status=status), outcome)


def test_a_merge_frees_capital_and_takes_away_no_shares() -> None:
    ledger = Inventory()
    pairs(ledger)
    ledger.apply(fill(UP, "2", "0.45", trade_id="alone"), UP)
    before = ledger.working
    assert before.up.in_use_e4u6 == dollars(4.9)
    assert ledger.hear_merge(merge_report(pairs=10, up=4.0, down=5.0))
    after = ledger.working
    assert (after.up.qty_u6, after.down.qty_u6) == (12_000_000, 10_000_000)
    assert (after.up.in_use_e4u6, after.down.in_use_e4u6) == (dollars(0.9), 0)
    assert ledger.settled.down.in_use_e4u6 == 0
    assert after.net_diff_u6 == before.net_diff_u6
    assert after.worst_loss_u6 == before.worst_loss_u6
    assert after.portfolio_cost_dollars == before.portfolio_cost_dollars
    assert not before.can_open(LimitParams())
    assert after.can_open(LimitParams())
    assert not ledger.hear_merge(merge_report(pairs=10, up=4.0, down=5.0))
    assert ledger.working == after


def test_what_frees_capital_stays_freed_after_the_next_buy() -> None:
    ledger = Inventory()
    pairs(ledger)
    ledger.hear_merge(merge_report(pairs=10, up=4.0, down=5.0))
    ledger.apply(fill(UP, "5", "0.30", trade_id="next"), UP)
    assert ledger.working.up.in_use_e4u6 == dollars(1.5)
    assert ledger.working.with_buy(UP, 5000, 1_000_000).up.in_use_e4u6 == dollars(2.0)


@pytest.mark.parametrize("status", [TradeStatus.MATCHED, TradeStatus.MINED])
def test_only_confirmed_pairs_may_be_merged(status: TradeStatus) -> None:
    ledger = Inventory()
    pairs(ledger, status)
    assert ledger.mergeable_u6 == 0
    pairs(ledger)
    assert ledger.mergeable_u6 == 10_000_000


@pytest.mark.parametrize(
    ("status", "left_u6"), [(MERGED, 6_000_000), (UNKNOWN, 6_000_000), (FAILED, 10_000_000)]
)
def test_what_was_or_may_be_merged_is_not_merged_again(status: str, left_u6: int) -> None:
    ledger = Inventory()
    pairs(ledger)
    ledger.hear_merge(merge_report(status=status, pairs=4))  # type: ignore[arg-type] # parametrized
    assert ledger.mergeable_u6 == left_u6


def test_more_merged_than_known_is_nothing_to_merge() -> None:
    ledger = Inventory()
    ledger.hear_merge(merge_report(pairs=4, up=1.6, down=2.0))
    assert ledger.mergeable_u6 == 0
    assert ledger.merge_cost_e4u6(UP, 1_000_000) == 0


def test_a_merge_costs_the_average_of_what_is_confirmed_and_not_merged() -> None:
    ledger = Inventory()
    pairs(ledger)
    ledger.apply(fill(UP, "10", "0.60", trade_id="dear", status=TradeStatus.CONFIRMED), UP)
    assert ledger.merge_cost_e4u6(UP, 10_000_000) == dollars(5.0)
    assert ledger.merge_cost_e4u6(DOWN, 10_000_000) == dollars(5.0)
    ledger.hear_merge(merge_report(pairs=10, up=5.0, down=5.0))
    assert ledger.merge_cost_e4u6(UP, 5_000_000) == dollars(2.5)
