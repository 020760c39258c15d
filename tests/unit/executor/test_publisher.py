"""The publisher: in order, together with the acknowledgements, and patient."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

import pytest

from pmcore.model.errors import Sent, TransportError
from pmcore.shell.service.logs import configure_logs
from pmcore.wire import keys
from pmcore.wire.ports import Ack, Outgoing
from pmexecutor import publisher as publisher_module
from pmexecutor.publisher import MAX_BATCH, Publisher
from pmsim.bus.memory_bus import MemoryBus, MemoryStore
from support.messages import SERIES, flat
from support.venue_peer import eventually

EXE = keys.exe(SERIES)


class FlakyBus(MemoryBus):
    """A bus in memory that is away for the first few publications."""

    failures: list[TransportError]

    def __init__(self, store: MemoryStore, *, source: str, run_id: str) -> None:
        super().__init__(store, source=source, run_id=run_id)
        self.asked: list[tuple[int, tuple[Ack, ...]]] = []

    async def publish(
        self, outgoing: Sequence[Outgoing], acks: Sequence[Ack] = ()
    ) -> Sequence[str]:
        self.asked.append((len(outgoing), tuple(acks)))
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


class HalfABus(MemoryBus):
    """A Cluster that has lost the server of one series."""

    async def publish(
        self, outgoing: Sequence[Outgoing], acks: Sequence[Ack] = ()
    ) -> Sequence[str]:
        if any(item.stream == EXE for item in outgoing):
            raise TransportError("away", retryable=True, sent=Sent.NO)
        return await super().publish(outgoing, acks)


async def test_a_series_whose_redis_is_away_holds_up_no_other() -> None:
    bus = HalfABus(MemoryStore(lambda: 1), source="executor", run_id="r")
    publisher = Publisher(bus, configure_logs("executor", "error", io.StringIO()))
    run = asyncio.create_task(publisher.run())
    held = publisher.put([Outgoing(EXE, flat(1))])
    await eventually(lambda: publisher.away, "the failure was noted")
    async with asyncio.timeout(5):
        for number in range(3):
            await publisher.put([Outgoing(keys.exe("eth-15m"), flat(number))])
    assert not held.done()
    assert (publisher.away, publisher.queued) == (True, 1)
    run.cancel()
    await asyncio.wait({run})


async def test_draining_an_empty_road_is_no_wait(publisher: Publisher) -> None:
    await publisher.drain()


async def test_an_error_that_no_wait_mends_ends_the_road(bus: FlakyBus) -> None:
    bus.failures = [TransportError("no such stream", retryable=False, sent=Sent.YES)]
    road = Publisher(bus, configure_logs("executor", "error"))
    road.put([Outgoing(EXE, flat(1))])
    with pytest.raises(ExceptionGroup) as raised:
        await road.run()
    assert [str(error) for error in raised.value.exceptions] == ["no such stream"]


async def test_the_queue_is_bounded(bus: FlakyBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher_module, "MAX_QUEUED", 1)
    road = Publisher(bus, configure_logs("executor", "error"))
    road.put([Outgoing(EXE, flat(1))])
    with pytest.raises(TransportError, match="1 entries wait for Redis") as raised:
        road.put([Outgoing(EXE, flat(2))])
    assert (raised.value.retryable, raised.value.sent) == (False, Sent.NO)
    assert road.queued == 1


async def test_many_entries_go_out_in_batches_with_their_acknowledgements(bus: FlakyBus) -> None:
    publisher = Publisher(bus, configure_logs("executor", "error"))
    acks = [Ack(keys.cmd(SERIES), "group", f"{number}-0") for number in range(MAX_BATCH + 1)]
    done = [publisher.put([Outgoing(EXE, flat(number))], [ack]) for number, ack in enumerate(acks)]
    assert publisher.queued == MAX_BATCH + 1
    run = asyncio.create_task(publisher.run())
    await publisher.drain()
    assert all(one.done() for one in done)
    assert bus.asked == [(MAX_BATCH, tuple(acks[:-1])), (1, tuple(acks[-1:]))]
    run.cancel()
    await asyncio.wait({run})


async def test_it_rests_while_nothing_is_put(bus: FlakyBus, publisher: Publisher) -> None:
    for number in range(3):
        await publisher.put([Outgoing(EXE, flat(number))])
    assert len(bus.asked) == 3
    assert await _published(bus) == [flat(number) for number in range(3)]
    assert len(bus.asked) == 3


async def test_whoever_stops_waiting_takes_nothing_from_the_others(
    bus: FlakyBus, publisher: Publisher
) -> None:
    abandoned = publisher.put([Outgoing(EXE, flat(1))])
    abandoned.cancel()
    await publisher.put([Outgoing(EXE, flat(2))])
    last = publisher.put([Outgoing(EXE, flat(3))])
    drain = asyncio.create_task(publisher.drain())
    await asyncio.sleep(0)
    drain.cancel()
    await last
    assert await _published(bus) == [flat(1), flat(2), flat(3)]


async def test_it_says_that_redis_is_away_and_how_much_waits(bus: FlakyBus) -> None:
    written = io.StringIO()
    publisher = Publisher(bus, configure_logs("executor", "debug", written))
    bus.failures = [TransportError("redis: gone", retryable=True, sent=Sent.UNKNOWN)]
    assert not publisher.away
    publisher.put([Outgoing(EXE, flat(1))])
    publisher.put([Outgoing(EXE, flat(2))])
    run = asyncio.create_task(publisher.run())
    await eventually(lambda: publisher.away, "the failure was noted")
    assert publisher.queued == 2
    await publisher.drain()
    assert not publisher.away
    line = json.loads(written.getvalue().splitlines()[0])
    assert (line["event"], line["detail"], line["queued"]) == ("bus_away", "redis: gone", 2)
    run.cancel()
    await asyncio.wait({run})
