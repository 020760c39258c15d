"""The simulated Redis of a world, and a process' connection to it: the bus in memory."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence

import msgspec

from pmcore.messages.market_data import BookCheckpoint, BookDelta, BookSnapshot, TradePrinted
from pmcore.wire.ports import Ack, Incoming, Outgoing
from pmsim.bus.memory_bus import MemoryBus, MemoryStore, StoreState
from pmsim.faults.plan import MILLION

ROUND_TRIP_S = 0.0004
_CHECKPOINTS = ":md:snap"
_NOT_TOLD = (BookDelta, BookSnapshot, TradePrinted)


class RedisServer:
    """The one Redis of a world and what is wrong with it now; see `MemoryStore` for the rest."""

    def __init__(self, store: MemoryStore, seed: str) -> None:
        self.store = store
        self.lose_answer_ppm = 0
        self.lose_read_ppm = 0
        self.entry_delay_s = 0.0
        """What each entry that is read takes: a history much longer than that of a trial."""
        self.after_destroying: dict[str, tuple[int, Callable[[], None]]] = {}
        """What is done when a process has destroyed so many more groups, each on one stream."""
        self.cut_off: set[str] = set()
        self.lost_data = False
        self._delay_s = ROUND_TRIP_S
        self._random = random.Random(f"{seed}/redis")  # noqa: S311 - a simulated server
        self._remembered: StoreState | None = None
        self._clients: set[str] = set()

    @property
    def delay_s(self) -> float:
        """What one call takes."""
        return self._delay_s

    @delay_s.setter
    def delay_s(self, delay_s: float) -> None:
        self._delay_s = delay_s
        for source in self._clients:
            self.store.faults_of(source).delay_s = delay_s

    @property
    def full(self) -> bool:
        """Whether it refuses what needs memory."""
        return self.store.full

    @full.setter
    def full(self, full: bool) -> None:
        self.store.full = full

    def meet(self, source: str) -> None:
        """A process connects."""
        self._clients.add(source)
        self.store.faults_of(source).delay_s = self._delay_s

    def stop(self) -> None:
        """The server goes away; every call fails, those that wait too."""
        self.store.available = False
        self.store.break_connections()

    def start(self) -> None:
        """It answers again."""
        self.store.available = True

    def cut(self, source: str) -> None:
        """One process cannot reach it."""
        self.cut_off.add(source)
        self.store.faults_of(source).partitioned = True
        self.store.change()

    def mend(self, source: str) -> None:
        """The process reaches it again."""
        self.cut_off.discard(source)
        self.store.faults_of(source).partitioned = False

    def remember(self) -> None:
        """Keep the data as they are now, for `go_back`."""
        self._remembered = self.store.state()

    def go_back(self) -> None:
        """Lose everything since `remember`: the last second, or a replica's arrears."""
        if self._remembered is not None:
            self.lost_data = True
            self.store.restart(self._remembered)

    def lose_all(self) -> None:
        """Start empty."""
        self.lost_data = True
        self.store.restart(StoreState())

    def maybe_lose_answer(self, source: str) -> None:
        """The next write of a process may be done without its hearing of it."""
        if self.lose_answer_ppm and self._random.randrange(MILLION) < self.lose_answer_ppm:
            self.store.faults_of(source).lost_answers = 1

    def destroyed(self, source: str) -> None:
        """A process has destroyed a group of one stream."""
        if source in self.after_destroying:
            left, act = self.after_destroying.pop(source)
            if left > 1:
                self.after_destroying[source] = (left - 1, act)
            else:
                act()

    def loses_read(self) -> bool:
        """Whether what a read is handed does not reach its process."""
        return self.lose_read_ppm > 0 and self._random.randrange(MILLION) < self.lose_read_ppm


class HostBus(MemoryBus):
    """What is published about money is told to the world."""

    def __init__(
        self,
        server: RedisServer,
        *,
        source: str,
        run_id: str,
        say: Callable[[str, str], None],
        hear: Callable[[str, Outgoing], None],
        notice: Callable[[str, object], None],
    ) -> None:
        super().__init__(server.store, source=source, run_id=run_id)
        server.meet(source)
        self._server = server
        self._say = say
        self._hear = hear
        self._notice = notice

    async def publish(
        self, outgoing: Sequence[Outgoing], acks: Sequence[Ack] = ()
    ) -> Sequence[str]:
        """See `Bus.publish`."""
        self._server.maybe_lose_answer(self._source)
        ids = await super().publish(outgoing, acks)
        for item in outgoing:
            if not isinstance(item.message, _NOT_TOLD):
                self._say(self._source, f"publishes {item.message}")
        return ids

    async def destroy_group(self, group: str, streams: Sequence[str]) -> None:
        """See `Bus.destroy_group`."""
        for stream in streams:
            await super().destroy_group(group, [stream])
            self._server.destroyed(self._source)

    async def read(
        self,
        group: str,
        consumer: str,
        streams: Sequence[str],
        *,
        block_ms: int,
        count: int = 500,
        noack: bool = False,
    ) -> Sequence[Incoming]:
        """See `Bus.read`."""
        if self._server.entry_delay_s:
            await asyncio.sleep(self._server.entry_delay_s)
            count = 1
        items = await super().read(
            group, consumer, streams, block_ms=block_ms, count=count, noack=noack
        )
        for item in items:
            self._notice(self._source, item.message)
        return items

    def _loses_read(self) -> bool:
        return super()._loses_read() or self._server.loses_read()

    async def get_fields(self, key: str) -> Mapping[str, bytes]:
        """See `Bus.get_fields`."""
        stored = await super().get_fields(key)
        if key.endswith(_CHECKPOINTS):
            for value in stored.values():
                self._notice(self._source, msgspec.json.decode(value, type=BookCheckpoint))
        return stored

    def _add(self, item: Outgoing) -> str:
        entry_id = super()._add(item)
        self._hear(self._source, item)
        return entry_id
