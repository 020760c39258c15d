"""The world's time against its clock, and what ends it."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from pmcore.model.errors import InvariantError
from pmcore.model.market import parse_series
from pmcore.model.units import NS_PER_S
from pmcore.shell.clock import Clock
from pmsim.recordings.reader import Recording
from pmsim.run.recorded import RecordedParams, RecordedVenue
from pmsim.run.synthetic import SyntheticParams, SyntheticVenue
from pmsim.venue.ports import NewOrder, OrderSide, SimulatedVenue
from pmsimulator.credentials import credentials_for
from pmsimulator.heartbeats import LAPSE_NS
from pmsimulator.subscriptions import UserSubscriber
from pmsimulator.world import World
from support.small_recording import market_object, recorded_window, write_recording
from support.socket_frames import frame_text

START_NS = 1_790_000_110 * NS_PER_S
SERIES = parse_series("btc-updown-5m")


def synthetic() -> SyntheticVenue:
    return SyntheticVenue(SyntheticParams(series=(SERIES,), seed=1, start_ns=START_NS))


def world_of(venue: SimulatedVenue, clock: Clock) -> World:
    return World(venue, clock, series=(SERIES,), chain_id=137, outbox_frames=100)


def test_a_world_far_behind_its_clock_follows_in_steps() -> None:
    world = world_of(synthetic(), Clock.starting_at(START_NS + 3_600 * NS_PER_S, 1.0))
    times = [world.venue.now_ns]
    for _ in range(5):
        world.drain()
        times.append(world.venue.now_ns)
    steps = [late - early for early, late in pairwise(times)]
    assert min(steps) > 0
    assert max(steps) <= 2 * NS_PER_S


def test_an_idle_world_is_at_the_clocks_time(tmp_path: Path) -> None:
    recording = Recording(write_recording(tmp_path / "small.jsonl"), [recorded_window()])
    frames = ((frame.recv_ns, frame.raw) for frame in recording.frames())
    venue = RecordedVenue([recorded_window()], frames, RecordedParams())
    before_ns = recorded_window().open_ns - 100 * NS_PER_S
    world = world_of(venue, Clock.starting_at(before_ns, 1.0))
    assert 0 <= world.now_ns() - before_ns < 60 * NS_PER_S
    assert market_object()["slug"] == world.listings()[0].window.slug


async def test_a_broken_promise_ends_the_world() -> None:
    world = world_of(synthetic(), Clock.starting_at(START_NS, 1.0))
    running = asyncio.create_task(world.run())
    await asyncio.sleep(0)
    world.die(InvariantError("broken"))
    with pytest.raises(InvariantError, match="broken"):
        await running


async def test_a_lapse_cancels_and_is_told() -> None:
    world = world_of(synthetic(), Clock.starting_at(START_NS, 1.0))
    credentials = credentials_for("0x" + "42" * 20, 0)
    owner = credentials.api_key
    world.admit(credentials)
    listener = UserSubscriber(world.subscriptions.new_outbox(), owner, [])
    world.subscriptions.add_user(listener)
    order = NewOrder(
        order_hash="0x01",
        token_id=world.listings()[-1].window.up_token_id,
        side=OrderSide.BUY,
        price_e4=3_000,
        size_u6=10_000_000,
    )
    assert world.venue.place(owner, order, START_NS).status == "live"
    world.heartbeats.beat(owner, "", START_NS - LAPSE_NS)
    running = asyncio.create_task(world.run())
    told = await listener.outbox.take()
    while len(told) < 2:
        told += await listener.outbox.take()
    running.cancel()
    assert [msgspec.json.decode(frame_text(frame))["type"] for frame in told] == [
        "PLACEMENT",
        "CANCELLATION",
    ]
    assert (world.heartbeat_lapses, world.open_orders()) == (1, 0)


def test_tokens_lead_to_their_window_and_unknown_ones_nowhere() -> None:
    world = world_of(synthetic(), Clock.starting_at(START_NS, 1.0))
    for listing in world.listings():
        window = listing.window
        for key in (window.condition_id, window.up_token_id, window.down_token_id):
            found = world.listing_of(key)
            assert found is not None
            assert found.window == window
    assert world.listing_of("77") is None
