"""Sends heartbeats to the venue while this side is healthy; without them no order is placed.

Healthy: Redis answers; feed, strategy and userws report that they are ready; not halted. Otherwise
no heartbeat is sent, and the venue cancels the orders (docs/venue.md 8,
docs/strategy_guide.md#when-nothing-rests-at-all).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from pmcore.engine.execution.io import PlacingGate
from pmcore.machines.dead_man_switch import DeadManSwitch
from pmcore.model.errors import Cause, TransportError
from pmcore.model.units import NS_PER_S
from pmcore.shell.clock import MOST_SKEW_S, Clock, monotonic_s
from pmcore.shell.service.health import Health, read_alive
from pmcore.shell.service.logs import Log
from pmcore.wire import keys
from pmcore.wire.ports import Bus
from pmexecutor.driver import Driver
from pmexecutor.ports import Venue

CHECK_MS = 250.0
LEAST_CHECK_S = 0.02
HEALTH_EVERY_S = 0.5
HEALTH_TIMEOUT_S = 1.0


class HeartbeatSender:
    """One task; no other sends heartbeats with this API key."""

    def __init__(  # noqa: PLR0913 - what one beat needs
        self,
        venue: Venue,
        driver: Driver,
        bus: Bus,
        *,
        account: str,
        peers: Sequence[str],
        clock: Clock,
        log: Log,
        halted: Callable[[], bool],
        health: Health,
    ) -> None:
        self._venue = venue
        self._driver = driver
        self._bus = bus
        self._keys = {peer: keys.alive(account, peer) for peer in peers}
        self._clock = clock
        self._log = log
        self._halted = halted
        self._health = health
        self._failure: tuple[Cause, str] | None = None
        self._machine = DeadManSwitch()
        self._unhealthy = ["not asked yet"]
        self._asked_s = -HEALTH_EVERY_S
        self._open: bool | None = None
        self._skew_s: float | None = None

    @property
    def unhealthy(self) -> list[str]:
        """Why no beat is sent now."""
        return ["halted"] if self._halted() else self._unhealthy

    def age_s(self) -> float | None:
        """Since the last accepted beat, in the clock's seconds."""
        age_ns = self._machine.age_ns(self._now_ns())
        return None if age_ns is None else age_ns / NS_PER_S

    def view(self) -> dict[str, object]:
        """For `/state`."""
        return {
            "age_s": self.age_s(),
            "failures": self._machine.failures,
            "placing": bool(self._open),
            "clock_skew_s": self._skew_s,
            "unhealthy": self.unhealthy,
        }

    async def run(self) -> None:
        """Check the other services, send a heartbeat when due, tell the engine."""
        while True:
            await self._look_at_peers()
            due = self._machine.due(self._now_ns(), healthy=not self.unhealthy)
            if due is not None:
                await self._beat(due)
            self._set_gate()
            self._tell()
            await asyncio.sleep(max(self._clock.real_s(CHECK_MS), LEAST_CHECK_S))

    @property
    def closed_because(self) -> str:
        """Why no order may be placed now, "" when one may."""
        if self._open:
            return ""
        if self.unhealthy:
            return f"no heartbeat is sent: {'; '.join(self.unhealthy)}"
        if self._failure is not None:
            return f"the venue's heartbeat failed: {self._failure[1]}"
        if self._skewed:
            return self._skewed
        return "waiting for the venue's first heartbeat"

    @property
    def _skewed(self) -> str:
        """What is wrong with our clock: windows would end, and orders expire, at other times."""
        skew_s = self._skew_s or 0.0
        if abs(skew_s) <= MOST_SKEW_S:
            return ""
        where = "ahead of" if skew_s > 0 else "behind"
        return f"the clock is {abs(skew_s):.0f} s {where} the venue's: set it right"

    def _tell(self) -> None:
        """For `/state`: what keeps the gate closed."""
        if not (why := self.closed_because):
            self._health.clear_trouble("heartbeat")
        elif self.unhealthy or self._failure is None:
            cause = Cause.HALTED if self._halted() else Cause.WAITING
            self._health.set_trouble("heartbeat", cause, why)
        else:
            self._health.set_trouble("heartbeat", self._failure[0], why)

    def refuses(self) -> str:
        """Why a POST may not go out at this moment, or ""; asked also while a beat is in flight."""
        allowed = self._machine.placing_allowed(self._now_ns())
        return "" if allowed else "the venue's last heartbeat is too old"

    def close_gate(self) -> None:
        """No order before the first beat."""
        self._set_gate()

    def _now_ns(self) -> int:
        return int(monotonic_s() * self._clock.speed * NS_PER_S)

    async def _beat(self, heartbeat_id: str) -> None:
        try:
            answer = await self._venue.beat(heartbeat_id)
        except TransportError as error:
            self._machine.failed(self._now_ns())
            self._failure = (error.cause, str(error))
            self._log.warning("heartbeat_failed", detail=str(error))
            return
        if answer.accepted:
            self._machine.accepted(answer.heartbeat_id)
            self._skew_s = answer.skew_s
            self._failure = None
        else:
            self._machine.refused(self._now_ns(), answer.heartbeat_id)
            self._failure = (Cause.HEARTBEAT_REFUSED, "the venue expects another heartbeat id")

    def _set_gate(self) -> None:
        is_open = self._machine.placing_allowed(self._now_ns()) and not self._skewed
        if is_open is self._open:
            return
        self._open = is_open
        why = "; ".join(self.unhealthy) or self._skewed or "the venue does not take it"
        text = "" if is_open else self._skewed or f"no heartbeat: {why}"
        self._log.info("placing_gate", open=is_open, why=text)
        self._driver.feed(PlacingGate(is_open, text))

    async def _look_at_peers(self) -> None:
        if monotonic_s() - self._asked_s < HEALTH_EVERY_S:
            return
        self._asked_s = monotonic_s()
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT_S):
                self._unhealthy = [
                    reason
                    for peer, key in self._keys.items()
                    if (reason := _fault(peer, await self._bus.get(key)))
                ]
        except (TransportError, TimeoutError) as error:
            if isinstance(error, TransportError) and not error.retryable:
                raise
            self._unhealthy = [f"redis away: {str(error) or 'no answer'}"]


def _fault(peer: str, stored: bytes | None) -> str:
    if stored is None:
        return f"{peer} is not there"
    if (alive := read_alive(stored)) is None:
        return f"{peer} says nothing readable"
    return "" if alive.ready else f"{peer} is not ready: {', '.join(alive.reasons[:3])}"
