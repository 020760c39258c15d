"""From the executor to Redis: one queue, in order, nothing lost while Redis is away.

An entry counts as published when Redis said so. After a lost answer it is published again: facts
may come twice, readers deduplicate. An order is never posted before its own entry stands there.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from pmcore.model.errors import Sent, TransportError
from pmcore.shell.service.logs import Log
from pmcore.shell.service.tasks import retry_until_answered
from pmcore.wire.ports import Ack, Bus, Outgoing

MAX_QUEUED = 20_000
MAX_BATCH = 256


@dataclass(frozen=True)
class _Item:
    outgoing: tuple[Outgoing, ...]
    acks: tuple[Ack, ...]
    done: asyncio.Future[None]


class Publisher:
    """One task publishes; any task may add entries."""

    def __init__(self, bus: Bus, log: Log) -> None:
        self._bus = bus
        self._log = log
        self._queue: deque[_Item] = deque()
        self._filled = asyncio.Event()
        self._away = False

    @property
    def away(self) -> bool:
        """Whether the last attempt failed."""
        return self._away

    @property
    def queued(self) -> int:
        """Entries that Redis has not confirmed."""
        return len(self._queue)

    def put(self, outgoing: Sequence[Outgoing], acks: Sequence[Ack] = ()) -> asyncio.Future[None]:
        """Publish these together, in one transaction per hash tag; done when Redis has them."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if len(self._queue) >= MAX_QUEUED:
            raise TransportError(
                f"{MAX_QUEUED} entries wait for Redis", retryable=False, sent=Sent.NO
            )
        self._queue.append(_Item(tuple(outgoing), tuple(acks), done))
        self._filled.set()
        return done

    async def run(self) -> None:
        """Publish until cancelled; while Redis is away it waits."""
        while True:
            await self._filled.wait()
            batch = await retry_until_answered(self._publish_next, self._note_away)
            self._away = False
            for item in batch:
                self._queue.popleft()
                if not item.done.done():
                    item.done.set_result(None)
            if not self._queue:
                self._filled.clear()

    async def drain(self) -> None:
        """Wait until everything put so far is published."""
        if self._queue:
            await asyncio.shield(self._queue[-1].done)

    async def _publish_next(self) -> list[_Item]:
        batch = [self._queue[i] for i in range(min(len(self._queue), MAX_BATCH))]
        await self._bus.publish(
            [entry for item in batch for entry in item.outgoing],
            [ack for item in batch for ack in item.acks],
        )
        return batch

    def _note_away(self, error: TransportError) -> None:
        self._away = True
        self._log.warning("bus_away", detail=str(error), queued=self.queued)
