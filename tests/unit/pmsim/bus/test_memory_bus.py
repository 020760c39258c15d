"""What only the bus in memory does; its promises are tested in tests/contract/bus."""

from __future__ import annotations

import asyncio

import pytest

from pmcore.model.errors import Sent, TransportError
from pmcore.wire import keys
from pmcore.wire.ports import Outgoing
from pmsim.bus.memory_bus import MemoryBus, MemoryStore
from support.messages import SERIES, command

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
    for attempt in (waiting, bus.ping(), bus.publish([Outgoing(CMD, command(1))])):
        with pytest.raises(TransportError) as caught:
            await attempt
        assert (caught.value.retryable, caught.value.sent) == (True, Sent.NO)
    store.available = True
    await bus.ping()
