"""What only the bus in memory does; its promises are tested in tests/contract/bus."""

from __future__ import annotations

import asyncio

import pytest

from pmcore.model.errors import Sent, TransportError
from pmcore.wire import keys
from pmcore.wire.ports import Ack, Outgoing
from pmsim.bus.memory_bus import MemoryBus, MemoryStore
from support.messages import ACCOUNT, SERIES, channel, command

CMD = keys.cmd(SERIES)


async def test_the_same_calls_leave_the_same_bytes() -> None:
    async def run() -> list[object]:
        times = iter(range(10**18, 10**18 + 10**9, 700_000))
        store = MemoryStore(lambda: next(times))
        bus = MemoryBus(store, source="strategy", run_id="run-1")
        await bus.create_group("g", [CMD], announce=None)
        readers = [
            asyncio.create_task(bus.read("g", consumer, [CMD], block_ms=1_000))
            for consumer in ("a", "b")
        ]
        for number in range(3):
            await bus.publish([Outgoing(CMD, command(number))])
        await bus.publish([Outgoing(CMD, command(9))])
        return [await reader for reader in readers]

    assert await run() == await run()


async def test_a_bus_that_is_away_says_so_to_everybody() -> None:
    store = MemoryStore(lambda: 1)
    bus = MemoryBus(store, source="x", run_id="r")
    await bus.create_group("g", [CMD], announce=None)
    waiting = asyncio.create_task(bus.read("g", "c", [CMD], block_ms=1_000))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    store.available = False
    store.change()
    for attempt, sent in (
        (waiting, Sent.NO),
        (bus.ping(), Sent.NO),
        (bus.publish([Outgoing(CMD, command(1))]), Sent.UNKNOWN),
    ):
        with pytest.raises(TransportError) as caught:
            await attempt
        assert (caught.value.retryable, caught.value.sent) == (True, sent)
    store.available = True
    await bus.ping()


def _store_and_bus() -> tuple[MemoryStore, MemoryBus]:
    store = MemoryStore(lambda: 10**18)
    return store, MemoryBus(store, source="strategy", run_id="run-1")


async def test_a_restart_goes_on_from_an_older_state_as_often_as_wanted() -> None:
    store, bus = _store_and_bus()
    await bus.create_group("g", [CMD], announce=None)
    await bus.publish([Outgoing(CMD, command(1))])
    old = store.state()
    for _ in range(2):
        await bus.read("g", "c", [CMD], block_ms=0)
        await bus.publish([Outgoing(CMD, command(2))])
        store.restart(old)
        assert len(store.stream(CMD)) == 1
        assert [row.pending for row in await bus.groups(CMD)] == [0]


async def test_a_call_in_flight_fails_when_redis_restarts() -> None:
    store, bus = _store_and_bus()
    calling = asyncio.create_task(bus.publish([Outgoing(CMD, command(1))]))
    await asyncio.sleep(0)
    store.restart()
    with pytest.raises(TransportError) as caught:
        await calling
    assert (caught.value.retryable, caught.value.sent) == (True, Sent.UNKNOWN)
    assert len(store.stream(CMD)) == 0


async def test_a_partition_is_of_one_process() -> None:
    store, bus = _store_and_bus()
    other = MemoryBus(store, source="executor", run_id="run-1")
    store.faults_of("strategy").partitioned = True
    with pytest.raises(TransportError) as caught:
        await bus.publish([Outgoing(CMD, command(1))])
    assert caught.value.sent is Sent.UNKNOWN
    await other.publish([Outgoing(CMD, command(1))])
    store.faults_of("strategy").partitioned = False
    await bus.ping()


async def test_a_lost_answer_is_of_a_write_that_was_done() -> None:
    store, bus = _store_and_bus()
    store.faults_of("strategy").lost_answers = 1
    with pytest.raises(TransportError) as caught:
        await bus.publish([Outgoing(CMD, command(1))])
    assert (caught.value.retryable, caught.value.sent) == (True, Sent.UNKNOWN)
    await bus.publish([Outgoing(CMD, command(1))])
    assert len(store.stream(CMD)) == 2


