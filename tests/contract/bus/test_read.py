from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from pmcore.model.errors import InvariantError, TransportError
from pmcore.wire import keys
from pmcore.wire.ports import Ack, Bus, Incoming, Outgoing
from support.bus_worlds import BusWorld
from support.messages import ACCOUNT, SERIES, command, flat, status

CMD, EXE, MD, USER = keys.cmd(SERIES), keys.exe(SERIES), keys.md(SERIES), keys.user(ACCOUNT)
LONG_MS = 5_000


async def test_several_streams_keep_the_order_within_each(world: BusWorld) -> None:
    bus = world.bus()
    await bus.create_group("g", [CMD, EXE], announce=None)
    await bus.publish(
        [
            Outgoing(stream, make(n))
            for n in range(3)
            for stream, make in ((CMD, command), (EXE, flat))
        ]
    )
    entries = await bus.read("g", "c", [CMD, EXE], block_ms=LONG_MS)
    assert [e.message for e in entries if e.stream == CMD] == [command(n) for n in range(3)]
    assert [e.message for e in entries if e.stream == EXE] == [flat(n) for n in range(3)]
    assert all(entry.deliveries == 1 and not entry.problem for entry in entries)


async def test_the_envelope_comes_along(world: BusWorld) -> None:
    bus = world.bus("strategy", "run-3")
    await bus.create_group("g", [CMD], announce=None)
    await bus.publish([Outgoing(CMD, command(1))])
    (entry,) = await bus.read("g", "c", [CMD], block_ms=0)
    assert entry.envelope is not None
    assert (entry.envelope.source, entry.envelope.run_id, entry.envelope.seq) == (
        "strategy",
        "run-3",
        1,
    )


async def test_count_bounds_a_read(world: BusWorld) -> None:
    bus = world.bus()
    await bus.create_group("g", [CMD], announce=None)
    await bus.publish([Outgoing(CMD, command(n)) for n in range(5)])
    sizes = [len(await bus.read("g", "c", [CMD], block_ms=0, count=2)) for _ in range(4)]
    assert sizes == [2, 2, 1, 0]


async def test_groups_and_consumers_of_a_group(world: BusWorld) -> None:
    bus = world.bus()
    await bus.create_group("one", [CMD], announce=None)
    await bus.create_group("two", [CMD], announce=None)
    await bus.publish([Outgoing(CMD, command(n)) for n in range(3)])
    first = await bus.read("one", "a", [CMD], block_ms=0, count=2)
    second = await bus.read("one", "b", [CMD], block_ms=0)
    other = await bus.read("two", "a", [CMD], block_ms=0)
    assert [entry.message for entry in [*first, *second]] == [command(n) for n in range(3)]
    assert len(other) == 3


async def test_a_waiting_reader_gets_the_entry_when_it_is_added(world: BusWorld) -> None:
    reader, writer = world.bus("executor"), world.bus("strategy")
    await reader.create_group("g", [CMD], announce=None)
    waiting = asyncio.create_task(reader.read("g", "c", [CMD], block_ms=LONG_MS))
    await world.reader_waits()
    assert not waiting.done()
    await writer.publish([Outgoing(CMD, command(1))])
    (entry,) = await waiting
    assert entry.message == command(1)


async def test_waiting_ends_with_nothing(world: BusWorld) -> None:
    bus = world.bus()
    await bus.create_group("g", [CMD], announce=None)
    assert list(await bus.read("g", "c", [CMD], block_ms=5)) == []


async def test_state_leaves_nothing_pending_and_facts_do(world: BusWorld) -> None:
    bus = world.bus()
    await bus.create_group("g", [MD, CMD], announce=None)
    await bus.publish([Outgoing(MD, status(1)), Outgoing(CMD, command(1))])
    await bus.read("g", "c", [MD], block_ms=0, noack=True)
    await bus.read("g", "c", [CMD], block_ms=0)
    assert (await bus.groups(MD))[0].pending == 0
    assert (await bus.groups(CMD))[0].pending == 1


async def test_a_cancelled_read_loses_nothing_and_the_next_one_works(world: BusWorld) -> None:
    reader, writer = world.bus("executor"), world.bus("strategy")
    await reader.create_group("g", [CMD], announce=None)
    waiting = asyncio.create_task(reader.read("g", "c", [CMD], block_ms=LONG_MS))
    await world.reader_waits()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await writer.publish([Outgoing(CMD, command(1))])
    (entry,) = await reader.read("g", "c", [CMD], block_ms=LONG_MS)
    assert entry.message == command(1)
    assert list(await reader.read("g", "c", [CMD], block_ms=0)) == []


