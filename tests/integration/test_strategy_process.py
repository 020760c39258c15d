"""The strategy as a process on a real Redis: start, quote, die, recover, rotate, settle."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis as redis_py

from pmcore.engine.journal import JournalEnd
from pmcore.engine.strategy.journal import JournalEntry, JournalHeader, decode_line
from pmcore.messages.dead_letter import DeadLetter
from pmcore.model.market import Outcome
from pmcore.shell.journal import read_journal
from pmcore.wire import keys
from support.processes import ServiceProcess, service_process
from support.strategy_world import PREFIX, SERIES, StrategyWorld

pytestmark = pytest.mark.connected


async def window_view(service: ServiceProcess, slug: str) -> dict[str, Any]:
    view: dict[str, Any] = (await service.state())["windows"].get(slug, {})
    return view


async def groups_of(world: StrategyWorld, stream: str) -> list[str]:
    return [group.name for group in await world.bus.groups(stream)]


async def test_quotes_a_window_and_recovers_its_inventory_after_a_crash(
    tmp_path: Path, redis_url: str
) -> None:
    world = StrategyWorld(redis_url)
    window = world.window()
    async with world.living():
        async with service_process("pmstrategy", tmp_path, **world.variables()) as first:
            await first.wait_for("/readyz")
            await world.announce(window)

            async def two_quotes() -> bool:
                return len(world.submits()) >= 2

            await first.until(two_quotes, "both bids")
            up = next(s for s in world.submits() if s.outcome is Outcome.UP)
            assert up.price_e4 == 4700
            await world.tell_user(world.fill_of(up, window))

            async def filled() -> bool:
                return bool((await window_view(first, window.slug))["net_diff"] == 5)

            await first.until(filled, "the fill counted")
            await first.terminate(signal.SIGKILL)

        world.commands.clear()
        world.answers_flat = False
        async with service_process("pmstrategy", tmp_path, **world.variables()) as second:
            await second.wait_for("/readyz")

            async def rebuilt() -> bool:
                view = await window_view(second, window.slug)
                return bool(view) and view["net_diff"] == 5

            await second.until(rebuilt, "inventory read again")

            async def asked() -> bool:
                return bool(world.commands)

            await second.until(asked, "asked for a flat window")
            assert world.submits() == []  # old orders may still rest
            world.answers_flat = True

            async def hedging() -> bool:
                return bool(world.submits())

            await second.until(hedging, "the hedge")
            assert {s.outcome for s in world.submits()} == {Outcome.DOWN}
            assert await second.terminate() == 0
            assert len(world.cancels()) >= 1  # withdrawn on SIGTERM


async def test_kill_cancels_and_resume_quotes(tmp_path: Path, redis_url: str) -> None:
    world = StrategyWorld(redis_url)
    async with (
        world.living(),
        service_process("pmstrategy", tmp_path, **world.variables()) as service,
    ):
        await service.wait_for("/readyz")
        await world.announce(world.window())

        async def quoted() -> bool:
            return len(world.submits()) >= 2

        await service.until(quoted, "both bids")
        await service.http.post("/kill", json={"reason": "test"})

        async def cancelled() -> bool:
            return len(world.cancels()) >= 2

        await service.until(cancelled, "both cancelled")
        world.commands.clear()
        await service.http.post("/resume")
        await service.until(quoted, "both bids again")
        assert await service.terminate() == 0


async def test_two_windows_live_side_by_side_and_the_old_ones_groups_go(
    tmp_path: Path, redis_url: str
) -> None:
    world = StrategyWorld(redis_url, speed=100)
    first, second = world.window(), world.window(1_790_767_800)
    async with (
        world.living(),
        service_process("pmstrategy", tmp_path, **world.variables()) as service,
    ):
        await service.wait_for("/readyz")
        await world.announce(first)
        await world.announce(second)

        async def joined() -> bool:
            return set((await service.state())["windows"]) == {first.slug, second.slug}

        await service.until(joined, "both windows")
        assert set(await groups_of(world, keys.md(SERIES))) == {first.slug, second.slug}

        async def awaiting() -> bool:
            state = (await window_view(service, first.slug)).get("state")
            return state == "awaiting_resolution"

        await service.until(awaiting, "the end of the first window")
        await world.resolve(first)

        async def destroyed() -> bool:
            return await groups_of(world, keys.md(SERIES)) == [second.slug]

        await service.until(destroyed, "the first window's groups gone")

        async def left() -> bool:
            return list((await service.state())["windows"]) == [second.slug]

        await service.until(left, "the first window is over")
        assert (await service.state())["windows_seen"] == 2
        assert first.slug not in await groups_of(world, keys.user("main"))
        assert await service.terminate() == 0
    assert_journals_replay(tmp_path, first.slug)


async def test_one_window_by_its_full_slug_ends_with_exit_0(tmp_path: Path, redis_url: str) -> None:
    world = StrategyWorld(redis_url, speed=100)
    window = world.window()
    variables = {**world.variables(), "POLYMARKET_MARKET_SLUG": window.slug}
    async with world.living(), service_process("pmstrategy", tmp_path, **variables) as service:
        await service.wait_for("/readyz")
        await world.announce(window)

        async def awaiting() -> bool:
            state = (await window_view(service, window.slug)).get("state")
            return state == "awaiting_resolution"

        await service.until(awaiting, "the end of the window")
        await world.resolve(window)
        assert await service.ended() == 0
        events = [json.loads(line) for line in service.log.splitlines() if line.startswith("{")]
    (settled,) = [event for event in events if event["event"] == "window_settled"]
    assert settled["profit"] == 0
    assert "worst_case_profit" not in settled


def assert_journals_replay(data_dir: Path, slug: str) -> None:
    """Re-stepping what was journalled gives the live run's fingerprint."""
    assert slug.startswith(PREFIX)
    path = next((data_dir / "journal").glob(f"{slug}.*"))
    lines = [decode_line(line) for line in read_journal(path)]
    header, end = lines[0], lines[-1]
    assert isinstance(header, JournalHeader)
    assert isinstance(end, JournalEnd)
    engine = header.make_engine()
    for line in lines[1:-1]:
        assert isinstance(line, JournalEntry)
        engine.step(line.at_ns, line.event)
    assert engine.fingerprint == end.fingerprint
    assert engine.finished


