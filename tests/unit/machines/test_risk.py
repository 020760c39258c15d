from __future__ import annotations

import pytest

from pmcore.machines.inventory import Holding, Position
from pmcore.machines.risk import (
    Exposure,
    Provisional,
    RiskApproved,
    RiskRefusal,
    approve,
    filled,
    refuse,
)
from pmcore.model.errors import InvariantError
from pmcore.model.market import Outcome
from pmcore.model.params import LimitParams

UP, DOWN = Outcome.UP, Outcome.DOWN
LIMITS = LimitParams()
FLAT = (Position(), Position())


def up(price_e4: int = 4700, qty: int = 5) -> Exposure:
    """An Up order."""
    return Exposure(UP, price_e4, qty * 1_000_000)


def down(price_e4: int = 5200, qty: int = 5) -> Exposure:
    """A Down order."""
    return Exposure(DOWN, price_e4, qty * 1_000_000)


def test_a_first_pair_is_fine() -> None:
    assert refuse(up(), [down()], FLAT, LIMITS) is None
    assert refuse(down(), [up()], FLAT, LIMITS) is None


def test_an_approval_names_the_order_that_was_checked() -> None:
    verdict = approve(up(4700, 6), [down()], FLAT, LIMITS)
    assert isinstance(verdict, RiskApproved)
    assert (verdict.outcome, verdict.price_e4, verdict.qty_u6) == (UP, 4700, 6_000_000)
    assert approve(up(), [up()], FLAT, LIMITS) is RiskRefusal.NET_DIFF


def test_nobody_else_makes_an_approval() -> None:
    with pytest.raises(InvariantError, match="approve"):
        RiskApproved(up(), object())


def test_resting_orders_count_as_filled() -> None:
    assert refuse(up(), [up()], FLAT, LIMITS) is RiskRefusal.NET_DIFF
    assert refuse(up(), [up(qty=0)], FLAT, LIMITS) is None


def test_either_view_may_refuse() -> None:
    held = Position().with_buy(UP, 4700, 5_000_000)
    assert refuse(up(), [], (held, Position()), LIMITS) is RiskRefusal.NET_DIFF
    assert refuse(up(), [], (Position(), held), LIMITS) is RiskRefusal.NET_DIFF
    assert refuse(down(), [], (held, held), LIMITS) is None


def test_position_value_is_strict() -> None:
    held = Position().with_buy(UP, 5000, 5_000_000).with_buy(DOWN, 4900, 5_000_000)
    assert refuse(up(5000), [], (held,), LIMITS) is RiskRefusal.POSITION_VALUE
    assert refuse(up(4990), [], (held,), LIMITS) is None


def test_pair_cost_alone_and_together() -> None:
    held = Position().with_buy(DOWN, 6000, 5_000_000)
    assert refuse(up(4200), [], (held,), LIMITS) is RiskRefusal.PORTFOLIO_COST
    assert refuse(up(4199), [], (held,), LIMITS) is None
    # alone fine, together with what rests on the other side too dear
    small = LimitParams(max_portfolio_cost_e4=9800)
    assert refuse(up(4700), [down(5200)], FLAT, small) is RiskRefusal.PORTFOLIO_COST


def test_cheap_orders_that_may_not_fill_do_not_excuse_a_dear_one() -> None:
    resting = [up(100), down(4800)]
    roomy = LimitParams(max_net_diff_u6=100_000_000, max_portfolio_cost_e4=9700)
    assert refuse(up(4900), resting, FLAT, roomy) is RiskRefusal.PORTFOLIO_COST
    assert refuse(up(4899), resting, FLAT, roomy) is None


def test_a_pair_that_is_too_dear_already_may_be_mended() -> None:
    held = Position().with_buy(UP, 6000, 5_000_000).with_buy(DOWN, 4500, 2_000_000)
    assert refuse(down(3900, qty=3), [], (held,), LIMITS) is None
    assert refuse(down(4400, qty=3), [], (held,), LIMITS) is RiskRefusal.PORTFOLIO_COST


