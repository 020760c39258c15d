"""Laws of quoting, for any view: bounds of price, pair and crossing; symmetry of the outcomes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pmcore.machines.inventory import Holding, Position
from pmcore.machines.pairing import Lot, pair_lots
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


buys = st.lists(
    st.tuples(st.sampled_from(Outcome), st.integers(1, 999), st.integers(1, 8)), max_size=8
)


@given(buys)
def test_shares_are_paired_one_by_one_and_none_is_lost(
    bought: list[tuple[Outcome, int, int]],
) -> None:
    shares = {o: [p * 10 for side, p, q in bought for _ in range(q) if side is o] for o in Outcome}
    pairing = pair_lots((outcome, Lot(price * 10, qty)) for outcome, price, qty in bought)
    pairs = [
        (pair.up.price_e4, pair.down.price_e4)
        for pair in pairing.pairs
        for _ in range(pair.up.qty_u6)
    ]
    assert pairs == list(zip(shares[Outcome.UP], shares[Outcome.DOWN], strict=False))
    assert all(pair.up.qty_u6 == pair.down.qty_u6 for pair in pairing.pairs)
    left = [lot.price_e4 for lot in pairing.unpaired for _ in range(lot.qty_u6)]
    assert left == max(shares.values(), key=len)[len(pairs) :]


@st.composite
def quoting_views(draw: st.DrawFn) -> QuoteView:
    """Two mirrored books of one cent's spread, and nothing that forbids a quote."""
    mid_e4 = draw(st.integers(10, 990)) * 10
    up, down = (SideView(mid - 50, mid + 50) for mid in (mid_e4, PRICE_ONE_E4 - mid_e4))
    allowed = {"can_open": True, "toxic": False, "new_risk": True, "bid_size_u6": 5_000_000}
    return replace(draw(views()), up=up, down=down, tick_e4=10, pair_target_e4=9900, **allowed)


@given(
    quoting_views(),
    buys,
    st.lists(st.tuples(st.sampled_from(Outcome), st.integers(1, 5)), min_size=1),
    st.sampled_from([100_000, 1_000_000]),
)
def test_no_bid_ever_makes_a_pair_dearer_than_the_target(
    view: QuoteView,
    bought: list[tuple[Outcome, int, int]],
    fills: list[tuple[Outcome, int]],
    unit_u6: int,
) -> None:
    """Also not with dust, however much of both bids is filled, in whatever parts and order."""
    lots = [(outcome, Lot(price * 10, qty * unit_u6)) for outcome, price, qty in bought]
    position = Position()
    for outcome, lot in lots:
        position = position.with_buy(outcome, lot.price_e4, lot.qty_u6)
    before = pair_lots(lots)
    targets = decide(replace(view, position=position, unpaired=before.unpaired))
    left_u6 = {o: quote.size_u6 for o in Outcome if (quote := targets.quote(o))}
    for outcome, part in fills:
        if quote := targets.quote(outcome):
            qty_u6 = min(left_u6[outcome], part * 1_000_000)
            left_u6[outcome] -= qty_u6
            lots.append((outcome, Lot(quote.price_e4, qty_u6)))
    after = pair_lots(lots)
    assert after.pairs[: len(before.pairs)] == before.pairs
    assert all(pair.cost_e4 <= view.pair_target_e4 for pair in after.pairs[len(before.pairs) :])
