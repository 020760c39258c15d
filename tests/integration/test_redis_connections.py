"""What only a real connection can do: be handed entries that nobody reads, lose its server."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import redis as redis_py

from pmcore.model.errors import Sent, TransportError
from pmcore.shell.bus.redis_bus import RedisBus
from pmcore.wire import keys
from pmcore.wire.ports import Ack, Outgoing
from pmtools.ports import free_port
from pmtools.run.redis_server import LocalRedis
from support.messages import SERIES, command
from support.redis import SERVER_PARAMS

CMD = keys.cmd(SERIES)
LONG_MS = 5_000
every_server = pytest.mark.parametrize("redis_url", SERVER_PARAMS, indirect=True)


def connect(url: str) -> RedisBus:
    return RedisBus.connect(url, source="executor", run_id="run-1", clock_ns=lambda: 1)


@pytest.fixture
async def bus(redis_url: str) -> AsyncIterator[RedisBus]:
    bus = connect(redis_url)
    await bus.create_group("g", [CMD], announce=None)
    yield bus
    await bus.close()


@pytest.fixture
def raw(redis_url: str) -> Iterator[Any]:
    with redis_py.Redis.from_url(redis_url) as client:
        yield client


async def blocked(raw: Any, readers: int) -> None:
    while raw.info("clients")["blocked_clients"] != readers:  # noqa: ASYNC110 - the server knows
        await asyncio.sleep(0.001)


async def break_off_a_read(bus: RedisBus, raw: Any) -> None:
    waiting = asyncio.create_task(bus.read("g", "c", [CMD], block_ms=LONG_MS))
    await blocked(raw, 1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await blocked(raw, 0)


@every_server
async def test_entries_handed_to_a_lost_connection_come_with_the_next_read(
    bus: RedisBus, raw: Any
) -> None:
    seen = await bus.publish([Outgoing(CMD, command(0))])
    assert len(await bus.read("g", "c", [CMD], block_ms=0)) == 1
    await break_off_a_read(bus, raw)
    handed = await bus.publish([Outgoing(CMD, command(number)) for number in range(1, 6)])
    raw.xreadgroup("g", "c", {CMD: ">"})  # as Redis does with a connection it takes for alive
    pages = [await bus.read("g", "c", [CMD], block_ms=LONG_MS, count=3) for _ in range(2)]
    assert [entry.message for page in pages for entry in page] == [command(n) for n in range(1, 6)]
    assert list(await bus.read("g", "c", [CMD], block_ms=0)) == []
    await bus.ack([Ack(CMD, "g", entry_id) for entry_id in [*seen, *handed]])
    assert (await bus.groups(CMD))[0].pending == 0


@every_server
async def test_the_connection_of_a_broken_read_is_ended_lest_it_is_handed_more(
    bus: RedisBus, raw: Any, redis_url: str
) -> None:
    await bus.read("g", "c", [CMD], block_ms=0)
    (name,) = [row["name"] for row in raw.client_list() if ":g:c:" in row["name"]]
    await break_off_a_read(bus, raw)
    half_open: Any = redis_py.asyncio.Redis.from_url(redis_url, client_name=name)
    ghost = asyncio.create_task(half_open.xreadgroup("g", "c", {CMD: ">"}, block=LONG_MS))
    await blocked(raw, 1)
    waiting = asyncio.create_task(bus.read("g", "c", [CMD], block_ms=LONG_MS))
    with pytest.raises(redis_py.ConnectionError):
        await ghost
    await half_open.aclose()
    await bus.publish([Outgoing(CMD, command(1))])
    (entry,) = await waiting
    assert entry.message == command(1)


@every_server
async def test_a_cancellation_is_never_swallowed(bus: RedisBus, raw: Any) -> None:
    for _ in range(40):
        await break_off_a_read(bus, raw)


@every_server
async def test_a_cancelled_publish_leaves_the_connection_usable(bus: RedisBus, raw: Any) -> None:
    for _ in range(20):
        task = asyncio.create_task(bus.publish([Outgoing(CMD, command(0))]))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    (entry_id,) = await bus.publish([Outgoing(CMD, command(7))])
    assert await bus.tail_id(CMD) == entry_id


@every_server
async def test_what_recovery_gave_out_does_not_come_again_after_a_broken_read(
    bus: RedisBus, raw: Any
) -> None:
    await bus.publish([Outgoing(CMD, command(1))])
    raw.xreadgroup("g", "c", {CMD: ">"})  # the run before this one
    (own,) = await bus.recover("g", "c", [CMD])
    assert own.message == command(1)
    await break_off_a_read(bus, raw)
    assert list(await bus.read("g", "c", [CMD], block_ms=0)) == []


@every_server
async def test_a_read_that_breaks_off_after_a_start_from_the_beginning_loses_nothing(
    bus: RedisBus, raw: Any
) -> None:
    ids = await bus.publish([Outgoing(CMD, command(number)) for number in range(5)])
    raw.xreadgroup("g", "c", {CMD: ">"})  # the run before this one
    await bus.recover("g", "c", [CMD])
    await bus.ack([Ack(CMD, "g", entry_id) for entry_id in ids])
    await bus.set_group_id("g", CMD, "$")
    await break_off_a_read(bus, raw)
    await bus.set_group_id("g", CMD, "0-0")
    raw.xreadgroup("g", "c", {CMD: ">"}, count=4)  # handed to the read that broke off
    entries = [entry for _ in range(2) for entry in await bus.read("g", "c", [CMD], block_ms=0)]
    assert [entry.message for entry in entries] == [command(number) for number in range(5)]


@every_server
async def test_concurrent_publishers_of_one_process_keep_their_numbers_in_order(
    bus: RedisBus,
) -> None:
    await asyncio.gather(*(bus.publish([Outgoing(CMD, command(n))]) for n in range(100)))
    entries = await bus.read("g", "c", [CMD], block_ms=0)
    assert [entry.envelope.seq for entry in entries if entry.envelope] == list(range(1, 101))


@every_server
async def test_a_destroyed_group_leaves_no_connection_behind(bus: RedisBus, raw: Any) -> None:
    await bus.read("g", "c", [CMD], block_ms=0)
    await bus.destroy_group("g", [CMD])
    while any(":g:c:" in row["name"] for row in raw.client_list()):  # noqa: ASYNC110 - the server knows
        await asyncio.sleep(0.001)


async def test_nobody_there_is_retryable_and_a_write_may_have_arrived() -> None:
    bus = connect(f"redis://127.0.0.1:{free_port()}/0")
    with pytest.raises(TransportError) as reading:
        await bus.ping()
    assert (reading.value.retryable, reading.value.sent) == (True, Sent.NO)
    with pytest.raises(TransportError) as writing:
        await bus.publish([Outgoing(CMD, command(1))])
    assert (writing.value.retryable, writing.value.sent) == (True, Sent.UNKNOWN)
    await bus.close()


@every_server
async def test_a_key_of_another_kind_is_a_final_error(bus: RedisBus, raw: Any) -> None:
    raw.set(keys.exe(SERIES), "text")
    with pytest.raises(TransportError) as caught:
        await bus.tail_id(keys.exe(SERIES))
    assert not caught.value.retryable


@pytest.mark.connected
async def test_a_server_that_hangs_is_a_timeout_and_the_write_may_have_arrived() -> None:
    with LocalRedis() as server:
        bus = connect(server.url)
        await bus.create_group("g", [CMD], announce=None)
        await bus.read("g", "c", [CMD], block_ms=0)
        assert server.pid is not None
        os.kill(server.pid, signal.SIGSTOP)
        try:
            publishing = bus.publish([Outgoing(CMD, command(1))])
            reading = bus.read("g", "c", [CMD], block_ms=0)
            results = await asyncio.gather(publishing, reading, return_exceptions=True)
        finally:
            os.kill(server.pid, signal.SIGCONT)
        for result, sent in zip(results, (Sent.UNKNOWN, Sent.NO), strict=True):
            assert isinstance(result, TransportError)
            assert (result.retryable, result.sent) == (True, sent)
        (entry,) = await bus.read("g", "c", [CMD], block_ms=LONG_MS)
        assert entry.message == command(1)  # it had arrived
        await bus.publish([Outgoing(CMD, command(2))])
        (entry,) = await bus.read("g", "c", [CMD], block_ms=LONG_MS)
        assert entry.envelope is not None
        assert entry.envelope.seq == 2  # its number stays used: never the same for two messages
        await bus.close()


@pytest.mark.connected
async def test_a_server_that_crashes_and_returns_empty_ends_its_readers() -> None:
    server = LocalRedis()
    server.start()
    bus = connect(server.url)
    await bus.create_group("g", [CMD], announce=None)
    waiting = asyncio.create_task(bus.read("g", "c", [CMD], block_ms=LONG_MS))
    with redis_py.Redis.from_url(server.url) as raw:
        await blocked(raw, 1)
    server.kill()
    with pytest.raises(TransportError) as lost:
        await waiting
    assert lost.value.retryable
    with pytest.raises(TransportError) as away:
        await bus.publish([Outgoing(CMD, command(1))])
    assert (away.value.retryable, away.value.sent) == (True, Sent.UNKNOWN)
    with LocalRedis(port=server.port):
        with pytest.raises(TransportError) as gone:
            await bus.read("g", "c", [CMD], block_ms=0)
        assert not gone.value.retryable
        await bus.publish([Outgoing(CMD, command(2))])
        await bus.create_group("g", [CMD], start="0", announce=None)
        (entry,) = await bus.read("g", "c", [CMD], block_ms=0)
        assert entry.envelope is not None
        # it was lost before it was known who serves: nothing was sent, and no number was used
        assert entry.envelope.seq == 1
        await bus.close()
