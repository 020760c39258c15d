from __future__ import annotations

from collections.abc import Sequence

from pmcore.wire import keys
from pmcore.wire.ports import Ack, Incoming, Outgoing
from support.bus_worlds import BusWorld, FullBus
from support.messages import SERIES, command, flat

CMD, EXE = keys.cmd(SERIES), keys.exe(SERIES)


async def delivered(bus: FullBus, consumer: str, numbers: Sequence[int]) -> Sequence[Incoming]:
    await bus.create_group("g", [CMD, EXE], announce=None)
    await bus.publish([Outgoing(CMD, command(number)) for number in numbers])
    return await bus.read("g", consumer, [CMD], block_ms=0)


async def test_own_pending_entries_come_back_with_their_deliveries(world: BusWorld) -> None:
    entries = await delivered(world.bus(), "c", range(3))
    restarted = world.bus(run_id="run-2")
    await restarted.ack([Ack(CMD, "g", entries[1].entry_id)])
    found = await restarted.recover("g", "c", [CMD, EXE])
    assert [(entry.message, entry.deliveries) for entry in found] == [
        (command(0), 2),
        (command(2), 2),
    ]
    again = await restarted.recover("g", "c", [CMD, EXE])
    assert [entry.deliveries for entry in again] == [3, 3]
    assert list(await restarted.read("g", "c", [CMD], block_ms=0)) == []


async def test_recovery_walks_long_lists_to_the_end(world: BusWorld) -> None:
    bus = world.bus()
    await bus.create_group("g", [CMD], announce=None)
    await bus.publish([Outgoing(CMD, command(number)) for number in range(1_203)])
    assert len(await bus.read("g", "dead", [CMD], block_ms=0, count=2_000)) == 1_203
    own = await world.bus(run_id="run-2").recover("g", "dead", [CMD])
    assert [entry.message for entry in own] == [command(number) for number in range(1_203)]
    assert {entry.deliveries for entry in own} == {2}
    claimed = await bus.recover("g", "heir", [CMD], min_idle_ms=0)
    assert [entry.message for entry in claimed] == [command(number) for number in range(1_203)]


async def test_only_idle_entries_of_others_are_claimed(world: BusWorld) -> None:
    bus = world.bus()
    await delivered(bus, "dead", range(2))
    assert list(await bus.recover("g", "heir", [CMD])) == []
    found = await bus.recover("g", "heir", [CMD], min_idle_ms=0)
    assert [(entry.message, entry.deliveries) for entry in found] == [
        (command(0), 2),
        (command(1), 2),
    ]
    assert list(await bus.recover("g", "dead", [CMD])) == []


async def test_own_and_claimed_entries_come_once_and_in_stream_order(world: BusWorld) -> None:
    bus = world.bus()
    await bus.create_group("g", [CMD, EXE], announce=None)
    await bus.publish([Outgoing(CMD, command(number)) for number in range(6)])
    await bus.publish([Outgoing(EXE, flat(1))])
    for consumer in ("heir", "dead", "heir"):
        await bus.read("g", consumer, [CMD], block_ms=0, count=2)
    await bus.read("g", "dead", [EXE], block_ms=0)
    found = await bus.recover("g", "heir", [CMD, EXE], min_idle_ms=0)
    assert [entry.message for entry in found] == [*[command(n) for n in range(6)], flat(1)]


async def test_a_trimmed_entry_comes_back_as_lost_and_can_be_acknowledged(world: BusWorld) -> None:
    bus = world.bus()
    entries = await delivered(bus, "c", range(3))
    world.drop_entry(CMD, entries[1].entry_id)
    found = await bus.recover("g", "c", [CMD])
    assert [(entry.message, entry.problem) for entry in found] == [
        (command(0), ""),
        (None, "lost"),
        (command(2), ""),
    ]
    assert found[1].entry_id == entries[1].entry_id
    await bus.ack([Ack(CMD, "g", entry.entry_id) for entry in found])
    assert (await bus.groups(CMD))[0].pending == 0


async def test_a_trimmed_entry_of_a_dead_consumer_is_claimed_as_lost(world: BusWorld) -> None:
    bus = world.bus()
    entries = await delivered(bus, "dead", range(3))
    world.drop_entry(CMD, entries[0].entry_id)
    found = await bus.recover("g", "heir", [CMD], min_idle_ms=0)
    assert [(entry.entry_id, entry.problem) for entry in found] == [
        (entries[0].entry_id, "lost"),
        (entries[1].entry_id, ""),
        (entries[2].entry_id, ""),
    ]
    await bus.ack([Ack(CMD, "g", entry.entry_id) for entry in found])
    assert (await bus.groups(CMD))[0].pending == 0


async def test_after_recovery_only_new_entries_are_read(world: BusWorld) -> None:
    await delivered(world.bus(), "c", range(2))
    restarted = world.bus(run_id="run-2")
    await restarted.recover("g", "c", [CMD])
    await restarted.publish([Outgoing(CMD, command(9))])
    (entry,) = await restarted.read("g", "c", [CMD], block_ms=0)
    assert entry.message == command(9)
