"""Halt and resume inside one process: halt at once, then store the halt.

The service is told of a halt before anything is written. Redis holds the halt for all
(`keys.halt`), `halt.json` in the data directory holds it while Redis is away, and is handed on to
Redis as soon as it answers. A resume needs Redis: without it no process can know that all resume.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import msgspec

from pmcore.messages.control import ControlMessage, Halt, Resume
from pmcore.model.errors import TransportError
from pmcore.model.units import NS_PER_S
from pmcore.shell.files import remove_file, write_file_atomically
from pmcore.shell.service.logs import Log
from pmcore.wire import keys
from pmcore.wire.ports import Bus, Outgoing


class Haltable(Protocol):
    """What can be halted."""

    async def on_halt(self, reason: str) -> None:
        """Stop trading now."""
        ...

    async def on_resume(self) -> None:
        """Trade again, after the usual checks."""
        ...


class KillSwitch:
    """Halts and resumes one service; `reason` is "" while it is not halted."""

    def __init__(
        self,
        service: Haltable,
        bus: Bus,
        *,
        account: str,
        data_dir: Path,
        now_ns: Callable[[], int],
        log: Log,
    ) -> None:
        self._service = service
        self._bus = bus
        self._account = account
        self._path = data_dir / "halt.json"
        self._now_ns = now_ns
        self._log = log
        self._held: Halt | None = None
        self._handed_on = True
        self._resumed_ns = 0

    @property
    def reason(self) -> str:
        """Why the service is halted, or ""."""
        return self._held.reason if self._held else ""

    @property
    def halt_in_force(self) -> Halt | None:
        """The halt that holds, or None."""
        return self._held

    async def load(self, backlog: Sequence[ControlMessage]) -> None:
        """Apply an earlier halt.

        The one in Redis, or the one in the file if it was not resumed since.
        """
        stored = await self._bus.get(keys.halt(self._account))
        halt = _decode(stored) if stored is not None else None
        if halt is None and self._path.exists():
            halt = _decode(self._path.read_bytes())
            resumed = any(
                isinstance(item, Resume) and item.ts_recv_ns >= halt.ts_recv_ns for item in backlog
            )
            if resumed:
                remove_file(self._path)
                halt = None
            else:
                self._handed_on = False
        if halt is not None:
            await self._halt(halt)
            await self.hand_on()

    async def halt(self, reason: str, by: str) -> bool:
        """Halt this service, then all; return whether Redis has it."""
        halt = Halt(reason=reason, by=by, ts_recv_ns=self._now_ns())
        self._handed_on = False
        try:
            await self._halt(halt)
        finally:
            if not await self.hand_on():
                write_file_atomically(self._path, msgspec.json.encode(halt))
        return self._handed_on

    async def resume(self, by: str) -> None:
        """Undo the halt everywhere; raise `TransportError` and stay halted when Redis is away."""
        resume = Resume(by=by, ts_recv_ns=self._now_ns())
        await self._bus.delete(keys.halt(self._account))
        await self._bus.publish([Outgoing(keys.ctl(self._account), resume)])
        await self._resume(resume)

    async def hear(self, message: ControlMessage) -> None:
        """Obey a halt or resume that another process published."""
        if isinstance(message, Resume):
            if self._held is None or message.ts_recv_ns >= self._held.ts_recv_ns:
                await self._resume(message)
        elif message != self._held:
            self._handed_on = True
            await self._halt(message)

    async def hand_on(self) -> bool:
        """Give a halt that only this process knows to Redis; return whether Redis has it."""
        halt = self._held
        if halt is None or self._handed_on:
            return True
        try:
            await self._bus.put(keys.halt(self._account), msgspec.json.encode(halt))
            await self._bus.publish([Outgoing(keys.ctl(self._account), halt)])
        except TransportError as error:
            self._log.warning("halt_kept_locally", reason=halt.reason, detail=str(error))
            return False
        self._handed_on = True
        remove_file(self._path)
        return True

    async def _halt(self, halt: Halt) -> None:
        self._held = halt
        self._log.warning("halted", reason=halt.reason, by=halt.by)
        await self._service.on_halt(halt.reason)

    async def _resume(self, resume: Resume) -> None:
        if resume.ts_recv_ns <= self._resumed_ns:
            return  # our own message, read back from the stream
        was_halted = self._held is not None
        self._held = None
        self._handed_on = True
        self._resumed_ns = resume.ts_recv_ns
        remove_file(self._path)
        if was_halted:
            self._log.warning("resumed", by=resume.by)
        # also without a halt: a service may hold for its own reasons, and the resume means that a
        # person has looked
        await self._service.on_resume()


def halt_view(halt: Halt) -> dict[str, str]:
    """A halt as /state shows it: `reason`, `by`, and `since` (UTC; "" when nobody knows)."""
    moment = datetime.fromtimestamp(halt.ts_recv_ns // NS_PER_S, UTC)
    since = f"{moment:%Y-%m-%dT%H:%M:%SZ}" if halt.ts_recv_ns else ""
    return {"reason": halt.reason, "by": halt.by, "since": since}


def _decode(stored: bytes) -> Halt:
    try:
        return msgspec.json.decode(stored, type=Halt)
    except msgspec.MsgspecError:
        return Halt(reason="an unreadable halt was stored", by="unknown", ts_recv_ns=0)