def test_our_own_bids_must_not_cross_through_the_merged_book() -> None:
    assert refuse(up(4800), [down(5200)], FLAT, LIMITS) is RiskRefusal.OWN_CROSS
    assert refuse(up(4790), [down(5200)], FLAT, LIMITS) is None


def test_filled_adds_everything() -> None:
    held = Position().with_buy(UP, 4000, 1_000_000)
    after = filled(held, [up(4700, 5), down(5200, 3), up(4800, 2)])
    assert after.up == Holding(8_000_000, 4000 * 10**6 + 4700 * 5 * 10**6 + 4800 * 2 * 10**6)
    assert after.down == Holding(3_000_000, 5200 * 3 * 10**6)


def test_mending_a_pair_counts_what_rests_on_the_other_side() -> None:
    """Too dear already, and with a dear order resting: all of them together must mend it."""
    held = Position().with_buy(UP, 6000, 5_000_000).with_buy(DOWN, 4500, 2_000_000)
    mending, resting = down(3890, qty=2), up(6050, qty=5)
    assert refuse(mending, [], (held,), LIMITS) is None
    assert refuse(mending, [resting], (held,), LIMITS) is RiskRefusal.PORTFOLIO_COST


def test_a_dear_order_is_refused_though_a_cheap_one_that_rests_would_mend_the_pair() -> None:
    held = Position().with_buy(UP, 6000, 5_000_000).with_buy(DOWN, 4500, 2_000_000)
    resting = down(3000, qty=5)
    assert refuse(up(6000, qty=1), [resting], (held,), LIMITS) is RiskRefusal.PORTFOLIO_COST


def test_an_order_of_which_nothing_is_left_crosses_nothing() -> None:
    assert refuse(up(4800), [down(5200, qty=0)], FLAT, LIMITS) is None
    assert refuse(up(4800), [down(5200, qty=1)], FLAT, LIMITS) is RiskRefusal.OWN_CROSS


def test_fills_that_may_be_taken_back_count_only_where_that_is_worse() -> None:
    """Up and Down matched: an Up bid more is net 10 if the Down fill fails."""
    pair = Provisional(Position(), (up(), down()))
    views = (filled(Position(), pair.fills), Position())
    assert refuse(up(), [], views, LIMITS) is None
    assert refuse(up(), [], views, LIMITS, pair) is RiskRefusal.NET_DIFF
    assert refuse(down(4700), [], views, LIMITS, pair) is RiskRefusal.NET_DIFF
    assert refuse(up(qty=4), [], views, LIMITS, pair) is None
    settled = Provisional(filled(Position(), pair.fills))
    assert refuse(up(), [], views, LIMITS, settled) is None


def test_a_cheap_fill_that_may_be_taken_back_makes_no_average_cheaper() -> None:
    cheap = Provisional(Position(), (up(2000, qty=3), up(6000, qty=3)))
    views = (filled(Position(), cheap.fills), Position())
    assert refuse(down(4100, qty=3), [], views, LIMITS, cheap) is None
    dear = refuse(down(4200, qty=3), [], views, LIMITS, cheap)
    assert dear is RiskRefusal.PORTFOLIO_COST
    assert refuse(down(4200, qty=3), [], views, LIMITS) is None


def test_the_gate_on_every_subset() -> None:
    assert Provisional(filled(Position(), (up(qty=9),))).can_open(LIMITS)
    assert not Provisional(filled(Position(), (up(qty=10),))).can_open(LIMITS)
    assert Provisional(Position(), (up(), down())).can_open(LIMITS)
    assert not Provisional(Position(), (up(4700, qty=10), down(1000, qty=10))).can_open(LIMITS)
    dear = (up(2000, qty=3), up(6000, qty=3), down(4200, qty=3))
    assert not Provisional(Position(), dear).can_open(LIMITS)
