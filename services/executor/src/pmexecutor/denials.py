"""Tells of what Redis refused: a process that does what is not its own may be a stranger's.

The services themselves are never refused anything (`pmcore.wire.access`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pmcore.model.errors import TransportError
from pmcore.shell.service.logs import Log
from pmcore.wire.ports import Bus, Denial
from pmexecutor.metrics import ExecutorMetrics

EVERY_S = 5.0
_SHOWN_CHARACTERS = 100
_Identity = tuple[str, str, str]


class DenialWatch:
    """Reads Redis' log of refusals, counts what is new in it, and logs each of them once."""

    def __init__(self, bus: Bus, metrics: ExecutorMetrics, log: Log) -> None:
        self._bus = bus
        self._metrics = metrics
        self._log = log
        self._known: dict[_Identity, int] | None = None

    async def run(self) -> None:
        """Look until cancelled, or until Redis says that we may not."""
        while True:
            try:
                self.look(await self._bus.denials())
            except TransportError as error:
                if not error.retryable:
                    self._log.warning("redis_denials_unknown", detail=str(error))
                    return
            await asyncio.sleep(EVERY_S)

    def look(self, denials: Sequence[Denial]) -> None:
        """Compare with the reading before; the first one is only remembered."""
        seen: dict[_Identity, int] = {}
        for one in denials:
            identity = (one.user, one.kind, one.what)
            seen[identity] = seen.get(identity, 0) + one.times
        known, self._known = self._known, seen
        if known is None:
            return
        for (user, kind, what), times in seen.items():
            before = known.get((user, kind, what), 0)
            if times > before:
                self._metrics.denied(kind, times - before)
                self._log.error(
                    "redis_denied",
                    user=user[:_SHOWN_CHARACTERS],
                    kind=kind,
                    what=what[:_SHOWN_CHARACTERS],
                    times=times - before,
                )
