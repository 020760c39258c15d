from __future__ import annotations

import pytest
from msgspec.structs import replace

from pmcore.machines.inventory import Position
from pmcore.machines.pairing import Lot
from pmcore.machines.quoting import (
    Quote,
    QuoteMode,
    QuoteView,
    SideView,
    Targets,
    decide,
    hedge_size_u6,
    withdrawn,
)
from pmcore.model.market import Outcome
from pmcore.model.params import OfiScope
from pmcore.model.units import parse_price_e4

UP, DOWN = Outcome.UP, Outcome.DOWN


def touch(text: str, extra_ticks: int = 0) -> SideView:
    """`.46/.48`; `-` for an empty side."""
    bid, ask = (None if p == "-" else parse_price_e4(p) for p in text.split("/"))
    return SideView(bid, ask, extra_ticks)


def test_a_mid_needs_both_sides() -> None:
    assert touch("0.46/0.48").mid2_e4 == 9400
    assert touch("-/0.48").mid2_e4 is touch("0.46/-").mid2_e4 is None


def view(
    up: str,
    down: str,
    *,
    held: Position = Position(),  # noqa: B008 - frozen
    tick_e4: int = 10,
    can_open: bool = True,
    toxic: bool = False,
    scope: OfiScope = OfiScope.GLOBAL,
    new_risk: bool = True,
    extra_ticks: int = 0,
    gated: bool = False,
) -> QuoteView:
    """A view with the default settings and bids of five shares."""
    return QuoteView(
        up=touch(up, extra_ticks),
        down=touch(down, extra_ticks),
        position=held,
        can_open=can_open,
        toxic=toxic,
        scope=scope,
        tick_e4=tick_e4,
        pair_target_e4=9900,
        bid_size_u6=5_000_000,
        min_size_u6=5_000_000,
        new_risk=new_risk,
        gated=gated,
    )


def up_5(price_e4: int) -> Position:
    """Five Up shares."""
    return Position().with_buy(UP, price_e4, 5_000_000)


@pytest.mark.parametrize(
    ("up", "down", "up_e4", "down_e4"),
    [
        ("0.46/0.48", "0.51/0.53", 4700, 5200),  # worked case 1
        ("0.50/0.52", "0.50/0.52", 4950, 4950),  # worked case 2
        ("0.46/0.49", "0.51/0.53", 4720, 5170),  # .475 + .52 = .995: .0025 less each, floored
        ("0.001/0.003", "0.99/0.999", 10, 9890),  # clamped up to the tick, taken from the other
        ("0.99/0.999", "0.001/0.003", 9890, 10),
    ],
)
def test_balanced_quotes(up: str, down: str, up_e4: int, down_e4: int) -> None:
    targets = decide(view(up, down))
    assert targets.mode is QuoteMode.BALANCED
    assert targets.quote(UP) == Quote(up_e4, 5_000_000)
    assert targets.quote(DOWN) == Quote(down_e4, 5_000_000)


def test_the_market_tick_decides_the_floor() -> None:
    targets = decide(view("0.46/0.49", "0.51/0.53", tick_e4=100))
    assert targets.up == Quote(4700, 5_000_000)
    assert targets.down == Quote(5100, 5_000_000)


def test_hedge_bids_the_missing_side_one_tick_below_its_ask() -> None:
    targets = decide(view("0.47/0.49", "0.50/0.52", held=up_5(4700)))  # worked case 3
    assert targets.mode is QuoteMode.HEDGE
    assert (targets.up, targets.down) == (None, Quote(5190, 5_000_000))


def test_hedge_never_pays_more_than_the_pair_target_leaves() -> None:
    targets = decide(view("0.47/0.49", "0.50/0.56", held=up_5(4700)))
    assert targets.down == Quote(5200, 5_000_000)