async def test_a_publish_can_break_off_between_two_hash_tags() -> None:
    store, bus = _store_and_bus()
    user = keys.user(ACCOUNT)
    outgoing = [Outgoing(CMD, command(1)), Outgoing(user, channel(1))]
    store.faults_of("strategy").cut_after = 1
    with pytest.raises(TransportError):
        await bus.publish(outgoing)
    assert sorted(len(store.stream(key)) for key in (CMD, user)) == [0, 1]
    await bus.publish(outgoing)
    assert sorted(len(store.stream(key)) for key in (CMD, user)) == [1, 2]


async def test_a_slow_redis_does_the_call_after_its_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    store, bus = _store_and_bus()
    delays: list[float] = []

    async def sleep(delay_s: float) -> None:
        delays.append(delay_s)
        assert len(store.stream(CMD)) == 0

    store.faults_of("strategy").delay_s = 1.5
    monkeypatch.setattr(asyncio, "sleep", sleep)
    await bus.publish([Outgoing(CMD, command(1))])
    assert delays == [1.5]
    assert len(store.stream(CMD)) == 1


async def test_a_full_store_refuses_acknowledgements_as_old_servers_do() -> None:
    store, bus = _store_and_bus()
    await bus.create_group("g", [CMD], announce=None)
    (entry_id,) = await bus.publish([Outgoing(CMD, command(1))])
    await bus.read("g", "c", [CMD], block_ms=0)
    store.full = True
    with pytest.raises(TransportError) as caught:
        await bus.ack([Ack(CMD, "g", entry_id)])
    assert (caught.value.retryable, caught.value.sent) == (True, Sent.NO)
    assert [row.pending for row in await bus.groups(CMD)] == [1]


async def test_entries_of_a_lost_answer_come_with_the_next_read() -> None:
    store, bus = _store_and_bus()
    await bus.create_group("g", [CMD], announce=None)
    for number in range(3):
        await bus.publish([Outgoing(CMD, command(number))])
        if number == 1:
            store.faults_of("strategy").lost_reads = 1
            with pytest.raises(TransportError) as caught:
                await bus.read("g", "c", [CMD], block_ms=0)
            assert (caught.value.retryable, caught.value.sent) == (True, Sent.NO)
            assert [row.pending for row in await bus.groups(CMD)] == [2]
        (entry,) = await bus.read("g", "c", [CMD], block_ms=0)
        assert entry.message == command(number)
    assert list(await bus.read("g", "c", [CMD], block_ms=0)) == []


async def test_a_lost_answer_to_a_replay_loses_nothing() -> None:
    store, bus = _store_and_bus()
    await bus.create_group("g", [CMD], announce=None)
    await bus.publish([Outgoing(CMD, command(number)) for number in range(3)])
    await bus.read("g", "c", [CMD], block_ms=0)
    bus = MemoryBus(store, source="strategy", run_id="run-2")
    assert len(await bus.recover("g", "c", [CMD])) == 3
    await bus.set_group_id("g", CMD, "0-0")
    store.faults_of("strategy").lost_reads = 1
    with pytest.raises(TransportError):
        await bus.read("g", "c", [CMD], block_ms=0)
    entries = await bus.read("g", "c", [CMD], block_ms=0)
    assert [entry.message for entry in entries] == [command(number) for number in range(3)]


async def test_state_of_a_lost_answer_is_gone() -> None:
    store, bus = _store_and_bus()
    await bus.create_group("g", [CMD], announce=None)
    await bus.publish([Outgoing(CMD, command(1))])
    store.faults_of("strategy").lost_reads = 1
    with pytest.raises(TransportError):
        await bus.read("g", "c", [CMD], block_ms=0, noack=True)
    assert list(await bus.read("g", "c", [CMD], block_ms=0, noack=True)) == []
