"""Laws of the merged book under any orders: value is conserved, priority holds, nobody who must
not take takes, and the two tokens' books are mirrors of each other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pmcore.model.market import BookSide, Outcome, Window
from pmcore.model.units import QTY_GRID_U6, complement_e4, value_u6
from pmsim.venue.ledger import Ledger, moves_of
from pmsim.venue.listed_market import ListedMarket
from pmsim.venue.matching import BookOrder, MergedBook, Placement
from pmsim.venue.ports import Account, MakerFill, OrderSide

WINDOW = Window(
    series="btc-15m",
    slug="btc-updown-15m-1790766900",
    condition_id="0xc0",
    up_token_id="11",
    down_token_id="22",
    open_ns=0,
    close_ns=900_000_000_000,
    tick_e4=100,
    min_size_u6=5_000_000,
)

orders = st.builds(
    lambda outcome, side, ticks, size_u6: (outcome, side, ticks * 100, size_u6),
    st.sampled_from(Outcome),
    st.sampled_from(OrderSide),
    st.integers(40, 60),
    st.integers(1, 900).map(lambda lots: lots * QTY_GRID_U6) | st.integers(QTY_GRID_U6, 9_000_000),
)
actions = st.lists(
    st.tuples(st.sampled_from(["place", "post_only", "take", "cancel"]), orders, st.integers(0, 9)),
    max_size=60,
)


Step = tuple[str, tuple[Outcome, OrderSide, int, int], int]


def run(book: MergedBook, steps: list[Step], first: int = 0) -> list[tuple[BookOrder, Placement]]:
    placed = []
    for number, (kind, (outcome, side, price_e4, size_u6), pick) in enumerate(steps, first):
        order = BookOrder(
            order_id=str(number),
            owner=f"trader-{pick}",
            outcome=outcome,
            side=side,
            price_e4=price_e4,
            leaves_u6=size_u6,
        )
        if kind == "cancel":
            level = book.cancel(str(number - pick))
            placed.append((order, Placement(levels=(level,) if level else ())))
        elif kind == "take":
            placed.append((order, book.take(order)))
        else:
            placed.append((order, book.place(order, post_only=kind == "post_only")))
    return placed


@given(actions)
def test_shares_and_cash_are_conserved(steps: list[Step]) -> None:
    ledger = Ledger()
    for pick in range(10):
        ledger.fund(f"trader-{pick}", 10**12)
        ledger.split(f"trader-{pick}", WINDOW, 10**10)
    for taker, placed in run(MergedBook(QTY_GRID_U6), steps):
        for match in placed.matches:
            party = fill(taker, match.qty_u6)
            maker = fill(match.maker, match.qty_u6)
            ledger.settle(WINDOW, moves_of(party, (maker,)))
    assert ledger.unaccounted_u6() == 0
    assert ledger.supply_u6("11") == ledger.supply_u6("22") == ledger.sets_u6(WINDOW)


@given(actions)
def test_a_post_only_order_never_takes_and_nobody_overfills(steps: list[Step]) -> None:
    wanted = {str(n): size for n, (_, (_, _, _, size), _) in enumerate(steps)}
    filled = dict.fromkeys(wanted, 0)
    for (kind, _, _), (taker, placed) in zip(
        steps, run(MergedBook(QTY_GRID_U6), steps), strict=True
    ):
        assert not (kind == "post_only" and placed.matches)
        for match in placed.matches:
            filled[taker.order_id] += match.qty_u6
            filled[match.maker.order_id] += match.qty_u6
    assert all(filled[order_id] <= wanted[order_id] for order_id in wanted)


@given(actions)
def test_nothing_smaller_than_the_grid_stays_in_the_book(steps: list[Step]) -> None:
    book = MergedBook(QTY_GRID_U6)
    for number in range(len(steps)):
        run_one = run(book, steps[number : number + 1], number)
        for match in run_one[0][1].matches:
            left = book.order(match.maker.order_id)
            assert left is None or left.leaves_u6 >= QTY_GRID_U6
        shown = [level.size_u6 for _, placed in run_one for level in placed.levels]
        assert all(size_u6 == 0 or size_u6 >= QTY_GRID_U6 for size_u6 in shown)


@given(actions)
def test_fills_respect_price_and_then_time(steps: list[Step]) -> None:
    for taker, placed in run(MergedBook(QTY_GRID_U6), steps):
        keys = []
        for match in placed.matches:
            better = match.maker.up_price_e4
            keys.append(
                (better if taker.up_side is BookSide.BID else -better, int(match.maker.order_id))
            )
            mine = match.maker.up_price_e4
            limit = taker.up_price_e4
            assert mine <= limit if taker.up_side is BookSide.BID else mine >= limit
        assert keys == sorted(keys)


@given(actions)
def test_the_book_is_never_crossed_and_the_tokens_books_are_mirrors(steps: list[Step]) -> None:
    market = ListedMarket(WINDOW)
    for at_ns, (taker, placed) in enumerate(run(market.book, steps)):
        if placed.matches:
            market.publish_trade(
                taker, placed.matches, placed.levels, at_ns, transaction_hash="0x1"
            )
        else:
            market.publish(placed.levels, at_ns, placed_on=taker.outcome)
    up, down = market.rest_book(Outcome.UP), market.rest_book(Outcome.DOWN)
    for side, other in (("bids", "asks"), ("asks", "bids")):
        mirror = [(complement_e4(price), size) for price, size in levels(down[other])]
        assert levels(up[side]) == mirror
    for side in BookSide:
        for price_e4, size_u6 in levels(up["bids" if side is BookSide.BID else "asks"]):
            rests_u6 = market.book.size_u6(side, price_e4)
            assert rests_u6 - rests_u6 % QTY_GRID_U6 == size_u6 > 0
    bid_e4, ask_e4 = (market.book.best_e4(side) for side in BookSide)
    assert bid_e4 is None or ask_e4 is None or bid_e4 < ask_e4


@given(st.integers(1, 9999), st.integers(1, 10**9))
def test_a_set_costs_exactly_one_dollar(price_e4: int, lots: int) -> None:
    qty_u6 = lots * QTY_GRID_U6
    assert value_u6(price_e4, qty_u6) + value_u6(complement_e4(price_e4), qty_u6) == qty_u6


def fill(order: BookOrder, qty_u6: int) -> MakerFill:
    return MakerFill(
        order_hash=order.order_id,
        account=Account(owner=order.owner, maker_address="0x"),
        token_id=WINDOW.token_id(order.outcome),
        outcome=order.outcome,
        side=order.side,
        price_e4=order.price_e4,
        size_u6=qty_u6,
    )


def levels(rows: object) -> list[tuple[int, int]]:
    assert isinstance(rows, list)
    return [
        (round(float(row["price"]) * 10_000), round(float(row["size"]) * 1_000_000)) for row in rows
    ]