async def test_missing_market_data_is_read_again_and_an_unreadable_fact_halts_the_series(
    tmp_path: Path, redis_url: str
) -> None:
    world = StrategyWorld(redis_url)
    window = world.window()
    async with (
        world.living(),
        service_process("pmstrategy", tmp_path, **world.variables()) as service,
    ):
        await service.wait_for("/readyz")
        await world.announce(window)

        async def quoted() -> bool:
            return len(world.submits()) >= 2

        await service.until(quoted, "both bids")
        world.lose_a_sequence_number()
        await service.until_logged("md_gap")
        world.commands.clear()
        await service.until(quoted, "both bids again, behind new books")
        assert (await service.state())["series_halted"] == {}

        with redis_py.Redis.from_url(redis_url) as client:
            client.xadd(keys.user("main"), {"t": "order_filled.v9", "d": "{}", "e": "{}"})

        async def halted() -> bool:
            return SERIES in (await service.state())["series_halted"]

        await service.until(halted, "the series halted")
        with redis_py.Redis.from_url(redis_url) as client:
            [(_, fields)] = client.xrange(keys.dlq(SERIES))
        letter = msgspec.json.decode(fields[b"d"], type=DeadLetter)
        assert (letter.stream, letter.problem) == (keys.user("main"), "unknown_tag")
        await service.terminate(signal.SIGKILL)
    world = StrategyWorld(redis_url, before=world)
    async with (
        world.living(),
        service_process("pmstrategy", tmp_path, **world.variables()) as service,
    ):
        await service.wait_for("/readyz")
        world.windows.append(window)
        await service.until(halted, "the series still halted after a restart")
        await service.until_logged("halted")
        assert world.submits() == []
        await service.http.post("/resume")
        await service.until(quoted, "both bids after a person looked")
        await world.announce(world.window(1_790_767_800))

        async def joined() -> bool:
            return len((await service.state())["windows"]) == 2

        await service.until(joined, "the next window, which reads the bad entry again")
        assert (await service.state())["series_halted"] == {}
        assert await service.terminate() == 0
