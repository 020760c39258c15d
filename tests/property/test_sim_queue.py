"""Laws of the queue model under any market data."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from pmcore.messages.market_data import (
    BookDelta,
    BookSnapshot,
    Level,
    LevelChange,
    SnapshotOrigin,
    TradePrinted,
)
from pmcore.model.market import BookSide, Outcome, TakerSide
from pmcore.model.units import NS_PER_MS, SHARE_U6
from pmsim.queue.line import FillModel, QueueFill
from pmsim.queue.model import QueueModel
from support.builders import window as make_window

WINDOW = make_window(tick="0.01")


class Add(NamedTuple):
    """An order of ours."""

    outcome: Outcome
    price_e4: int
    size_u6: int


Input = BookSnapshot | BookDelta | TradePrinted | Add


class Seen(NamedTuple):
    """An input and what it filled; `orders` are all so far, by id."""

    what: Input
    fills: list[QueueFill]
    orders: dict[str, Add]


def book(
    outcome: Outcome, origin: SnapshotOrigin, bids: dict[int, int], asks: dict[int, int]
) -> BookSnapshot:
    return BookSnapshot(
        slug=WINDOW.slug,
        outcome=outcome,
        bids=levels(bids),
        asks=levels(asks),
        hash="",
        origin=origin,
        ts_event_ns=0,
        ts_recv_ns=0,
    )


def levels(sizes: dict[int, int]) -> tuple[Level, ...]:
    return tuple((price_e4, sizes[price_e4]) for price_e4 in sorted(sizes))


def delta(outcome: Outcome, side: BookSide, price_e4: int, size_u6: int) -> BookDelta:
    change = LevelChange(outcome, side, price_e4, size_u6)
    return BookDelta(slug=WINDOW.slug, changes=(change,), ts_event_ns=0, ts_recv_ns=0)


def trade(outcome: Outcome, side: TakerSide, price_e4: int, size_u6: int) -> TradePrinted:
    return TradePrinted(
        slug=WINDOW.slug,
        outcome=outcome,
        taker_side=side,
        price_e4=price_e4,
        size_u6=size_u6,
        ts_event_ns=0,
        ts_recv_ns=0,
    )


def prices(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high).map(lambda cents: cents * 100)


def sizes(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high).map(lambda shares: shares * SHARE_U6)


OUTCOMES = st.sampled_from(Outcome)
ORIGINS = st.sampled_from([SnapshotOrigin.TRADE, SnapshotOrigin.SUBSCRIBE])
INPUTS = st.one_of(
    st.builds(
        book,
        OUTCOMES,
        ORIGINS,
        st.dictionaries(prices(40, 49), sizes(1, 60), max_size=5),
        st.dictionaries(prices(50, 60), sizes(1, 60), max_size=5),
    ),
    st.builds(delta, OUTCOMES, st.sampled_from(BookSide), prices(40, 60), sizes(0, 60)),
    st.builds(trade, OUTCOMES, st.sampled_from(TakerSide), prices(40, 60), sizes(1, 60)),
    st.builds(Add, OUTCOMES, prices(40, 60), sizes(5, 20)),
)
SCRIPTS = st.lists(st.tuples(INPUTS, st.integers(0, 900)), max_size=40)
Script = list[tuple[Input, int]]


def run(script: Script, model: FillModel = FillModel.CENTRAL) -> list[Seen]:
    queue, at_ns = QueueModel(WINDOW, model), 0
    orders: dict[str, Add] = {}
    seen: list[Seen] = []
    for what, pause_ms in script:
        at_ns += pause_ms * NS_PER_MS
        if isinstance(what, Add):
            order_id = str(len(orders))
            orders[order_id] = what
            queue.add(order_id, *what, at_ns)
            seen.append(Seen(what, [], orders))
        else:
            message = msgspec.structs.replace(what, ts_event_ns=at_ns, ts_recv_ns=at_ns)
            seen.append(Seen(what, queue.on_market(message), orders))
    return seen


@given(SCRIPTS)
def test_fills_never_exceed_an_order_and_are_at_its_price(script: Script) -> None:
    filled: dict[str, int] = {}
    for step in run(script):
        for order_id, qty_u6, price_e4 in step.fills:
            order = step.orders[order_id]
            filled[order_id] = filled.get(order_id, 0) + qty_u6
            assert qty_u6 > 0
            assert price_e4 == order.price_e4
            assert filled[order_id] <= order.size_u6


@given(SCRIPTS)
def test_the_fills_of_a_trade_never_exceed_it_and_lie_within_its_reach(script: Script) -> None:
    for step in run(script):
        if not isinstance(step.what, TradePrinted):
            continue
        assert sum(qty for _, qty, _ in step.fills) <= step.what.size_u6
        sold = step.what.taker_side is TakerSide.SELL
        hit = step.what.outcome if sold else step.what.outcome.complement
        floor_e4 = step.what.price_e4 if sold else 10_000 - step.what.price_e4
        for order_id, _, _ in step.fills:
            assert step.orders[order_id].outcome is hit
            assert step.orders[order_id].price_e4 >= floor_e4


@given(SCRIPTS)
def test_the_same_data_gives_the_same_fills(script: Script) -> None:
    assert [step.fills for step in run(script)] == [step.fills for step in run(script)]


@given(SCRIPTS, st.integers(0, 39))
def test_of_an_order_alone_each_model_fills_at_least_what_the_more_careful_one_does(
    script: Script, kept: int
) -> None:
    places = [place for place, (what, _) in enumerate(script) if isinstance(what, Add)]
    only = places[kept % len(places)] if places else -1
    alone = [one for at, one in enumerate(script) if at == only or not isinstance(one[0], Add)]
    filled: list[list[int]] = []
    for model in (FillModel.PESSIMISTIC, FillModel.CENTRAL, FillModel.OPTIMISTIC):
        total_u6, so_far = 0, []
        for seen in run(alone, model):
            total_u6 += sum(qty_u6 for _, qty_u6, _ in seen.fills)
            so_far.append(total_u6)
        filled.append(so_far)
    for careful, central, daring in zip(*filled, strict=True):
        assert careful <= central <= daring
