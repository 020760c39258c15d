"""Informed takers with a latency: they know the present, and act so much later."""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from pmcore.model.market import Outcome, parse_series
from pmcore.model.units import NS_PER_MS, NS_PER_S, floor_to_tick_e4
from pmsim.crowd.schedule import CrowdActions, CrowdLife
from pmsim.crowd.underlying import STEP_NS
from pmsim.crowd.world_params import LIGHT, WorldParams
from pmsim.run.scheduler import Scheduler
from pmsim.venue.identity import window_at
from pmsim.venue.listed_market import ListedMarket
from pmsim.venue.matching import BookOrder
from pmsim.venue.ports import OrderSide
from support.sim_worlds import WORLD_START_NS

ASK_E4 = 100


def takes(latency_ms: int | None, seconds: int = 60) -> tuple[CrowdLife, list[tuple[int, int]]]:
    """The life of a crowd of informed takers alone, and their (time, limit); nothing is taken."""
    spec = parse_series("btc-updown-5m")
    window = window_at(spec, WORLD_START_NS, seed=1, tick_e4=100, min_size_u6=5_000_000)
    market = ListedMarket(window, Random(1))
    offer = BookOrder(
        order_id="offer",
        owner="somebody",
        outcome=Outcome.UP,
        side=OrderSide.SELL,
        price_e4=ASK_E4,
        leaves_u6=10**12,
    )
    market.arrive(market.book.place(offer, post_only=True).levels, window.open_ns)
    crowd = msgspec.structs.replace(
        LIGHT.crowd,
        informed_latency_ms=latency_ms,
        noise_per_min=0.0,
        sweep_per_min=0.0,
        burst_every_s=1e9,
    )
    schedule, taken = Scheduler(), []
    actions = CrowdActions(
        lambda order, at_ns: taken.append((at_ns, order.price_e4)), lambda *_: None, lambda: True
    )
    world = WorldParams(crowd=crowd)
    life = CrowdLife(market, world, Random(2), "crowd", schedule, actions)
    life.begin(window.open_ns)
    while (
        due_ns := schedule.next_ns()
    ) is not None and due_ns < window.open_ns + seconds * NS_PER_S:
        schedule.run_next()
    return life, taken


def test_without_delay_they_act_at_the_steps_of_the_price_on_the_price_of_then() -> None:
    life, taken = takes(0)
    assert len(taken) > 20
    for at_ns, limit_e4 in taken:
        assert (at_ns - WORLD_START_NS) % STEP_NS == 0
        fair_e4 = round(life.underlying.fair_up_e4(at_ns))
        assert limit_e4 == max(ASK_E4, floor_to_tick_e4(fair_e4 - 200, 100))


@pytest.mark.parametrize("latency_ms", [40, 100])
def test_the_same_takers_act_later_with_a_latency(latency_ms: int) -> None:
    _, at_once = takes(0)
    _, later = takes(latency_ms)
    waits_ms = [(at_ns - WORLD_START_NS) % STEP_NS / NS_PER_MS for at_ns, _ in later]
    assert all(0.5 * latency_ms <= wait_ms <= 1.5 * latency_ms for wait_ms in waits_ms)
    assert 0.5 * len(at_once) < len(later) < 2 * len(at_once), "their rate stays as it is"


def test_unless_it_is_set_they_know_the_future_as_before() -> None:
    _, taken = takes(None)
    off_steps = [at_ns for at_ns, _ in taken if (at_ns - WORLD_START_NS) % STEP_NS]
    assert len(off_steps) == len(taken) > 20
    assert LIGHT.crowd.informed_latency_ms is None
