"""The paper venue behind the executor's port."""

from __future__ import annotations

import asyncio

import pytest

from pmcore.engine.execution.io import (
    CancelAnswered,
    LookUpResult,
    OpenOrdersAnswered,
    OrderLookedUp,
    Posted,
    PostRejected,
)
from pmcore.messages.user import FillReported, OrderUpdated, UserChannelChanged, UserMessage
from pmcore.model.errors import Reason
from pmcore.model.latency import parse_latencies
from pmcore.model.market import Outcome, TakerSide
from pmcore.model.units import NS_PER_MS
from pmcore.shell.clock import Clock
from pmexecutor.paper import PaperClob
from pmexecutor.ports import HeartbeatAnswer
from support.builders import T0_NS, book, trade, window
from support.executions import submit
from support.paper import NO_LATENCY


class HandClock(Clock):
    """Moves when it is told to."""

    def __init__(self) -> None:
        super().__init__(T0_NS, 0, 1.0)
        self.at_ns = T0_NS

    def now_ns(self) -> int:
        return self.at_ns


class Paper(PaperClob):
    """With a clock by hand; `later` lets time pass and its answers come."""

    def __init__(self, latency_ms: int = 0, fills: str = "central") -> None:
        self.clock = HandClock()
        self.heard: list[UserMessage] = []
        super().__init__(parse_latencies(str(latency_ms)), self.clock, self.heard.extend, fills)
        self.add_window(window())

    async def later(self, ms: int) -> None:
        """One look at what is due, as `run` does."""
        self.clock.at_ns += ms * NS_PER_MS
        running = asyncio.create_task(self.run())
        await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_an_order_rests_is_found_and_is_taken_out() -> None:
    venue = Paper()
    prepared = venue.sign(submit("a"), window())
    ids = (prepared.order_hash,)
    assert await venue.post(prepared) == Posted("a")
    assert await venue.open_orders(window()) == OpenOrdersAnswered(window().slug, ids)
    assert await venue.all_open_orders() == ids
    assert await venue.look_up(window(), *ids) == OrderLookedUp(*ids, LookUpResult.LIVE, 0)
    assert await venue.delete(ids) == CancelAnswered(ids, ids, {})
    assert await venue.look_up(window(), *ids) == OrderLookedUp(*ids, LookUpResult.CANCELED, 0)
    assert await venue.delete(ids) == CancelAnswered(ids, (), {ids[0]: "Order not found"})
    assert [type(message) for message in venue.heard] == [
        UserChannelChanged,
        UserChannelChanged,
        OrderUpdated,
        OrderUpdated,
    ]


async def test_all_orders_are_cancelled_together() -> None:
    venue = Paper()
    for name in "ab":
        await venue.post(venue.sign(submit(name), window()))
    await venue.delete_all()
    assert await venue.all_open_orders() == ()


@pytest.mark.parametrize("early_ms", [1, 19])
async def test_an_answer_takes_its_latency(early_ms: int) -> None:
    venue = Paper(latency_ms=20)
    posting = asyncio.create_task(venue.post(venue.sign(submit("a"), window())))
    await asyncio.sleep(0)
    await venue.later(early_ms)
    assert not posting.done()
    assert await venue.all_open_orders() == ()
    await venue.later(20 - early_ms)
    assert await posting == Posted("a")


async def test_calls_are_answered_when_nothing_else_runs() -> None:
    venue = PaperClob(parse_latencies("5"), Clock.starting_at(T0_NS, 1.0), lambda _: None)
    venue.add_window(window())
    prepared = venue.sign(submit("a"), window())
    async with asyncio.timeout(10):
        assert await venue.post(prepared) == Posted("a")
        await venue.delete_all()
        assert await venue.open_orders(window()) == OpenOrdersAnswered(window().slug, ())


async def test_every_call_ends_although_its_window_is_dropped() -> None:
    venue = Paper(latency_ms=20)
    prepared = venue.sign(submit("a"), window())
    calls = asyncio.gather(
        venue.post(prepared),
        venue.delete((prepared.order_hash,)),
        venue.open_orders(window()),
        venue.look_up(window(), prepared.order_hash),
    )
    await asyncio.sleep(0)
    venue.drop_window(window().slug)
    await venue.later(20)
    posted, deleted, listed, found = await asyncio.wait_for(calls, 1)
    assert posted == PostRejected("a", Reason.MARKET_CLOSED, "paper")
    assert isinstance(deleted, CancelAnswered)
    assert deleted.canceled == ()
    assert listed == OpenOrdersAnswered(window().slug, ())
    assert found == OrderLookedUp(prepared.order_hash, LookUpResult.CANCELED)
    assert vars(venue)["_waiting"] == {}


async def test_a_call_that_is_cancelled_is_not_waited_for() -> None:
    venue = Paper(latency_ms=20)
    posting = asyncio.create_task(venue.post(venue.sign(submit("a"), window())))
    await asyncio.sleep(0)
    posting.cancel()
    await asyncio.gather(posting, return_exceptions=True)
    assert vars(venue)["_waiting"] == {}
    await venue.later(20)
    assert len(await venue.all_open_orders()) == 1


async def test_a_paper_venue_takes_every_beat() -> None:
    venue = PaperClob(NO_LATENCY, Clock.starting_at(T0_NS, 1.0), lambda _: None)
    assert not venue.has_heartbeat
    assert await venue.beat("x") == HeartbeatAnswer(accepted=True, heartbeat_id="x")
    assert await venue.all_open_orders() == ()


@pytest.mark.parametrize(
    ("fills", "told_u6"), [("pessimistic", []), ("central", []), ("optimistic", [4_000_000])]
)
async def test_the_chosen_model_tells_fills_and_each_keeps_a_ledger(
    fills: str, told_u6: list[int]
) -> None:
    venue = Paper(fills=fills)
    venue.market(book(Outcome.UP, "0.47", "0.49"))
    await venue.post(venue.sign(submit("a"), window()))
    venue.market(trade(Outcome.UP, TakerSide.SELL, "4", at_ns=T0_NS, price="0.47"))
    heard = [one.size_u6 for one in venue.heard if isinstance(one, FillReported)]
    assert heard == told_u6
    nothing = {"up": 0, "down": 0, "paid": 0, "worst_case_profit": 0}
    assert venue.ledgers() == {
        window().slug: {
            "pessimistic": nothing,
            "central": nothing,
            "optimistic": {
                "up": 4.0,
                "down": 0,
                "paid": pytest.approx(1.88),
                "worst_case_profit": pytest.approx(-1.88),
            },
        }
    }
    venue.resolve(window().slug, Outcome.UP)
    assert venue.profits() == {
        "pessimistic": {"profit_today": 0, "worst_case_profit_today": 0},
        "central": {"profit_today": 0, "worst_case_profit_today": 0},
        "optimistic": {
            "profit_today": pytest.approx(2.12),
            "worst_case_profit_today": pytest.approx(2.12),
        },
    }