def test_hedge_of_the_other_side() -> None:
    held = Position().with_buy(DOWN, 5200, 5_000_000)
    targets = decide(view("0.44/0.46", "0.53/0.55", held=held))
    assert (targets.up, targets.down) == (Quote(4590, 5_000_000), None)


@pytest.mark.parametrize(
    ("down", "price_e4"),
    [
        ("0.50/-", 4700),  # worked case 4: no ask
        ("0.50/0.52", 9950),  # worked case 5: ceiling -.005
        ("-/0.52", 4700),  # not a usable book
        ("-/-", 4700),
        ("0.001/0.001", 4700),  # below one tick
    ],
)
def test_no_hedge_without_a_price(down: str, price_e4: int) -> None:
    targets = decide(view("0.47/0.49", down, held=up_5(price_e4)))
    assert (targets.up, targets.down) == (None, None)


def test_a_ceiling_of_a_dollar_or_more_is_no_bid() -> None:
    assert decide(view("0.47/0.49", "0.50/0.52", held=up_5(0))).down is not None
    rich = view("0.47/0.49", "0.50/0.52", held=up_5(0))
    free = replace(rich, pair_target_e4=10_000)
    assert decide(free).down is None


@pytest.mark.parametrize(("up", "down"), [("-/0.48", "0.51/0.53"), ("0.46/0.48", "0.51/-")])
def test_an_unusable_book_quotes_nothing(up: str, down: str) -> None:
    assert decide(view(up, down)).mode is QuoteMode.NO_BOOK


def test_gates() -> None:
    assert decide(view("0.46/0.48", "0.51/0.53", can_open=False)).mode is QuoteMode.NOT_OPEN
    assert decide(view("0.46/0.48", "0.51/0.53", new_risk=False)).mode is QuoteMode.NOT_OPEN


def test_a_closed_gate_stops_the_first_leg_and_never_the_hedge() -> None:
    assert decide(view("0.46/0.48", "0.51/0.53", gated=True)) == Targets(QuoteMode.GATED)
    held = Position().with_buy(UP, 4700, 5_000_000)
    hedge = decide(view("0.46/0.48", "0.51/0.53", held=held))
    assert hedge.down is not None
    assert decide(view("0.46/0.48", "0.51/0.53", held=held, gated=True)) == hedge
    hedge = decide(view("0.47/0.49", "0.50/0.52", held=up_5(4700), can_open=False, new_risk=False))
    assert hedge.down is not None


def test_toxic_flow_kills_everything_or_only_new_risk() -> None:
    assert decide(view("0.46/0.48", "0.51/0.53", toxic=True)).mode is QuoteMode.TOXIC
    held = up_5(4700)
    assert decide(view("0.47/0.49", "0.50/0.52", held=held, toxic=True)).mode is QuoteMode.TOXIC
    scoped = OfiScope.RISK_INCREASING
    kept = decide(view("0.47/0.49", "0.50/0.52", held=held, toxic=True, scope=scoped))
    assert kept.down is not None
    assert decide(view("0.46/0.48", "0.51/0.53", toxic=True, scope=scoped)).up is None


def test_dust_counts_as_balanced() -> None:
    held = Position().with_buy(UP, 4700, 2_500_000)
    assert decide(view("0.46/0.48", "0.51/0.53", held=held)).mode is QuoteMode.BALANCED
    held = Position().with_buy(UP, 4700, 2_510_000)
    assert decide(view("0.46/0.48", "0.51/0.53", held=held)).mode is QuoteMode.HEDGE


def test_never_at_or_above_the_ask_of_either_book() -> None:
    # the complement's bid of .53 is an ask of .47: .494 would cross it
    targets = decide(view("0.46/0.60", "0.53/0.531"))
    assert targets.up == Quote(4690, 5_000_000)
    safer = decide(view("0.46/0.60", "0.53/0.531", extra_ticks=2))
    assert safer.up == Quote(4670, 5_000_000)
    assert decide(view("0.001/0.002", "0.997/0.999", extra_ticks=3)).up is None


