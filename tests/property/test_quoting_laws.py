"""Laws of quoting, for any view: bounds of price, pair and crossing; symmetry of the outcomes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pmcore.machines.inventory import Holding, Position
from pmcore.machines.pairing import Lot, dearest_e4, unpaired_lots
from pmcore.machines.quoting import QuoteMode, QuoteView, SideView, Targets, decide
from pmcore.model.market import Outcome
from pmcore.model.params import OfiScope
from pmcore.model.units import PRICE_ONE_E4, is_on_grid

TICKS = st.sampled_from([1, 10, 25, 50, 100, 1000])


@st.composite
def sides(draw: st.DrawFn, tick_e4: int) -> SideView:
    steps = PRICE_ONE_E4 // tick_e4
    price = st.none() | st.integers(0, steps).map(lambda n: n * tick_e4)
    return SideView(draw(price), draw(price), draw(st.integers(0, 5)))


holdings = st.builds(
    lambda cents, price_e4: Holding(cents * 10_000, cents * 10_000 * price_e4 if cents else 0),
    st.integers(0, 3000),
    st.integers(1, 9999),
)


@st.composite
def views(draw: st.DrawFn) -> QuoteView:
    tick_e4 = draw(TICKS)
    return QuoteView(
        up=draw(sides(tick_e4)),
        down=draw(sides(tick_e4)),
        position=Position(draw(holdings), draw(holdings)),
        can_open=draw(st.booleans()),
        toxic=draw(st.booleans()),
        scope=draw(st.sampled_from(OfiScope)),
        tick_e4=tick_e4,
        pair_target_e4=draw(st.integers(1, 9999)),
        bid_size_u6=draw(st.integers(500, 5000)) * 10_000,
        min_size_u6=5_000_000,
        new_risk=draw(st.booleans()),
    )


@given(views())
def test_every_bid_may_rest_in_the_market(view: QuoteView) -> None:
    targets = decide(view)
    for quote in (targets.up, targets.down):
        if quote is not None:
            assert is_on_grid(quote.price_e4, view.tick_e4)
            assert quote.size_u6 >= view.min_size_u6
            assert quote.size_u6 % 10_000 == 0


@given(views())
def test_no_bid_reaches_an_ask_of_either_book(view: QuoteView) -> None:
    targets = decide(view)
    for outcome in Outcome:
        quote = targets.quote(outcome)
        if quote is None:
            continue
        ask_e4, other_bid_e4 = view.side(outcome).ask_e4, view.side(outcome.complement).bid_e4
        assert ask_e4 is not None
        assert quote.price_e4 <= ask_e4 - view.tick_e4
        if other_bid_e4 is not None:
            assert quote.price_e4 <= PRICE_ONE_E4 - other_bid_e4 - view.tick_e4


@given(views())
def test_two_bids_never_cost_more_than_the_pair_target(view: QuoteView) -> None:
    targets = decide(view)
    if targets.up is not None and targets.down is not None:
        assert targets.mode is QuoteMode.BALANCED
        assert targets.up.price_e4 + targets.down.price_e4 <= view.pair_target_e4


@given(views())
def test_a_hedge_never_makes_a_dearer_pair_and_always_lowers_the_imbalance(
    view: QuoteView,
) -> None:
    targets = decide(view)
    if targets.mode is not QuoteMode.HEDGE:
        return
    net_u6 = view.position.net_diff_u6
    excess = Outcome.UP if net_u6 > 0 else Outcome.DOWN
    assert targets.quote(excess) is None
    quote = targets.quote(excess.complement)
    if quote is not None:
        held = view.position.holding(excess)
        assert quote.price_e4 * held.qty_u6 + held.cost_e4u6 <= view.pair_target_e4 * held.qty_u6
        assert abs(abs(net_u6) - quote.size_u6) < abs(net_u6)


@given(views())
def test_the_outcomes_are_interchangeable(view: QuoteView) -> None:
    mirrored = replace(
        view,
        up=view.down,
        down=view.up,
        position=Position(view.position.down, view.position.up),
    )
    here, there = decide(view), decide(mirrored)
    if here.up and here.down and here.up.price_e4 == here.down.price_e4:
        return
    assert there == Targets(here.mode, here.down, here.up)


@given(views())
def test_nothing_is_bid_into_toxic_flow_or_without_permission(view: QuoteView) -> None:
    targets = decide(view)
    both = targets.up is not None and targets.down is not None
    if view.toxic and view.scope is OfiScope.GLOBAL:
        assert (targets.up, targets.down) == (None, None)
    if both:
        assert view.can_open
        assert view.new_risk
        assert not view.toxic


@given(
    st.lists(st.tuples(st.sampled_from(Outcome), st.integers(1, 999), st.integers(1, 8))),
    st.integers(1, 8),
    st.integers(0, 8),
)
def test_a_hedge_by_unpaired_cost_makes_no_dear_pair_however_much_of_it_fills(
    buys: list[tuple[Outcome, int, int]], size: int, filled: int
) -> None:
    """Against single shares, paired one by one."""
    target_e4 = 9900
    lots = [(outcome, Lot(price * 10, qty)) for outcome, price, qty in buys]
    shares = {o: [p * 10 for side, p, q in buys for _ in range(q) if side is o] for o in Outcome}
    excess = max(Outcome, key=lambda outcome: len(shares[outcome]))
    alone = shares[excess][len(shares[excess.complement]) :]
    left = unpaired_lots(lots)
    assert [lot.price_e4 for lot in left for _ in range(lot.qty_u6)] == alone
    ceiling_e4 = target_e4 - dearest_e4(left, size)
    assert all(price + ceiling_e4 <= target_e4 for price in alone[: min(size, filled)])
