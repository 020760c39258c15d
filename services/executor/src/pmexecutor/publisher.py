"""From the executor to Redis: in order for each hash tag, nothing lost while Redis is away.

An entry counts as published when Redis said so. After a lost answer it is published again: facts
may come twice, readers deduplicate. An order is never posted before its own entry stands there.
In a Cluster the server of one series may be away alone: what is for it holds up no other series.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from pmcore.model.errors import Sent, TransportError
from pmcore.shell.service.logs import Log
from pmcore.shell.service.tasks import retry_until_answered
from pmcore.wire.keys import one_hash_tag
from pmcore.wire.ports import Ack, Bus, Outgoing

MAX_QUEUED = 20_000
MAX_BATCH = 256


@dataclass(frozen=True)
class _Item:
    outgoing: tuple[Outgoing, ...]
    acks: tuple[Ack, ...]
    done: asyncio.Future[None]


@dataclass(eq=False)
class _Lane:
    """What waits for one hash tag, oldest first."""

    queue: deque[_Item] = field(default_factory=deque)
    filled: asyncio.Event = field(default_factory=asyncio.Event)
    away: bool = False


class Publisher:
    """One task for each hash tag publishes; any task may add entries."""

    def __init__(self, bus: Bus, log: Log) -> None:
        self._bus = bus
        self._log = log
        self._lanes: dict[str, _Lane] = {}
        self._to_start: deque[_Lane] = deque()
        self._opened = asyncio.Event()

    @property
    def away(self) -> bool:
        """Whether the last attempt failed, of any hash tag."""
        return any(lane.away for lane in self._lanes.values())

    @property
    def queued(self) -> int:
        """Entries that Redis has not confirmed."""
        return sum(len(lane.queue) for lane in self._lanes.values())

    def put(self, outgoing: Sequence[Outgoing], acks: Sequence[Ack] = ()) -> asyncio.Future[None]:
        """Publish these, of one hash tag, in one transaction; done when Redis has them."""
        tag = one_hash_tag([*(item.stream for item in outgoing), *(ack.stream for ack in acks)])
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.queued >= MAX_QUEUED:
            raise TransportError(
                f"{MAX_QUEUED} entries wait for Redis", retryable=False, sent=Sent.NO
            )
        lane = self._lanes.get(tag) or self._open(tag)
        lane.queue.append(_Item(tuple(outgoing), tuple(acks), done))
        lane.filled.set()
        return done

    async def run(self) -> None:
        """Publish until cancelled; while Redis is away it waits."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                while self._to_start:
                    tasks.create_task(self._run_lane(self._to_start.popleft()))
                self._opened.clear()
                await self._opened.wait()

    async def drain(self) -> None:
        """Wait until everything put so far is published."""
        last = [lane.queue[-1].done for lane in self._lanes.values() if lane.queue]
        for done in last:
            await asyncio.shield(done)

    def _open(self, tag: str) -> _Lane:
        lane = self._lanes[tag] = _Lane()
        self._to_start.append(lane)
        self._opened.set()
        return lane

    async def _run_lane(self, lane: _Lane) -> None:
        async def publish_next() -> list[_Item]:
            batch = [lane.queue[i] for i in range(min(len(lane.queue), MAX_BATCH))]
            await self._bus.publish(
                [entry for item in batch for entry in item.outgoing],
                [ack for item in batch for ack in item.acks],
            )
            return batch

        def note_away(error: TransportError) -> None:
            lane.away = True
            self._log.warning("bus_away", detail=str(error), queued=self.queued)

        while True:
            await lane.filled.wait()
            batch = await retry_until_answered(publish_next, note_away)
            lane.away = False
            for item in batch:
                lane.queue.popleft()
                if not item.done.done():
                    item.done.set_result(None)
            if not lane.queue:
                lane.filled.clear()