def test_a_one_tick_spread_joins_the_bid() -> None:
    targets = decide(view("0.49/0.50", "0.50/0.51", tick_e4=100))
    assert (targets.up, targets.down) == (Quote(4900, 5_000_000), Quote(5000, 5_000_000))


@pytest.mark.parametrize(
    ("net", "size"),
    [(3_000_000, 5_000_000), (5_000_000, 5_000_000), (7_330_000, 5_000_000)],
)
def test_hedge_size_is_raised_to_the_minimum(net: int, size: int) -> None:
    assert hedge_size_u6(net, 5_000_000, 5_000_000) == size


def test_hedge_size_stays_on_the_size_grid() -> None:
    assert hedge_size_u6(7_333_333, 20_000_000, 5_000_000) == 7_330_000


def test_no_pair_when_even_the_first_ticks_cost_too_much() -> None:
    cheap = view("0.01/0.03", "0.01/0.03", tick_e4=100)
    targets = decide(replace(cheap, pair_target_e4=150))
    assert (targets.up, targets.down) == (None, None)


def test_a_hedge_needs_only_the_missing_sides_book() -> None:
    targets = decide(view("-/-", "0.50/0.52", held=up_5(4700)))
    assert targets.down == Quote(5190, 5_000_000)


def test_targets_by_outcome() -> None:
    up, down = Quote(4700, 5_000_000), Quote(5200, 5_000_000)
    targets = Targets(QuoteMode.BALANCED, up, down)
    assert (targets.quote(UP), targets.quote(DOWN)) == (up, down)


def test_a_hedge_by_the_cost_of_the_unpaired_shares() -> None:
    """Five Up at .30 are paired, five at .65 are not: the average is .475."""
    held = up_5(3000).with_buy(UP, 6500, 5_000_000).with_buy(DOWN, 4000, 5_000_000)
    seen = view(".47/.49", ".50/.52", held=held)
    assert decide(seen).down == Quote(5150, 5_000_000)
    by_lots = replace(seen, unpaired=(Lot(6500, 5_000_000),))
    assert decide(by_lots).down == Quote(3400, 5_000_000)
    dear = replace(seen, unpaired=(Lot(9900, 5_000_000),))
    assert decide(dear) == Targets(QuoteMode.HEDGE)


def test_dust_too_is_paired_within_the_target() -> None:
    """Two Up at .60 count as balanced; the next two Down are paired with them."""
    held = Position().with_buy(UP, 6000, 2_000_000)
    seen = view(".46/.48", ".51/.53", held=held)
    by_average = decide(seen)
    assert by_average == Targets(QuoteMode.BALANCED, Quote(4700, 5_000_000), Quote(5200, 5_000_000))
    dust = (Lot(6000, 2_000_000),)
    by_lots = decide(replace(seen, unpaired=dust))
    assert by_lots == Targets(QuoteMode.BALANCED, by_average.up, Quote(3900, 5_000_000))
    mirrored = replace(seen, position=Position().with_buy(DOWN, 6000, 2_000_000), unpaired=dust)
    assert decide(mirrored).up == Quote(3900, 5_000_000)
    assert decide(mirrored).down == by_average.down
    assert decide(replace(seen, unpaired=(Lot(9900, 2_000_000),))).down is None


def test_only_the_endangered_bids_are_withdrawn() -> None:
    both = Targets(QuoteMode.BALANCED, Quote(4700, 5), Quote(5100, 5))
    assert withdrawn(both, (), QuoteMode.UNDERLYING) is both
    assert withdrawn(both, (UP,), QuoteMode.UNDERLYING) == Targets(
        QuoteMode.UNDERLYING, None, both.down
    )
    mode = QuoteMode.FAIR_VALUE
    assert withdrawn(both, (DOWN,), mode) == Targets(mode, both.up, None)
    assert withdrawn(both, (UP, DOWN), mode) == Targets(mode)
