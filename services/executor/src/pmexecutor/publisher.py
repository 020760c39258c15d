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
class _TagQueue:
    """What waits for one hash tag, oldest first."""

    queue: deque[_Item] = field(default_factory=deque)
    filled: asyncio.Event = field(default_factory=asyncio.Event)
    away: bool = False


class Publisher:
    """One task for each hash tag publishes; any task may add entries."""

    def __init__(self, bus: Bus, log: Log) -> None:
        self._bus = bus
        self._log = log
        self._by_tag: dict[str, _TagQueue] = {}
        self._to_start: deque[_TagQueue] = deque()
        self._opened = asyncio.Event()

    @property
    def away(self) -> bool:
        """Whether the last attempt failed, of any hash tag."""
        return any(waiting.away for waiting in self._by_tag.values())

    @property
    def queued(self) -> int:
        """Entries that Redis has not confirmed."""
        return sum(len(waiting.queue) for waiting in self._by_tag.values())

    def put(self, outgoing: Sequence[Outgoing], acks: Sequence[Ack] = ()) -> asyncio.Future[None]:
        """Publish these, of one hash tag, in one transaction; done when Redis has them."""
        tag = one_hash_tag([*(item.stream for item in outgoing), *(ack.stream for ack in acks)])
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.queued >= MAX_QUEUED:
            raise TransportError(
                f"{MAX_QUEUED} entries wait for Redis", retryable=False, sent=Sent.NO
            )
        waiting = self._by_tag.get(tag) or self._open(tag)
        waiting.queue.append(_Item(tuple(outgoing), tuple(acks), done))
        waiting.filled.set()
        return done

    async def run(self) -> None:
        """Publish until cancelled; while Redis is away it waits."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                while self._to_start:
                    tasks.create_task(self._publish_tag(self._to_start.popleft()))
                self._opened.clear()
                await self._opened.wait()

    async def drain(self) -> None:
        """Wait until everything put so far is published."""
        last = [waiting.queue[-1].done for waiting in self._by_tag.values() if waiting.queue]
        for done in last:
            await asyncio.shield(done)

    def _open(self, tag: str) -> _TagQueue:
        waiting = self._by_tag[tag] = _TagQueue()
        self._to_start.append(waiting)
        self._opened.set()
        return waiting

    async def _publish_tag(self, waiting: _TagQueue) -> None:
        async def publish_next() -> list[_Item]:
            batch = [waiting.queue[i] for i in range(min(len(waiting.queue), MAX_BATCH))]
            await self._bus.publish(
                [entry for item in batch for entry in item.outgoing],
                [ack for item in batch for ack in item.acks],
            )
            return batch

        def note_away(error: TransportError) -> None:
            waiting.away = True
            self._log.warning("bus_away", detail=str(error), queued=self.queued)

        while True:
            await waiting.filled.wait()
            batch = await retry_until_answered(publish_next, note_away)
            waiting.away = False
            for item in batch:
                waiting.queue.popleft()
                if not item.done.done():
                    item.done.set_result(None)
            if not waiting.queue:
                waiting.filled.clear()
