from __future__ import annotations

import asyncio

import pytest

from pmcore.model.errors import InvariantError, TransportError
from pmcore.wire import keys
from pmcore.wire.ports import Ack, Outgoing
from support.bus_worlds import BusWorld
from support.messages import ACCOUNT, SERIES, SLUG_A, announced, channel, command, status

CMD, MD, ROT, USER = keys.cmd(SERIES), keys.md(SERIES), keys.rot(SERIES), keys.user(ACCOUNT)


async def test_a_new_group_stands_at_the_end_and_the_announcement_behind_it(
    world: BusWorld,
) -> None:
    bus = world.bus()
    (before,) = await bus.publish([Outgoing(MD, status(1))])
    await bus.create_group(SLUG_A, [MD, CMD], announce=Outgoing(ROT, announced()))
    (row,) = await bus.groups(MD)
    assert (row.name, row.pending, row.last_delivered_id) == (SLUG_A, 0, before)
    assert row.oldest_pending_id == ""
    assert world.length(ROT) == 1
    await bus.publish([Outgoing(MD, status(2))])
    (entry,) = await bus.read(SLUG_A, "c", [MD], block_ms=0, noack=True)
    assert entry.message == status(2)


async def test_a_group_of_the_announced_stream_itself_sees_the_announcement(
    world: BusWorld,
) -> None:
    bus = world.bus()
    await bus.create_group("g", [ROT], announce=Outgoing(ROT, announced()))
    (entry,) = await bus.read("g", "c", [ROT], block_ms=0)
    assert entry.message == announced()


async def test_a_fixed_group_starts_at_the_beginning(world: BusWorld) -> None:
    bus = world.bus()
    await bus.publish([Outgoing(CMD, command(1))])
    await bus.create_group("executor", [CMD], start="0", announce=None)
    (entry,) = await bus.read("executor", "c", [CMD], block_ms=0)
    assert entry.message == command(1)


async def test_a_group_that_exists_is_left_where_it_stands(world: BusWorld) -> None:
    bus = world.bus()
    await bus.create_group("g", [CMD], announce=None)
    await bus.publish([Outgoing(CMD, command(1))])
    await bus.create_group("g", [CMD, MD], announce=Outgoing(ROT, announced()))
    (entry,) = await bus.read("g", "c", [CMD], block_ms=0)
    assert entry.message == command(1)
    assert len(await bus.groups(MD)) == 1
    assert world.length(ROT) == 1


async def test_a_group_that_goes_from_one_stream_stays_on_the_others(world: BusWorld) -> None:
    """Several series use one name at once; a reader that waits on another stream goes on."""
    bus = world.bus()
    for stream in (CMD, USER):
        await bus.create_group("g", [stream], announce=None)
        await bus.publish([Outgoing(stream, command(1) if stream == CMD else channel(1))])
        assert len(await bus.read("g", "c", [stream], block_ms=0)) == 1
    waiting = asyncio.create_task(bus.read("g", "c", [USER], block_ms=5_000))
    await asyncio.sleep(0.05)  # until it blocks
    await asyncio.gather(bus.destroy_group("g", [CMD]), bus.destroy_group("g", [CMD]))
    await bus.publish([Outgoing(USER, channel(2))])
    (entry,) = await waiting
    assert entry.message == channel(2)
    assert await bus.groups(CMD) == []


async def test_many_series_give_up_their_group_of_one_name_at_once(world: BusWorld) -> None:
    bus = world.bus()
    streams = [keys.exe(f"{name}-15m") for name in ("btc", "eth", "sol", "xrp")]
    for stream in streams:
        await bus.create_group("g", [stream], announce=None)
        assert await bus.read("g", "c", [stream], block_ms=1, noack=True) == []
    await asyncio.gather(*(bus.destroy_group("g", [stream]) for stream in streams))
    assert [await bus.groups(stream) for stream in streams] == [[], [], [], []]


async def test_groups_of_two_hash_tags_at_once_are_our_mistake(world: BusWorld) -> None:
    bus = world.bus()
    with pytest.raises(InvariantError):
        await bus.create_group("g", [CMD, USER], announce=None)
    with pytest.raises(InvariantError):
        await bus.create_group("g", [USER], announce=Outgoing(ROT, announced()))


async def test_groups_show_pending_lag_and_consumers(world: BusWorld) -> None:
    bus = world.bus()
    await bus.create_group("g", [CMD], announce=None)
    ids = await bus.publish([Outgoing(CMD, command(number)) for number in range(5)])
    await bus.read("g", "first", [CMD], block_ms=0, count=2)
    await bus.read("g", "second", [CMD], block_ms=0, count=1)
    await bus.ack([Ack(CMD, "g", ids[0])])
    (row,) = await bus.groups(CMD)
    assert (row.consumers, row.pending, row.last_delivered_id) == (2, 2, ids[2])
    assert row.oldest_pending_id == ids[1]
    assert row.lag in (None, 2)


async def test_a_missing_stream_has_no_groups(world: BusWorld) -> None:
    assert list(await world.bus().groups(CMD)) == []


async def test_a_group_is_destroyed_on_streams_of_any_tags(world: BusWorld) -> None:
    bus = world.bus()
    await bus.create_group("g", [CMD], announce=None)
    await bus.create_group("g", [USER], announce=None)
    await bus.create_group("other", [CMD], announce=None)
    await bus.destroy_group("g", [CMD, USER, MD])
    await bus.destroy_group("g", [CMD])
    assert [row.name for row in await bus.groups(CMD)] == ["other"]
    assert list(await bus.groups(USER)) == []


async def test_a_late_reader_continues_behind_its_checkpoint(world: BusWorld) -> None:
    bus = world.bus()
    await bus.create_group("g", [MD], announce=None)
    ids = await bus.publish([Outgoing(MD, status(number)) for number in range(5)])
    await bus.read("g", "c", [MD], block_ms=0, noack=True)
    await bus.set_group_id("g", MD, ids[2])
    entries = await bus.read("g", "c", [MD], block_ms=0, noack=True)
    assert [entry.message for entry in entries] == [status(3), status(4)]
    await bus.set_group_id("g", MD, "$")
    assert list(await bus.read("g", "c", [MD], block_ms=0, noack=True)) == []


@pytest.mark.parametrize("stream_exists", [True, False])
async def test_what_has_vanished_is_a_final_error(world: BusWorld, stream_exists: bool) -> None:
    bus = world.bus()
    if stream_exists:
        await bus.publish([Outgoing(USER, channel(1))])
    for attempt in (
        bus.read("g", "c", [USER], block_ms=0),
        bus.recover("g", "c", [USER]),
        bus.set_group_id("g", USER, "0-1"),
    ):
        with pytest.raises(TransportError) as caught:
            await attempt
        assert not caught.value.retryable