async def test_entries_handed_to_a_read_that_broke_off_come_with_the_next(world: BusWorld) -> None:
    reader, writer = world.bus("executor"), world.bus("strategy")
    await reader.create_group("g", [CMD], announce=None)
    ids = await writer.publish([Outgoing(CMD, command(n)) for n in range(2)])
    assert len(await reader.read("g", "c", [CMD], block_ms=0)) == 2
    for round_number in range(2, 40):
        waiting = asyncio.create_task(reader.read("g", "c", [CMD], block_ms=LONG_MS))
        if round_number % 3:
            await asyncio.sleep(0)
        else:
            await world.reader_waits()
        ids = [*ids, *await writer.publish([Outgoing(CMD, command(round_number))])]
        if round_number % 2:
            await asyncio.sleep(0)
        waiting.cancel()
        try:
            got = list(await waiting)
        except asyncio.CancelledError:
            got = list(await reader.read("g", "c", [CMD], block_ms=LONG_MS))
        assert [entry.message for entry in got] == [command(round_number)]
    assert (await reader.groups(CMD))[0].pending == len(ids)
    await reader.ack([Ack(CMD, "g", entry_id) for entry_id in ids])
    assert (await reader.groups(CMD))[0].pending == 0


async def final_error(waiting: asyncio.Task[Sequence[Incoming]], bus: Bus) -> TransportError:
    """The error of the waiting read, or of the next one: Redis 6.2 lets the first run out."""
    try:
        assert list(await waiting) == []
        await bus.read("g", "c", [CMD], block_ms=0)
    except TransportError as error:
        return error
    raise AssertionError("no error")


async def test_a_stream_deleted_under_a_waiting_reader_is_a_final_error(world: BusWorld) -> None:
    bus = world.bus()
    await bus.create_group("g", [CMD], announce=None)
    waiting = asyncio.create_task(bus.read("g", "c", [CMD], block_ms=300))
    await world.reader_waits()
    world.drop_stream(CMD)
    assert not (await final_error(waiting, bus)).retryable


async def test_a_group_destroyed_under_a_waiting_reader_is_a_final_error(world: BusWorld) -> None:
    reader, other = world.bus("strategy"), world.bus("feed")
    await reader.create_group("g", [CMD], announce=None)
    waiting = asyncio.create_task(reader.read("g", "c", [CMD], block_ms=300))
    await world.reader_waits()
    await other.destroy_group("g", [CMD])
    assert not (await final_error(waiting, reader)).retryable


async def test_two_reads_at_a_time_on_one_connection_are_our_mistake(world: BusWorld) -> None:
    bus = world.bus()
    await bus.create_group("g", [CMD, EXE], announce=None)
    waiting = asyncio.create_task(bus.read("g", "c", [CMD], block_ms=LONG_MS))
    await world.reader_waits()
    with pytest.raises(InvariantError):
        await bus.read("g", "c", [CMD], block_ms=0)
    assert list(await bus.read("g", "c", [EXE], block_ms=0)) == []
    await bus.publish([Outgoing(CMD, command(1))])
    assert len(await waiting) == 1


async def test_streams_of_two_hash_tags_are_our_mistake(world: BusWorld) -> None:
    with pytest.raises(InvariantError):
        await world.bus().read("g", "c", [CMD, USER], block_ms=0)


async def test_what_cannot_be_decoded_is_shown_and_not_dropped(world: BusWorld) -> None:
    bus = world.bus()
    await bus.create_group("g", [CMD], announce=None)
    await bus.publish([Outgoing(CMD, command(1))])
    (good,) = world.raw_entries(CMD)
    world.add_raw(CMD, good | {b"t": b"cancel_universe"})
    world.add_raw(CMD, good | {b"t": b"halt"})
    world.add_raw(CMD, good | {b"d": b"{"})
    world.add_raw(CMD, good | {b"e": b"{}"})
    world.add_raw(CMD, {b"something": b"else"})
    entries = await bus.read("g", "c", [CMD], block_ms=0)
    assert [entry.problem for entry in entries] == [
        "",
        "unknown_tag",
        "unknown_tag",
        "malformed",
        "malformed",
        "malformed",
    ]
    assert all(entry.message is None for entry in entries[1:])
    assert entries[5].raw == b"something=else"
