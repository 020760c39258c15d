"""Tell the others each second whether this service is ready; look how far behind it reads.

The second is never waited for by the first: in a Cluster the server of one series may be away
alone, and then the others must still hear that this service is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from pmcore.model.errors import Cause, TransportError
from pmcore.shell.clock import real_now_ns
from pmcore.shell.service.health import Health
from pmcore.shell.service.kill_switch import KillSwitch
from pmcore.shell.service.logs import Log
from pmcore.shell.service.metrics import ServiceMetrics
from pmcore.shell.service.tasks import answered_at_once
from pmcore.wire import keys
from pmcore.wire.ports import Bus, GroupInfo

BEAT_S = 1.0
ALIVE_TTL_MS = 3000
LAG_EVERY_S = 5.0


class Liveness:
    """Writes the alive key (expires after 3 s) and the metrics that follow from asking Redis."""

    def __init__(  # noqa: PLR0913 - what one beat needs
        self,
        name: str,
        bus: Bus,
        metrics: ServiceMetrics,
        kill_switch: KillSwitch,
        *,
        readiness: Callable[[], list[str]],
        account: str,
        series: Sequence[str],
        log: Log,
        health: Health | None = None,
        ctl_group: str = "",
    ) -> None:
        self._name = name
        self._ctl_group = ctl_group
        self._bus = bus
        self._metrics = metrics
        self._kill_switch = kill_switch
        self._readiness = readiness
        self._key = keys.alive(account, name)
        self._log = log
        self._health = health or Health()
        self._redis_away = ""
        self._streams = {
            **{(one, key.__name__): key(one) for key in _SERIES_STREAMS for one in series},
            **{("", key.__name__): key(account) for key in _ACCOUNT_STREAMS},
        }
        self._dead_letters = [keys.dlq(one) for one in series]

    def reasons(self) -> list[str]:
        """Why the service is not ready, Redis included."""
        away = [f"redis away: {self._redis_away}"] if self._redis_away else []
        return [*away, *self._readiness()]

    async def run(self) -> None:
        """Run until cancelled; while Redis is away it goes on."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_alive())
            tasks.create_task(self._keep_looking())

    async def _keep_alive(self) -> None:
        while True:
            self._health.changed.clear()
            if await answered_at_once(self._beat, self._set_away):
                self._set_away(None)
            await self._until_due()

    async def _keep_looking(self) -> None:
        while True:
            if await answered_at_once(self._look, self._note_unseen):
                self._health.clear_trouble("streams")
            await asyncio.sleep(LAG_EVERY_S)

    async def _until_due(self) -> None:
        """A beat's time, or less when the executor's placing gate moved."""
        changed = self._health.changed
        try:
            async with asyncio.timeout(BEAT_S):
                await changed.wait()
        except TimeoutError:
            return

    async def _beat(self) -> None:
        await self._kill_switch.hand_on()
        reasons = self._readiness()
        self._metrics.ready.set(not reasons)
        self._metrics.halted.set(bool(self._kill_switch.reason))
        if not self._health.standby:
            await self._bus.put(self._key, self._health.alive(reasons), ttl_ms=ALIVE_TTL_MS)

    async def _look(self) -> None:
        groups = {place: await self._groups_of(key) for place, key in self._streams.items()}
        now_ms = real_now_ns() // 1_000_000
        self._metrics.bus_lag({place: _worst_lag(own) for place, own in groups.items()})
        self._metrics.bus_pending_age(
            {place: _oldest_s(own, now_ms) for place, own in groups.items()}
        )
        tails = [await self._bus.tail_id(stream) for stream in self._dead_letters]
        self._metrics.dead_letters.set(any(tail != _EMPTY for tail in tails))

    def _note_unseen(self, error: TransportError) -> None:
        """What is not known is not shown as good."""
        text = f"Redis does not answer for every stream: {error}"
        self._health.set_trouble("streams", Cause.REDIS, text)
        self._metrics.bus_lag({})
        self._metrics.bus_pending_age({})

    async def _groups_of(self, stream: str) -> list[GroupInfo]:
        """Return the groups that this service reads; one that was never read is not behind."""
        return [
            group
            for group in await self._bus.groups(stream)
            if group.consumers and self._is_own(stream, group.name)
        ]

    def _is_own(self, stream: str, group: str) -> bool:
        """Of `ctl` only this deployment's group: those of others may be there for ever."""
        if self._ctl_group and keys.stream_kind(stream) == "ctl":
            return group == self._ctl_group
        return _owner_of(group) == self._name

    def _set_away(self, error: TransportError | None) -> None:
        text = (str(error) or "no answer") if error is not None else ""
        if bool(text) != bool(self._redis_away):
            event = "redis_away" if text else "redis_back"
            self._log.warning(event, detail=text)
        self._redis_away = text
        if text:
            self._health.set_trouble("redis", Cause.REDIS, f"Redis does not answer: {text}")
        else:
            self._health.clear_trouble("redis")
        self._metrics.bus_connected.set(not text)
        if text:
            self._metrics.ready.set(0)


_SERIES_STREAMS = (keys.md, keys.rot, keys.cmd, keys.exe)
_ACCOUNT_STREAMS = (keys.user, keys.ctl)
_FIXED_GROUPS = frozenset({"feed", "strategy", "executor", "userws", "simulator"})
_EMPTY = "0-0"


def _worst_lag(groups: Sequence[GroupInfo]) -> int | None:
    """Return the worst lag; None without groups or when one is unknown."""
    known = [group.lag for group in groups if group.lag is not None]
    return max(known) if known and len(known) == len(groups) else None


def _oldest_s(groups: Sequence[GroupInfo], now_ms: int) -> float | None:
    """Return the age of the oldest pending entry, 0 with nothing pending, None without groups.

    An entry's id begins with the milliseconds of Redis's clock at its adding.
    """
    if not groups:
        return None
    born_ms = [
        int(group.oldest_pending_id.partition("-")[0])
        for group in groups
        if group.oldest_pending_id
    ]
    return max(0.0, (now_ms - min(born_ms)) / 1000) if born_ms else 0.0


def _owner_of(group: str) -> str:
    """Name the service that reads a group: fixed ones carry its name, windows' a suffix or none."""
    if group in _FIXED_GROUPS:
        return group
    _, _, suffix = group.partition(":")
    return suffix or "strategy"
