"""Laws of a whole venue under any commands, with crowd, delay, fees, failures and faults."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pmcore.model.market import BookSide, Outcome, parse_series
from pmcore.model.units import (
    NS_PER_MS,
    NS_PER_S,
    QTY_GRID_U6,
    SHARE_U6,
    complement_e4,
    parse_price_e4,
    parse_qty_u6,
)
from pmsim.faults.faulty_venue import FaultyVenue
from pmsim.faults.plan import FaultPlan
from pmsim.run.synthetic import SyntheticParams, SyntheticVenue
from pmsim.venue.accounts import AccountsParams
from pmsim.venue.conservation import ledger_problems
from pmsim.venue.ports import (
    Account,
    NewOrder,
    OrderSide,
    OrderStatus,
    PlaceResult,
    TimeInForce,
    VenueOrder,
)
from support.sim_worlds import WORLD_START_NS

OWNERS = ("ann", "bob", "cat")
owners = st.sampled_from(OWNERS)
prices = st.integers(48, 52)
lots = st.integers(500, 2_000)
kinds = st.sampled_from([TimeInForce.GTC] * 4 + [TimeInForce.GTD, TimeInForce.FOK, TimeInForce.FAK])
shapes = st.fixed_dictionaries(
    {
        "outcome": st.sampled_from(Outcome),
        "side": st.sampled_from(OrderSide),
        "ticks": prices,
        "lots": lots,
        "kind": kinds,
        "post_only": st.sampled_from([True, False, False]),
        "dollars": st.sampled_from([0, 0, 3]),
    }
)


class VenueLaws(RuleBasedStateMachine):
    """Three accounts in the second window of a short series; the crowd arrives on its way."""

    def __init__(self) -> None:
        super().__init__()
        self.synthetic = SyntheticVenue(
            SyntheticParams(
                series=(parse_series("btc-updown-30s"),),
                seed=5,
                start_ns=WORLD_START_NS,
                taker_delay_ms=150,
                accounts=AccountsParams(cash_u6=250 * SHARE_U6, failed_ppm=300_000),
            )
        )
        self.venue = FaultyVenue(self.synthetic, seed=5)
        for owner in OWNERS:
            self.venue.add_account(Account(owner=owner, maker_address=f"0x{owner}"))
        listing = self.venue.listing(f"btc-updown-30s-{WORLD_START_NS // NS_PER_S + 30}")
        assert listing is not None
        self.window = listing.window
        for owner in OWNERS:
            self.split(owner, 10_000)
        self.posted = 0
        self.step = 0
        self.post_only: list[str] = []
        self.seen_live: dict[str, tuple[int, int]] = {}

    @rule(owner=owners, shape=shapes)
    def place(self, owner: str, shape: dict[str, Any]) -> None:
        order = self._order(shape)
        self._check(order, self.venue.place(owner, order, self.venue.now_ns))

    @rule(owner=owners, many=st.lists(shapes, min_size=2, max_size=5))
    def place_batch(self, owner: str, many: list[dict[str, Any]]) -> None:
        orders = [self._order(shape) for shape in many]
        answers = self.venue.place_batch(owner, orders, self.venue.now_ns)
        for order, answer in zip(orders, answers, strict=True):
            self._check(order, answer)

    @rule(owner=owners, back=st.integers(0, 12))
    def cancel(self, owner: str, back: int) -> None:
        self.venue.cancel(owner, [f"0x{self.posted - back}"], self.venue.now_ns)

    @rule(owner=owners)
    def cancel_all(self, owner: str) -> None:
        self.venue.cancel_all(owner, self.venue.now_ns)
        assert self.venue.open_orders(owner) == []

    @rule(owner=owners, size=lots)
    def split(self, owner: str, size: int) -> None:
        size_u6 = size * QTY_GRID_U6
        self.venue.split(owner, self.window.condition_id, size_u6, self.venue.now_ns)

    @rule(owner=owners, size=lots)
    def merge(self, owner: str, size: int) -> None:
        size_u6 = size * QTY_GRID_U6
        self.venue.merge(owner, self.window.condition_id, size_u6, self.venue.now_ns)

    @rule(owner=owners)
    def redeem(self, owner: str) -> None:
        self.venue.redeem(owner, self.window.condition_id, self.venue.now_ns)

    @rule(owner=owners, many=st.lists(shapes, min_size=4, max_size=8))
    def place_one_by_one(self, owner: str, many: list[dict[str, Any]]) -> None:
        for number, shape in enumerate(many):
            self.place(OWNERS[(OWNERS.index(owner) + number) % len(OWNERS)], shape)
            self.wait(150)

    @rule(ms=st.sampled_from([1, 149, 3_000, 12_000, 30_000]))
    def wait(self, ms: int) -> None:
        self.venue.advance(self.venue.now_ns + ms * NS_PER_MS)

    @rule()
    def make_the_tick_finer(self) -> None:
        self.venue.change_tick(self.window.condition_id, 10, self.venue.now_ns)

    @rule(ppm=st.sampled_from([0, 500_000]), sweep=st.sampled_from([0, 50]))
    def change_the_faults(self, ppm: int, sweep: int) -> None:
        plan = FaultPlan(failed_ppm=ppm, retried_ppm=ppm, phantom_ppm=ppm, end_sweep_shares=sweep)
        self.venue.set_faults(plan, self.venue.now_ns)

    @invariant()
    def cash_and_shares_are_conserved(self) -> None:
        assert ledger_problems(self.synthetic.accounts, [self.window]) == []

    @invariant()
    def no_post_only_order_ever_takes_and_nothing_overfills(self) -> None:
        for trade in self.synthetic.accounts.trades:
            assert trade.taker_order_hash not in self.post_only
            assert trade.size_u6 == sum(maker.size_u6 for maker in trade.makers)
        for record in self.synthetic.accounts.orders.values():
            assert record.matched_u6 <= record.original_u6

    @invariant()
    def who_came_first_fills_first(self) -> None:
        self.step += 1
        live = [r for r in self.synthetic.accounts.all_open() if r.status is OrderStatus.LIVE]
        for record in live:
            self.seen_live.setdefault(record.order_hash, (self.step, record.matched_u6))
        for late in live:
            since, matched_u6 = self.seen_live[late.order_hash]
            if late.matched_u6 > matched_u6:
                for early in live:
                    earlier = self.seen_live[early.order_hash][0] < since
                    assert not (earlier and _place_of(early) == _place_of(late))

    @invariant()
    def the_books_are_mirrors_and_hold_what_rests(self) -> None:
        up, down = (self.venue.book(self.window.token_id(outcome)) for outcome in Outcome)
        if up is None or down is None:
            assert self.synthetic.accounts.all_open() == []
            return
        for side, other in (("bids", "asks"), ("asks", "bids")):
            assert _levels(up[side]) == [(complement_e4(p), q) for p, q in _levels(down[other])]
        sizes = {BookSide.BID: dict(_levels(up["bids"])), BookSide.ASK: dict(_levels(up["asks"]))}
        resting: dict[tuple[BookSide, int], int] = {}
        for record in self.synthetic.accounts.all_open():
            if record.status is OrderStatus.LIVE:
                place = _place_of(record)
                resting[place] = resting.get(place, 0) + record.leaves_u6
        for (side, price_e4), qty_u6 in resting.items():
            assert sizes[side][price_e4] >= qty_u6 // QTY_GRID_U6 * QTY_GRID_U6

    def _order(self, shape: dict[str, Any]) -> NewOrder:
        self.posted += 1
        gtd = shape["kind"] is TimeInForce.GTD
        order = NewOrder(
            order_hash=f"0x{self.posted}",
            token_id=self.window.token_id(shape["outcome"]),
            side=shape["side"],
            price_e4=shape["ticks"] * 100,
            size_u6=shape["lots"] * QTY_GRID_U6,
            time_in_force=shape["kind"],
            post_only=shape["post_only"],
            expiration_s=self.venue.now_ns // NS_PER_S + 181 if gtd else 0,
        )
        immediate = shape["kind"] in (TimeInForce.FOK, TimeInForce.FAK)
        if immediate:
            order = msgspec.structs.replace(order, post_only=False)
        if immediate and order.side is OrderSide.BUY:
            order = msgspec.structs.replace(order, amount_u6=shape["dollars"] * SHARE_U6)
        return order

    def _check(self, order: NewOrder, answer: PlaceResult) -> None:
        if order.post_only:
            self.post_only.append(order.order_hash)
            assert answer.status in ("", "live")
        assert bool(answer.error) is (answer.status == "")
        assert bool(answer.error) is (self.venue.order(order.order_hash) is None)


def _place_of(record: VenueOrder) -> tuple[BookSide, int]:
    """Side and price in the merged book."""
    up = record.outcome is Outcome.UP
    bids = (record.side is OrderSide.BUY) is up
    price_e4 = record.price_e4 if up else complement_e4(record.price_e4)
    return (BookSide.BID if bids else BookSide.ASK), price_e4


def _levels(rows: object) -> list[tuple[int, int]]:
    assert isinstance(rows, list)
    return [(parse_price_e4(row["price"]), parse_qty_u6(row["size"])) for row in rows]


TestVenueLaws = VenueLaws.TestCase
TestVenueLaws.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
