from __future__ import annotations

import json

import pytest

from pmcore.model.errors import InvariantError
from pmcore.wire import keys
from pmcore.wire.ports import Ack, Outgoing
from pmcore.wire.registry import MD_MAX_LEN
from support.bus_worlds import START_NS, BusWorld
from support.messages import ACCOUNT, SERIES, channel, command, flat, halt, status

CMD, EXE, MD = keys.cmd(SERIES), keys.exe(SERIES), keys.md(SERIES)
USER, CTL = keys.user(ACCOUNT), keys.ctl(ACCOUNT)


async def test_ids_come_back_in_the_order_of_the_entries_across_hash_tags(world: BusWorld) -> None:
    bus = world.bus()
    ids = await bus.publish(
        [
            Outgoing(CMD, command(1)),
            Outgoing(USER, channel(1)),
            Outgoing(EXE, flat(1)),
            Outgoing(CMD, command(2)),
        ]
    )
    assert len(ids) == 4
    assert ids[3] == await bus.tail_id(CMD)
    assert ids[1] == await bus.tail_id(USER)
    assert ids[2] == await bus.tail_id(EXE)


async def test_an_entry_has_tag_body_and_envelope(world: BusWorld) -> None:
    await world.bus("feed", "run-7").publish([Outgoing(MD, status(5))])
    (fields,) = world.raw_entries(MD)
    assert list(fields) == [b"t", b"d", b"e"]
    assert fields[b"t"] == b"feed_status_changed"
    assert json.loads(fields[b"d"])["type"] == "feed_status_changed"
    assert json.loads(fields[b"e"]) == {
        "source": "feed",
        "run_id": "run-7",
        "seq": 1,
        "ts_pub_ns": START_NS,
    }


async def test_sequence_rises_by_one_per_stream_and_process(world: BusWorld) -> None:
    first, second = world.bus("feed"), world.bus("strategy")
    await first.publish([Outgoing(MD, status(1)), Outgoing(CMD, command(1))])
    await first.publish([Outgoing(MD, status(2))])
    await second.publish([Outgoing(MD, status(3))])
    envelopes = [json.loads(fields[b"e"]) for fields in world.raw_entries(MD)]
    assert [(row["source"], row["seq"]) for row in envelopes] == [
        ("feed", 1),
        ("feed", 2),
        ("strategy", 1),
    ]


async def test_acks_go_with_the_entries_and_alone(world: BusWorld) -> None:
    bus = world.bus()
    await bus.create_group("g", [CMD], announce=None)
    await bus.create_group("g", [USER], announce=None)
    await bus.publish([Outgoing(CMD, command(1)), Outgoing(CMD, command(2))])
    await bus.publish([Outgoing(USER, channel(1))])
    first, second = await bus.read("g", "c", [CMD], block_ms=0)
    (fact,) = await bus.read("g", "c", [USER], block_ms=0)
    await bus.publish(
        [Outgoing(EXE, flat(1))],
        acks=[Ack(CMD, "g", first.entry_id), Ack(USER, "g", fact.entry_id)],
    )
    assert (await bus.groups(CMD))[0].oldest_pending_id == second.entry_id
    assert (await bus.groups(USER))[0].pending == 0
    await bus.ack([Ack(CMD, "g", second.entry_id)])
    assert (await bus.groups(CMD))[0].pending == 0


async def test_acknowledging_what_is_not_there_is_fine(world: BusWorld) -> None:
    await world.bus().ack([Ack(CMD, "nobody", "1-1")])


async def test_a_message_on_the_wrong_stream_is_our_mistake(world: BusWorld) -> None:
    bus = world.bus()
    with pytest.raises(InvariantError):
        await bus.publish([Outgoing(MD, halt(1))])
    with pytest.raises(InvariantError):
        await bus.publish([Outgoing(keys.halt(ACCOUNT), halt(1))])
    assert await bus.tail_id(MD) == "0-0"


async def test_market_data_is_trimmed_on_add_and_nothing_else_is(world: BusWorld) -> None:
    bus = world.bus()
    filler = {b"t": b"x"}
    world.add_raw(MD, filler, count=MD_MAX_LEN + 250)
    world.add_raw(CMD, filler, count=MD_MAX_LEN + 250)
    await bus.publish([Outgoing(MD, status(1)), Outgoing(CMD, command(1))])
    assert MD_MAX_LEN <= world.length(MD) < MD_MAX_LEN + 200
    assert world.length(CMD) == MD_MAX_LEN + 251


async def test_a_message_may_bring_its_streams_bound(world: BusWorld) -> None:
    bus = world.bus()
    world.add_raw(MD, {b"t": b"x"}, count=1_250)
    await bus.publish([Outgoing(MD, status(1), max_len=1_000)])
    assert 1_000 <= world.length(MD) < 1_200


async def test_the_last_id_of_nothing_is_zero(world: BusWorld) -> None:
    bus = world.bus()
    assert await bus.tail_id(CMD) == "0-0"
    await bus.create_group("g", [CMD], announce=None)
    assert await bus.tail_id(CMD) == "0-0"
    (entry_id,) = await bus.publish([Outgoing(CMD, command(1))])
    world.drop_entry(CMD, entry_id)
    assert await bus.tail_id(CMD) == "0-0"
