"""Halt and resume inside one process: halt at once, then store the halt in two places.

The service is told of a halt before anything is written. `halt.json` in the data directory holds
it from halt to resume, Redis (`keys.halt`, and the stream `ctl`) holds it for all. At a start the
halts of all of them are in force, less those that a resume named: the most careful one wins. What
Redis has lost is written to it again each second. A resume names the halts that it lifts, needs
Redis, and leaves everything halted when it fails half-way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec

from pmcore.messages.control import ControlMessage, Halt, Resume
from pmcore.model.errors import TransportError
from pmcore.model.units import NS_PER_S
from pmcore.shell.service.halt_file import HaltFile, decode_halt, new_id
from pmcore.shell.service.logs import Log
from pmcore.wire import keys
from pmcore.wire.ports import Bus, Outgoing

MAX_HELD = 100
"""Halts that one process holds at a time; the oldest go first, the process stays halted."""
MAX_REMEMBERED = 10_000
"""Identities of lifted halts and of heard resumes that are kept."""


class Haltable(Protocol):
    """What can be halted."""

    async def on_halt(self, reason: str) -> None:
        """Stop trading now."""
        ...

    async def on_resume(self) -> None:
        """Trade again, after the usual checks."""
        ...


class ResumeRefusedError(Exception):
    """The stores do not agree that nothing is halted: everything stays halted."""


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
        self._file = HaltFile(data_dir / "halt.json")
        self._now_ns = now_ns
        self._log = log
        self._held: dict[str, Halt] = {}
        self._told: dict[str, None] = {}
        self._lifted: dict[str, None] = {}
        self._resumes: dict[str, None] = {}
        self._in_file = True
        self._resuming = asyncio.Lock()

    @property
    def reason(self) -> str:
        """Why the service is halted, or ""."""
        halt = self.halt_in_force
        return halt.reason if halt else ""

    @property
    def halt_in_force(self) -> Halt | None:
        """The newest halt that holds, or None."""
        return next(reversed(self._held.values()), None)

    @property
    def kept_in_file(self) -> bool:
        """Whether `halt.json` has what this process knows."""
        return self._in_file

    async def load(self, backlog: Sequence[ControlMessage]) -> None:
        """Apply the halts of the stream `ctl` (all of it, in order), of Redis' key and of the file.

        Raise `TransportError` while Redis is away; it may be called again.
        """
        stored = await self._bus.get(keys.halt(self._account))
        told = self._unlifted(backlog)
        _remember(self._told, (halt.identity for halt in told))
        halts = [*told, *self._file.read(), *([decode_halt(stored)] if stored is not None else [])]
        await self._hold(halts)
        await self._save_or_say()
        await self.hand_on()

    async def halt(self, reason: str, by: str) -> bool:
        """Halt this service, then all; return whether Redis has it."""
        halt = Halt(reason=reason, by=by, ts_recv_ns=self._now_ns(), halt_id=new_id())
        held = asyncio.ensure_future(self._hold([halt]))
        _, in_redis = await asyncio.gather(held, self._hand_on_after_start())
        return in_redis

    async def _hand_on_after_start(self) -> bool:
        await asyncio.sleep(0)  # the service hears of the halt first
        return await self.hand_on()

    async def resume(self, by: str) -> None:
        """Undo the halt everywhere, or nowhere.

        Raise `TransportError` while Redis is away, `OSError` when the file cannot be removed and
        `ResumeRefusedError` when somebody halted meanwhile; this process then stays halted, and
        tells all others to halt (again) as soon as Redis answers.
        """
        await self._agree_with_redis()
        lifts = tuple(self._held)
        resume = Resume(by=by, ts_recv_ns=self._now_ns(), resume_id=new_id(), lifts=lifts)
        try:
            await self._bus.publish([Outgoing(keys.ctl(self._account), resume)])
            other = await self._clear_key(lifts)
            if other is not None:
                await self._hold([other])
            await self._obey(resume)
        except (TransportError, OSError):
            await self._halt_again()
            raise
        if self._held:
            raise ResumeRefusedError(f"halted again meanwhile: {self.reason}")

    async def hear(self, message: ControlMessage) -> None:
        """Obey a halt or resume that a process published."""
        if isinstance(message, Halt):
            _remember(self._told, [message.identity])
            await self._hold([message])
            return
        try:
            await self._obey(message)
        except OSError as error:
            self._log.error("resume_not_stored", detail=str(error))
            await self._halt_again()
        await self._clean_redis()

    async def hand_on(self) -> bool:
        """Make Redis hold what this process holds, and the other way round; whether it does."""
        try:
            await self._agree_with_redis()
        except TransportError as error:
            if self._held:
                self._log.warning("halt_kept_locally", reason=self.reason, detail=str(error))
            return False
        return True

    async def _agree_with_redis(self) -> None:
        # to the others first: they trade on during each round trip before it
        told = await self._tell_others()
        key = keys.halt(self._account)
        stored = await self._bus.get(key)
        known = None if stored is None else decode_halt(stored)
        if known is not None:
            await self._hold([known])
        newest = self.halt_in_force
        if newest is None:
            return
        told |= await self._tell_others()
        readable = known is not None and msgspec.json.encode(known) == stored
        if told or known is None or not readable or known.identity not in self._held:
            await self._bus.put(key, msgspec.json.encode(newest))

    async def _tell_others(self) -> bool:
        """Publish the halts that are held and that nobody published yet; whether there are any."""
        untold = [halt for name, halt in self._held.items() if name not in self._told]
        if untold:
            ctl = keys.ctl(self._account)
            await self._bus.publish([Outgoing(ctl, halt) for halt in untold])
            _remember(self._told, (halt.identity for halt in untold))
        return bool(untold)

    async def _clean_redis(self) -> None:
        """Another process may have put a halt back after the resume that lifted it."""
        try:
            await self._clear_key(self._lifted)
        except TransportError as error:
            self._log.warning("old_halt_left_in_redis", detail=str(error))

    async def _clear_key(self, lifted: Container[str]) -> Halt | None:
        """Remove the stored halt if it is one of these; return one that is not."""
        key = keys.halt(self._account)
        while (stored := await self._bus.get(key)) is not None:
            halt = decode_halt(stored)
            if halt.identity not in lifted:
                return halt
            await self._bus.swap(key, expected=stored, value=None)
        return None

    async def _hold(self, halts: Iterable[Halt]) -> None:
        """Take up those that are new; the service hears of each before anything is written."""
        known = self._held.keys() | self._lifted.keys()
        new = {halt.identity: halt for halt in halts if halt.identity not in known}
        if not new:
            return
        try:
            for identity, halt in new.items():
                self._held[identity] = halt
                self._log.warning("halted", reason=halt.reason, by=halt.by)
                await self._service.on_halt(halt.reason)
        finally:
            _remember(self._lifted, _keep_newest(self._held, MAX_HELD))
            await self._save_or_say()

    async def _save_or_say(self) -> None:
        try:
            await self._file.save(list(self._held.values()))
            self._in_file = True
        except OSError as error:
            self._in_file = False
            self._log.error("halt_not_in_file", detail=str(error))

    async def _obey(self, resume: Resume) -> None:
        """Lift what the resume names; raise `OSError`, all as it was, if the file stays."""
        async with self._resuming:  # our own may come back from the stream meanwhile
            await self._lift(resume)

    async def _lift(self, resume: Resume) -> None:
        name = resume.resume_id or f"{resume.ts_recv_ns} {resume.by}"
        if name in self._resumes:
            return
        lifts = self._named_by(resume, self._held.values())
        was_halted = bool(self._held)
        await self._file.save([h for h in self._held.values() if h.identity not in lifts])
        _remember(self._resumes, [name])
        _remember(self._lifted, lifts)
        for identity in lifts:
            self._held.pop(identity, None)
        if self._held:
            await self._save_or_say()  # one may have come while the file was written
            self._log.warning("still_halted", reason=self.reason, resumed_by=resume.by)
            return
        if was_halted:
            self._log.warning("resumed", by=resume.by)
        # also without a halt: a service may hold for its own reasons, and the resume means that a
        # person has looked
        await self._service.on_resume()

    async def _halt_again(self) -> None:
        """After a resume that failed half-way: a halt that this resume does not name."""
        halt = self.halt_in_force
        if halt is not None:
            await self._hold([msgspec.structs.replace(halt, halt_id=new_id())])
            await self.hand_on()

    def _unlifted(self, backlog: Sequence[ControlMessage]) -> list[Halt]:
        """The halts of a stream that no resume behind them names."""
        unlifted: dict[str, Halt] = {}
        for message in backlog:
            if isinstance(message, Halt):
                unlifted[message.identity] = message
                _remember(self._lifted, _keep_newest(unlifted, MAX_HELD))
                continue
            lifts = self._named_by(message, unlifted.values())
            _remember(self._lifted, lifts)
            for identity in lifts:
                unlifted.pop(identity, None)
        return list(unlifted.values())

    @staticmethod
    def _named_by(resume: Resume, halts: Iterable[Halt]) -> tuple[str, ...]:
        if resume.lifts is not None:
            return resume.lifts
        return tuple(halt.identity for halt in halts if not halt.halt_id)


def halt_view(halt: Halt) -> dict[str, str]:
    """A halt as /state shows it: `reason`, `by`, and `since` (UTC; "" when nobody knows)."""
    moment = datetime.fromtimestamp(halt.ts_recv_ns // NS_PER_S, UTC)
    since = f"{moment:%Y-%m-%dT%H:%M:%SZ}" if halt.ts_recv_ns else ""
    return {"reason": halt.reason, "by": halt.by, "since": since}


def _remember(kept: dict[str, None], names: Iterable[str]) -> None:
    kept.update(dict.fromkeys(names))
    _keep_newest(kept, MAX_REMEMBERED)


def _keep_newest(kept: dict[str, Any], most: int) -> list[str]:
    gone = list(kept)[:-most]
    for name in gone:
        del kept[name]
    return gone
