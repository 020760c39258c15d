"""Keeps a lease in Redis: takes it when it is free, renews it, tells when it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from pmcore.machines.lease import TTL_MS, Lease, LeaseHolder
from pmcore.model.errors import TransportError
from pmcore.model.units import NS_PER_MS, NS_PER_S
from pmcore.shell.clock import monotonic_s, real_now_ns
from pmcore.shell.service.logs import Log
from pmcore.wire import keys
from pmcore.wire.ports import Bus

RENEW_S = 1.0


async def holder_of(bus: Bus, key: str) -> LeaseHolder | None:
    """Who holds a lease now; None: nobody."""
    stored = await bus.get(key)
    return None if stored is None else _decode(stored)


class LeaseLostError(Exception):
    """Another process took the lease: this one must write no more, and starts again."""


class LeaseKeeper:
    """One lease. `key` is of `keys.lease`; the last token is kept beside it and never expires."""

    def __init__(
        self,
        bus: Bus,
        key: str,
        *,
        deployment: str,
        run_id: str,
        log: Log,
        now_s: Callable[[], float] = monotonic_s,
        wall_ns: Callable[[], int] = real_now_ns,
    ) -> None:
        self._bus = bus
        self._key = key
        self._lease = Lease(deployment, run_id)
        self._log = log
        self._now_s = now_s
        self._wall_ns = wall_ns

    @property
    def token(self) -> int:
        """The fencing token; 0 before the first holding."""
        return self._lease.token

    def refuses(self) -> str:
        """Why this process may not write now, or ""; asked directly before each write."""
        return self._lease.refuses(self._now_ns())

    def view(self) -> dict[str, object]:
        """For `/state`."""
        return {"token": self.token, "refuses": self.refuses()}

    async def wait_for_it(self, say: Callable[[str], None] = lambda _why: None) -> None:
        """Return when this process holds the lease; `say` hears why it does not yet."""
        told = ""
        while why := await self._try():
            if why != told:
                self._log.warning("waiting_for_lease", why=why)
            told = why
            say(why)
            await asyncio.sleep(RENEW_S)
        self._log.info("lease_taken", token=self.token)

    async def _try(self) -> str:
        try:
            await self._take_or_renew()
        except TransportError as error:
            if not error.retryable:
                raise
            return f"the lease could not be taken or renewed: {error}"
        return self.refuses()

    async def run(self) -> None:
        """Renew until cancelled; raise `LeaseLostError` when another process has it."""
        told = ""
        while True:
            why = await self._try()
            if why and not told:
                self._log.warning("lease_not_renewed", why=why)
            told = why
            if self._lease.other is not None:
                raise LeaseLostError(self.refuses())
            await asyncio.sleep(RENEW_S)

    async def give_up(self) -> None:
        """At a stop: the next one need not wait."""
        stored = await self._bus.get(self._key)
        if stored is not None and self._lease.is_own(_decode(stored)):
            await self._bus.swap(self._key, expected=stored, value=None)
        self._lease.lost(None)

    async def _take_or_renew(self) -> None:
        asked_ns = self._now_ns()
        stored = await self._bus.get(self._key)
        held = None if stored is None else _decode(stored)
        if self._lease.is_own(held) and held is not None:
            new = held
        elif self._lease.may_take(held):
            wall_ms = self._wall_ns() // NS_PER_MS
            last = max(await self._count(), held.token if held else 0, wall_ms)
            new = self._lease.next_holder(last)
            await self._bus.put(keys.last_token(self._key), str(new.token).encode())
        else:
            self._lease.lost(held)
            return
        value = msgspec.json.encode(new)
        if await self._bus.swap(
            self._key, expected=stored, value=value, ttl_ms=TTL_MS, replicated=True
        ):
            self._lease.taken(new, asked_ns)

    async def _count(self) -> int:
        stored = await self._bus.get(keys.last_token(self._key))
        return int(stored) if stored is not None and stored.isdigit() else 0

    def _now_ns(self) -> int:
        return int(self._now_s() * NS_PER_S)


def _decode(stored: bytes) -> LeaseHolder:
    """A value that cannot be read is another one's: it ends with its time."""
    try:
        return msgspec.json.decode(stored, type=LeaseHolder)
    except msgspec.MsgspecError:
        return LeaseHolder("unknown", "", 0)
