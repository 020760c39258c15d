"""A process' connection to the simulated Redis: the bus in memory, with a round trip's time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from pmcore.messages.market_data import BookDelta, BookSnapshot, TradePrinted
from pmcore.wire.ports import Ack, Outgoing
from pmsim.bus.memory_bus import MemoryBus, MemoryStore

ROUND_TRIP_S = 0.0004
_NOT_TOLD = (BookDelta, BookSnapshot, TradePrinted)


class HostBus(MemoryBus):
    """`delay_s` is one round trip; what is published about money is told to the world."""

    def __init__(
        self, store: MemoryStore, *, source: str, run_id: str, say: Callable[[str, str], None]
    ) -> None:
        super().__init__(store, source=source, run_id=run_id)
        self.delay_s = ROUND_TRIP_S
        self._source = source
        self._say = say

    async def publish(
        self, outgoing: Sequence[Outgoing], acks: Sequence[Ack] = ()
    ) -> Sequence[str]:
        """See `Bus.publish`."""
        ids = await super().publish(outgoing, acks)
        for item in outgoing:
            if not isinstance(item.message, _NOT_TOLD):
                self._say(self._source, f"publishes {item.message}")
        return ids

    async def _turn(self) -> None:
        await asyncio.sleep(self.delay_s)
        self._require_available()
