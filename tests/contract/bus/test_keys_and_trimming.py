from __future__ import annotations

from pmcore.shell.bus.janitor import trim_streams
from pmcore.wire import keys
from pmcore.wire.ports import Ack, Outgoing
from support.bus_worlds import BusWorld
from support.messages import ACCOUNT, SERIES, command

CMD, MD, DLQ = keys.cmd(SERIES), keys.md(SERIES), keys.dlq(SERIES)
HALT, CHECKPOINTS = keys.halt(ACCOUNT), keys.checkpoints(SERIES)


async def test_a_value_is_put_read_and_removed(world: BusWorld) -> None:
    bus = world.bus()
    assert await bus.get(HALT) is None
    await bus.put(HALT, b"\xffwhy")
    assert await bus.get(HALT) == b"\xffwhy"
    await bus.delete(HALT)
    await bus.delete(HALT)
    assert await bus.get(HALT) is None


async def test_a_value_expires(world: BusWorld) -> None:
    bus = world.bus()
    key = keys.alive(ACCOUNT, "feed")
    await bus.put(key, b"{}", ttl_ms=60_000)
    assert await bus.get(key) == b"{}"
    await bus.put(key, b"{}", ttl_ms=1)
    world.pass_ms(5)
    assert await bus.get(key) is None


async def test_a_value_is_swapped_only_for_what_was_expected(world: BusWorld) -> None:
    bus = world.bus()
    assert not await bus.swap(HALT, expected=b"", value=b"a")
    assert await bus.swap(HALT, expected=None, value=b"")
    assert not await bus.swap(HALT, expected=None, value=b"b")
    assert not await bus.swap(HALT, expected=b"=", value=b"b")
    assert await bus.get(HALT) == b""
    assert await bus.swap(HALT, expected=b"", value=b"\xffwhy")
    assert not await bus.swap(HALT, expected=b"", value=None)
    assert await bus.swap(HALT, expected=b"\xffwhy", value=None)
    assert await bus.get(HALT) is None
    assert await bus.swap(HALT, expected=None, value=None)
    assert await bus.swap(HALT, expected=None, value=b"a", ttl_ms=60_000)
    assert await bus.swap(HALT, expected=b"a", value=b"a", ttl_ms=1)
    world.pass_ms(5)
    assert await bus.get(HALT) is None


async def test_fields_of_a_hash(world: BusWorld) -> None:
    bus = world.bus()
    assert await bus.get_fields(CHECKPOINTS) == {}
    await bus.put_field(CHECKPOINTS, "a", b"1")
    await bus.put_field(CHECKPOINTS, "b", b"2")
    await bus.put_field(CHECKPOINTS, "a", b"3")
    await bus.put_field(CHECKPOINTS, "b", None)
    await bus.put_field(CHECKPOINTS, "b", None)
    assert await bus.get_fields(CHECKPOINTS) == {"a": b"3"}


async def test_a_bus_that_is_there_answers(world: BusWorld) -> None:
    await world.bus().ping()


async def test_trimming_drops_what_is_older_in_whole_blocks(world: BusWorld) -> None:
    bus = world.bus()
    world.add_raw(CMD, {b"t": b"x"}, count=250)
    world.pass_ms(5)
    (kept,) = await bus.publish([Outgoing(CMD, command(1))])
    assert await bus.trim(CMD, kept) == 200
    assert world.length(CMD) == 51
    assert await bus.trim(keys.exe(SERIES), kept) == 0


async def test_the_janitor_leaves_young_streams_and_those_without_an_age(world: BusWorld) -> None:
    bus = world.bus()
    world.add_raw(CMD, {b"t": b"x"}, count=250)
    assert await trim_streams(bus, [CMD, MD, DLQ, keys.user(ACCOUNT)]) == {
        CMD: 0,
        keys.user(ACCOUNT): 0,
    }


async def test_the_janitor_stops_at_the_oldest_pending_entry(world: BusWorld) -> None:
    bus = world.bus()
    await bus.create_group("g", [CMD], announce=None)
    world.add_raw(CMD, {b"t": b"x"}, count=150)
    entries = await bus.read("g", "c", [CMD], block_ms=0)
    await bus.ack([Ack(CMD, "g", entry.entry_id) for entry in entries])
    (held,) = await bus.publish([Outgoing(CMD, command(1))])
    await bus.read("g", "c", [CMD], block_ms=0)
    world.add_raw(CMD, {b"t": b"x"}, count=150)
    world.age_stream(CMD)
    assert await trim_streams(bus, [CMD]) == {CMD: 100}
    await bus.ack([Ack(CMD, "g", held)])
    assert await trim_streams(bus, [CMD]) == {CMD: 200}
