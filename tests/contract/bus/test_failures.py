"""Redis restarts, loses its data or is full: both buses report it alike."""

from __future__ import annotations

import asyncio

import pytest

from pmcore.model.errors import Sent, TransportError
from pmcore.wire import keys
from pmcore.wire.ports import Ack, Outgoing
from support.bus_worlds import BusWorld
from support.messages import ACCOUNT, SERIES, command

CMD, HALT, CHECKPOINTS = keys.cmd(SERIES), keys.halt(ACCOUNT), keys.checkpoints(SERIES)
LONG_MS = 5_000


async def test_a_blocked_read_fails_when_redis_restarts_and_the_next_one_works(
    world: BusWorld,
) -> None:
    bus, other = world.bus(), world.bus("other")
    await bus.create_group("g", [CMD], announce=None)
    reading = asyncio.create_task(bus.read("g", "c", [CMD], block_ms=LONG_MS))
    await world.reader_waits()
    world.break_connections()
    with pytest.raises(TransportError) as caught:
        await reading
    assert (caught.value.retryable, caught.value.sent) == (True, Sent.NO)
    await other.publish([Outgoing(CMD, command(1))])
    (entry,) = await bus.read("g", "c", [CMD], block_ms=LONG_MS)
    assert entry.message == command(1)


async def test_the_groups_are_gone_with_the_data(world: BusWorld) -> None:
    bus = world.bus()
    await bus.create_group("g", [CMD], announce=None)
    (entry_id,) = await bus.publish([Outgoing(CMD, command(1))])
    await bus.put(HALT, b"why")
    await bus.put_field(CHECKPOINTS, "a", b"1")
    world.lose_everything()
    assert await bus.get(HALT) is None
    assert await bus.get_fields(CHECKPOINTS) == {}
    assert await bus.tail_id(CMD) == "0-0"
    await bus.ack([Ack(CMD, "g", entry_id)])
    with pytest.raises(TransportError) as caught:
        await bus.read("g", "c", [CMD], block_ms=0)
    assert (caught.value.retryable, caught.value.sent) == (False, Sent.NO)


async def test_a_full_redis_refuses_what_needs_memory_and_does_the_rest(world: BusWorld) -> None:
    bus = world.bus()
    await bus.create_group("g", [CMD], announce=None)
    (entry_id,) = await bus.publish([Outgoing(CMD, command(1))])
    await bus.put_field(CHECKPOINTS, "a", b"1")
    world.fill(full=True)
    for refused in (
        bus.publish([Outgoing(CMD, command(2))], [Ack(CMD, "g", entry_id)]),
        bus.put(HALT, b"why"),
        bus.put_field(CHECKPOINTS, "b", b"2"),
        bus.create_group("h", [CMD], announce=None),
    ):
        with pytest.raises(TransportError) as caught:
            await refused
        assert (caught.value.retryable, caught.value.sent) == (True, Sent.NO)
    (entry,) = await bus.read("g", "c", [CMD], block_ms=0)
    assert entry.entry_id == entry_id
    await bus.put_field(CHECKPOINTS, "a", None)
    await bus.delete(HALT)
    assert [row.pending for row in await bus.groups(CMD)] == [1]
    world.fill(full=False)
    await bus.ack([Ack(CMD, "g", entry_id)])
    assert [row.pending for row in await bus.groups(CMD)] == [0]
    await bus.publish([Outgoing(CMD, command(2))])
    assert world.length(CMD) == 2
