"""Parts of the profit of a window."""

from __future__ import annotations

from pmcore.machines.attribution import FillResult, PnlParts, attribute, summed
from pmcore.machines.markouts import MarkedFill
from pmcore.model.market import Outcome
from pmcore.model.units import NS_PER_S

UP, DOWN = Outcome.UP, Outcome.DOWN
UP_WON, DOWN_WON = 20_000, 0


def a_fill(at_s: int, outcome: Outcome, price_e4: int, size_u6: int, **more: object) -> MarkedFill:
    fields: dict[str, object] = {
        "trade_id": f"t{at_s}",
        "outcome": outcome,
        "price_e4": price_e4,
        "size_u6": size_u6,
        "at_ns": at_s * NS_PER_S,
        "since_open_ns": at_s * NS_PER_S,
        "hedge": False,
        "toxic": False,
        "ofi_score_u6": 0,
        "rested_ns": None,
    }
    return MarkedFill(**{**fields, **more})  # type: ignore[arg-type] # tests name fields


def parts(results: list[FillResult]) -> list[PnlParts]:
    return [one.parts for one in results]


def test_nothing_is_nothing() -> None:
    assert summed(attribute([], UP_WON)) == PnlParts()


def test_an_unpaired_share_goes_from_price_to_mid_to_a_minute_later_to_its_worth() -> None:
    marks = (1, 2, 3, 4, 9001)
    fill = a_fill(1, UP, 4700, 3, mid2_e4=9601, marks2_e4=marks)
    (won,) = parts(attribute([fill], UP_WON))
    assert won == PnlParts(201 * 3, -600 * 3, (20_000 - 9001) * 3)
    (lost,) = parts(attribute([fill], DOWN_WON))
    assert lost.total2_e4u6 == -2 * 4700 * 3
    (marked,) = parts(attribute([fill], 9001))
    assert marked.residual2_e4u6 == 0


def test_a_down_share_is_worth_what_an_up_share_is_not() -> None:
    fill = a_fill(1, DOWN, 4700, 2, mid2_e4=9600, marks2_e4=(1, 2, 3, 4, 9500))
    totals = [
        summed(attribute([fill], worth2_e4)).total2_e4u6 for worth2_e4 in (UP_WON, DOWN_WON, 8001)
    ]
    assert totals == [-9400 * 2, (20_000 - 9400) * 2, (11_999 - 9400) * 2]


def test_near_the_close_the_adverse_part_ends_with_the_settlement() -> None:
    fill = a_fill(1, DOWN, 4700, 1, mid2_e4=9600, marks2_e4=(9500,))
    assert parts(attribute([fill], DOWN_WON)) == [PnlParts(200, 20_000 - 9600)]


def test_a_pair_ends_at_the_mid_at_which_its_second_leg_was_bought() -> None:
    leg = a_fill(1, UP, 4700, 5, mid2_e4=9600, marks2_e4=(9, 9, 9, 9, 9400))
    hedge = a_fill(20, DOWN, 5100, 2, mid2_e4=10_700)
    first, second = attribute([leg, hedge], UP_WON)
    paired = PnlParts(200 * 2, (9300 - 9600) * 2)
    rest = PnlParts(200 * 3, (9400 - 9600) * 3, (20_000 - 9400) * 3)
    assert first.parts == paired.plus(rest)
    assert second.parts == PnlParts((10_700 - 10_200) * 2)
    assert (first.paired_u6, first.pair_cost_e4u6) == (2, 9800 * 2)
    assert (first.paired_after_ns, second.paired_after_ns) == (19 * NS_PER_S, 0)


def test_a_pair_made_after_more_than_a_minute_has_a_residual_part() -> None:
    leg = a_fill(1, DOWN, 4700, 1, mid2_e4=9600, marks2_e4=(9, 9, 9, 9, 9400))
    hedge = a_fill(100, UP, 5100, 1, mid2_e4=10_700)
    results = attribute([leg, hedge], UP_WON)
    assert parts(results) == [PnlParts(200, -200, -100), PnlParts(500)]
    assert summed(results) == PnlParts(700, -200, -100)


def test_what_lies_between_unknown_mids_is_unknown_and_the_sum_still_holds() -> None:
    no_mid = a_fill(1, UP, 4700, 1, marks2_e4=(9, 9, 9, 9, 9400))
    assert parts(attribute([no_mid], UP_WON)) == [PnlParts(0, 0, 10_600, 0)]
    no_mark = a_fill(1, UP, 4700, 1, mid2_e4=9600, marks2_e4=(9, 9, 9, 9, None))
    assert parts(attribute([no_mark], UP_WON)) == [PnlParts(200, 0, 0, 10_400)]
    leg = a_fill(1, UP, 4700, 1, mid2_e4=9600)
    hedge = a_fill(9, DOWN, 5200, 1)
    assert parts(attribute([leg, hedge], UP_WON)) == [PnlParts(0, 0, 0, 200), PnlParts()]


def test_a_failed_fill_earned_nothing_and_pairs_nothing() -> None:
    leg = a_fill(1, UP, 4700, 1, mid2_e4=9600)
    failed = a_fill(2, DOWN, 5000, 1, mid2_e4=10_400, failed=True)
    (only,) = attribute([leg, failed], DOWN_WON)
    assert (only.fill, only.paired_u6) == (leg, 0)
    assert only.parts.total2_e4u6 == -9400
