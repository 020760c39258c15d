"""Each second: tell the others whether this service is ready, and look how far behind it reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from pmcore.model.errors import TransportError
from pmcore.shell.halts import HaltLever
from pmcore.shell.logs import Log
from pmcore.shell.metrics import ServiceMetrics
from pmcore.wire import keys
from pmcore.wire.ports import Bus

BEAT_S = 1.0
ALIVE_TTL_MS = 3000
LAG_EVERY_BEATS = 5


class Heartbeat:
    """Writes the alive key (expires after 3 s) and the metrics that follow from asking Redis."""

    def __init__(
        self,
        name: str,
        bus: Bus,
        metrics: ServiceMetrics,
        lever: HaltLever,
        *,
        readiness: Callable[[], list[str]],
        account: str,
        series: Sequence[str],
        log: Log,
    ) -> None:
        self._name = name
        self._bus = bus
        self._metrics = metrics
        self._lever = lever
        self._readiness = readiness
        self._key = keys.alive(account, name)
        self._log = log
        self._redis_away = ""
        self._streams = {
            **{f"{key.__name__}": [key(one) for one in series] for key in _SERIES_STREAMS},
            **{f"{key.__name__}": [key(account)] for key in _ACCOUNT_STREAMS},
        }

    def reasons(self) -> list[str]:
        """Why the service is not ready, Redis included."""
        away = [f"redis away: {self._redis_away}"] if self._redis_away else []
        return [*away, *self._readiness()]

    async def run(self) -> None:
        """Beat until cancelled; Redis being away is a state, not an end."""
        beats = 0
        while True:
            try:
                await self._beat(with_lag=beats % LAG_EVERY_BEATS == 0)
                self._set_away("")
            except TransportError as error:
                self._set_away(str(error) or "no answer")
                self._metrics.bus_lag({})
            beats += 1
            await asyncio.sleep(BEAT_S)

    async def _beat(self, *, with_lag: bool) -> None:
        await self._lever.hand_on()
        reasons = self._readiness()
        self._metrics.ready.set(not reasons)
        self._metrics.halted.set(bool(self._lever.reason))
        alive = msgspec.json.encode({"ready": not reasons, "reasons": reasons})
        await self._bus.put(self._key, alive, ttl_ms=ALIVE_TTL_MS)
        if with_lag:
            self._metrics.bus_lag(
                {name: await self._lag_of(streams) for name, streams in self._streams.items()}
            )

    async def _lag_of(self, streams: Sequence[str]) -> int | None:
        """Return the worst lag of this service's groups; None without groups or when unknown."""
        lags = [
            group.lag
            for stream in streams
            for group in await self._bus.groups(stream)
            if _owner_of(group.name) == self._name
        ]
        known = [lag for lag in lags if lag is not None]
        return max(known) if known and len(known) == len(lags) else None

    def _set_away(self, text: str) -> None:
        if bool(text) != bool(self._redis_away):
            event = "redis_away" if text else "redis_back"
            self._log.warning(event, detail=text)
        self._redis_away = text
        self._metrics.bus_connected.set(not text)
        if text:
            self._metrics.ready.set(0)


_SERIES_STREAMS = (keys.md, keys.rot, keys.cmd, keys.exe)
_ACCOUNT_STREAMS = (keys.user, keys.ctl)
_FIXED_GROUPS = frozenset({"feed", "strategy", "executor", "userws", "simulator"})


def _owner_of(group: str) -> str:
    """Name the service that reads a group: fixed ones carry its name, windows' a suffix or none."""
    if group in _FIXED_GROUPS:
        return group
    _, _, suffix = group.partition(":")
    return suffix or "strategy"
