"""The feed as a process on a real Redis: one short window from announcement to resolution."""

from __future__ import annotations

import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pmcore.messages.market_data import FeedState, FeedStatusChanged
from pmcore.messages.rotation import WindowAnnounced, WindowResolved
from pmcore.model.market import Outcome
from pmcore.model.units import NS_PER_S
from pmcore.shell.bus.redis_bus import RedisBus
from pmcore.shell.clock import Clock
from pmcore.wire import keys
from support.fake_market import UP_ID
from support.feed_world import SERIES, SLUG, FeedWorld
from support.processes import ServiceProcess, service_process
from support.venue_peer import VenuePeer, eventually

pytestmark = pytest.mark.connected


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[FeedWorld]:
    async with VenuePeer() as peer:
        yield FeedWorld(peer, tmp_path)


def _variables(world: FeedWorld, redis_url: str, clock: Clock) -> dict[str, str]:
    return {
        "PM_REDIS_URL": redis_url,
        "PM_VENUE": "sim",
        "PM_CLOCK": clock.spec(),
        "PM_FEED_LINGER_S": "1",
        "POLYMARKET_MARKET_SLUG": SLUG,
        "POLYMARKET_REST_URL": world.peer.http_url,
        "POLYMARKET_GAMMA_URL": world.peer.http_url,
        "POLYMARKET_WS_BASE_URL": world.peer.ws_url,
    }


def _bus(url: str) -> RedisBus:
    return RedisBus.connect(url, source="strategy", run_id="r", clock_ns=lambda: 1)


async def _metric(service: ServiceProcess, pattern: str) -> float:
    text = (await service.http.get("/metrics")).text
    found = re.search(rf"^{pattern} (\S+)$", text, re.MULTILINE)
    assert found is not None, text
    return float(found[1])


async def test_a_fixed_window_from_announcement_to_resolution(
    world: FeedWorld, redis_url: str
) -> None:
    close_ns = world.market.window.close_ns
    clock = Clock.starting_at(close_ns - 40 * NS_PER_S, 4.0)
    bus = _bus(redis_url)
    await bus.create_group("strategy", [keys.rot(SERIES)], start="0", announce=None)
    async with service_process(
        "pmfeed", world.data_dir, **_variables(world, redis_url, clock)
    ) as service:
        socket = await world.connected()
        await service.wait_for("/readyz")
        await socket.send(world.market.change(4800, 7_000_000), world.market.trade(), "{")
        groups = {group.name for group in await bus.groups(keys.md(SERIES))}
        assert groups == {SLUG, f"{SLUG}:executor"}
        rotation = await bus.read("strategy", "one", [keys.rot(SERIES)], block_ms=1000)
        assert isinstance(rotation[0].message, WindowAnnounced)
        read = await bus.read(SLUG, "one", [keys.md(SERIES)], block_ms=1000, noack=True)
        assert isinstance(read[0].message, FeedStatusChanged)
        await eventually(lambda: clock.now_ns() > close_ns, "the close")
        world.market.closed = True
        assert await service.ended() == 0, service.log
    rotation = await bus.read("strategy", "one", [keys.rot(SERIES)], block_ms=1000)
    resolved = rotation[0].message
    assert isinstance(resolved, WindowResolved)
    assert resolved.winner is Outcome.UP
    read = await bus.read(SLUG, "one", [keys.md(SERIES)], block_ms=1000, noack=True)
    last = read[-1].message
    assert isinstance(last, FeedStatusChanged)
    assert last.state is FeedState.DOWN
    assert await bus.get_fields(keys.checkpoints(SERIES)) == {}
    await bus.close()


async def test_a_restart_goes_on_with_the_same_groups(world: FeedWorld, redis_url: str) -> None:
    variables = _variables(world, redis_url, world.clock)
    bus = _bus(redis_url)
    async with service_process("pmfeed", world.data_dir, **variables) as service:
        await world.connected()
        await service.wait_for("/readyz")
        await bus.read(SLUG, "one", [keys.md(SERIES)], block_ms=1000, noack=True)
        (before, *_) = [g for g in await bus.groups(keys.md(SERIES)) if g.name == SLUG]
        await service.terminate(signal.SIGKILL)
    async with service_process("pmfeed", world.data_dir, **variables) as service:
        await world.connected()
        await service.wait_for("/readyz")
        (after, *_) = [g for g in await bus.groups(keys.md(SERIES)) if g.name == SLUG]
        assert after.last_delivered_id == before.last_delivered_id
        assert await service.terminate() == 0
    read = await bus.read(SLUG, "one", [keys.md(SERIES)], block_ms=1000, noack=True)
    states = [item.message.state for item in read if isinstance(item.message, FeedStatusChanged)]
    assert states[-3:] == [FeedState.RESYNCING, FeedState.LIVE, FeedState.DOWN]
    await bus.close()


async def test_what_it_shows_to_people_and_prometheus(world: FeedWorld, redis_url: str) -> None:
    variables = _variables(world, redis_url, world.clock)
    async with service_process("pmfeed", world.data_dir, **variables) as service:
        socket = await world.connected()
        await service.wait_for("/readyz")
        await socket.send(world.market.change(4800, 7_000_000), "{")

        async def counted() -> bool:
            return bool((await service.state())["frames"] >= 3)

        await service.until(counted, "three frames")

        async def mended() -> bool:  # the frame that was cut off is a gap, until REST was read
            return bool((await service.state())["market_socket"] == "live")

        await service.until(mended, "live again")
        state = await service.state()
        assert state["windows"] == [SLUG]
        assert state["unusable"] == {"bad_json": 1}
        assert state["books"]["books_verified"] >= 2
        assert state["hop_ms"]["feed_parse"]["n"] >= 4

        async def exported() -> bool:
            return await _metric(service, r'pm_feed_frames_total{series="btc-15m"}') >= 3

        await service.until(exported, "three frames in /metrics")
        assert await _metric(service, r'pm_feed_market_live{series="btc-15m"}') == 1
        assert await _metric(service, r'pm_feed_book_checks_total{kind="books_verified"}') >= 2
        assert await _metric(service, r'pm_hop_latency_seconds_count{hop="feed_parse"}') >= 4
        assert UP_ID not in (await service.http.get("/metrics")).text
        assert await service.terminate() == 0
