"""The publisher: in order, together with the acknowledgements, and patient."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

import pytest

from pmcore.model.errors import Sent, TransportError
from pmcore.shell.service.logs import configure_logs
from pmcore.wire import keys
from pmcore.wire.ports import Ack, Outgoing
from pmexecutor import publisher as publisher_module
from pmexecutor.publisher import Publisher
from pmsim.bus.memory_bus import MemoryBus, MemoryStore
from support.messages import SERIES, flat

EXE = keys.exe(SERIES)


class FlakyBus(MemoryBus):
    """A bus in memory that is away for the first few publications."""

    failures: list[TransportError]

    async def publish(
        self, outgoing: Sequence[Outgoing], acks: Sequence[Ack] = ()
    ) -> Sequence[str]:
        if self.failures:
            raise self.failures.pop()
        return await super().publish(outgoing, acks)


@pytest.fixture
def bus() -> FlakyBus:
    flaky = FlakyBus(MemoryStore(lambda: 1), source="executor", run_id="r")
    flaky.failures = []
    return flaky


@pytest.fixture
async def publisher(bus: FlakyBus) -> AsyncIterator[Publisher]:
    road = Publisher(bus, configure_logs("executor", "error"))
    run = asyncio.create_task(road.run())
    yield road
    run.cancel()
    with suppress(asyncio.CancelledError, TransportError):
        await run


async def _published(bus: FlakyBus) -> list[object]:
    await bus.create_group("test", [EXE], start="0", announce=None)
    return [item.message for item in await bus.read("test", "one", [EXE], block_ms=1)]


async def test_entries_go_out_in_the_order_in_which_they_were_put(
    bus: FlakyBus, publisher: Publisher
) -> None:
    messages = [flat(number) for number in range(5)]
    await asyncio.gather(*(publisher.put([Outgoing(EXE, message)]) for message in messages))
    assert await _published(bus) == messages
    assert publisher.queued == 0


async def test_a_redis_that_is_away_is_waited_out_and_nothing_is_lost(
    bus: FlakyBus, publisher: Publisher
) -> None:
    bus.failures = [TransportError("away", retryable=True, sent=Sent.UNKNOWN)] * 2
    first = publisher.put([Outgoing(EXE, flat(1))])
    second = publisher.put([Outgoing(EXE, flat(2))])
    await publisher.drain()
    assert first.done()
    assert second.done()
    assert await _published(bus) == [flat(1), flat(2)]
    assert not publisher.away


async def test_draining_an_empty_road_is_no_wait(publisher: Publisher) -> None:
    await publisher.drain()


async def test_an_error_that_no_wait_mends_ends_the_road(bus: FlakyBus) -> None:
    bus.failures = [TransportError("no such stream", retryable=False, sent=Sent.YES)]
    road = Publisher(bus, configure_logs("executor", "error"))
    road.put([Outgoing(EXE, flat(1))])
    with pytest.raises(TransportError):
        await road.run()


async def test_the_queue_is_bounded(bus: FlakyBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher_module, "MAX_QUEUED", 1)
    road = Publisher(bus, configure_logs("executor", "error"))
    road.put([Outgoing(EXE, flat(1))])
    with pytest.raises(TransportError):
        road.put([Outgoing(EXE, flat(2))])
