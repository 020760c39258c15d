"""A process' connection to the simulated Redis: the bus in memory, with a round trip's time."""

from __future__ import annotations

import asyncio
import copy
import random
from collections.abc import Callable, Sequence

from pmcore.messages.market_data import BookDelta, BookSnapshot, TradePrinted
from pmcore.model.errors import Sent, TransportError
from pmcore.wire.ports import Ack, Outgoing
from pmsim.bus.memory_bus import MemoryBus, MemoryStore

MILLION = 1_000_000
ROUND_TRIP_S = 0.0004
_NOT_TOLD = (BookDelta, BookSnapshot, TradePrinted)


class RedisServer:
    """The one Redis of a world and what is wrong with it now."""

    def __init__(self, store: MemoryStore, seed: str) -> None:
        self.store = store
        self.delay_s = ROUND_TRIP_S
        self.full = False
        self.lose_answer_ppm = 0
        self.cut_off: set[str] = set()
        self.lost_data = False
        self._random = random.Random(f"{seed}/redis")  # noqa: S311 - a simulated server
        self._snapshot: tuple[object, ...] | None = None

    def stop(self) -> None:
        """The server goes away; every call fails, those that wait too."""
        self.store.available = False
        self.store.change()

    def start(self) -> None:
        """It answers again."""
        self.store.available = True

    def remember(self) -> None:
        """Keep the data as they are now, for `go_back`."""
        self._snapshot = copy.deepcopy((self.store.streams, self.store.values, self.store.hashes))

    def go_back(self) -> None:
        """Lose everything since `remember`: the last second, or a replica's arrears."""
        if self._snapshot is not None:
            self.lost_data = True
            streams, values, hashes = copy.deepcopy(self._snapshot)
            self.store.streams, self.store.values, self.store.hashes = streams, values, hashes  # type: ignore[assignment]
            self.store.change()

    def lose_all(self) -> None:
        """Start empty."""
        self.lost_data = True
        self.store.streams.clear()
        self.store.values.clear()
        self.store.hashes.clear()
        self.store.change()

    def loses_answer(self) -> bool:
        """Whether what was done now is not answered."""
        return self.lose_answer_ppm > 0 and self._random.randrange(MILLION) < self.lose_answer_ppm


class HostBus(MemoryBus):
    """A round trip takes time; what is published about money is told to the world."""

    def __init__(
        self,
        server: RedisServer,
        *,
        source: str,
        run_id: str,
        say: Callable[[str, str], None],
        hear: Callable[[str, Outgoing], None],
    ) -> None:
        super().__init__(server.store, source=source, run_id=run_id)
        self._server = server
        self._source = source
        self._say = say
        self._hear = hear

    async def publish(
        self, outgoing: Sequence[Outgoing], acks: Sequence[Ack] = ()
    ) -> Sequence[str]:
        """See `Bus.publish`."""
        if outgoing and self._server.full:
            await self._turn()
            raise TransportError("OOM command not allowed", retryable=True, sent=Sent.NO)
        ids = await super().publish(outgoing, acks)
        for item in outgoing:
            if not isinstance(item.message, _NOT_TOLD):
                self._say(self._source, f"publishes {item.message}")
                self._hear(self._source, item)
        if self._server.loses_answer():
            raise TransportError("connection lost", retryable=True, sent=Sent.UNKNOWN)
        return ids

    async def put(self, key: str, value: bytes, *, ttl_ms: int | None = None) -> None:
        """See `Bus.put`."""
        if self._server.full:
            await self._turn()
            raise TransportError("OOM command not allowed", retryable=True, sent=Sent.NO)
        await super().put(key, value, ttl_ms=ttl_ms)

    async def _turn(self) -> None:
        await asyncio.sleep(self._server.delay_s)
        self._require_available()

    def _require_available(self) -> None:
        if self._source in self._server.cut_off:
            raise TransportError("cut off from Redis", retryable=True, sent=Sent.NO)
        super()._require_available()
