"""A world with a bus: memory or real Redis, and a way to do what the port does not offer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Protocol

import redis as redis_py

from pmcore.model.units import NS_PER_MS
from pmcore.shell.bus.redis_bus import RedisBus
from pmcore.wire.entry_ids import format_id, parse_id
from pmcore.wire.ports import Bus
from pmsim.bus.memory_bus import MemoryBus, MemoryStore, StoreState

_TWO_DAYS_MS = 2 * 86_400_000
START_NS = 1_790_766_900_000_000_000


class FullBus(Bus, Protocol):
    """The bus of the services, and the janitor's part of it."""

    async def trim(self, stream: str, min_id: str) -> int: ...


class BusWorld(Protocol):
    def bus(self, source: str = "tester", run_id: str = "run-1") -> FullBus:
        """A bus as another process would make it."""
        ...

    def add_raw(self, stream: str, fields: Mapping[bytes, bytes], *, count: int = 1) -> str: ...
    def age_stream(self, stream: str) -> None:
        """Add an entry two days behind the last one."""
        ...

    def drop_entry(self, stream: str, entry_id: str) -> None: ...
    def drop_stream(self, stream: str) -> None: ...
    def raw_entries(self, stream: str) -> list[dict[bytes, bytes]]: ...
    def length(self, stream: str) -> int: ...
    def pass_ms(self, ms: int) -> None:
        """Time that matters to expiries and ids; real Redis lives in real time."""
        ...

    def break_connections(self) -> None:
        """What all clients see of a restart that loses nothing."""
        ...

    def lose_everything(self) -> None:
        """FLUSHALL: no stream, group, value or hash is left."""
        ...

    def fill(self, *, full: bool) -> None:
        """Let no memory be left, or enough again."""
        ...

    async def reader_waits(self) -> None:
        """Return when a read is blocked."""
        ...

    async def close(self) -> None: ...


class MemoryWorld:
    def __init__(self) -> None:
        self._now_ns = START_NS
        self.store = MemoryStore(lambda: self._now_ns)

    def bus(self, source: str = "tester", run_id: str = "run-1") -> FullBus:
        return MemoryBus(self.store, source=source, run_id=run_id)

    def add_raw(self, stream: str, fields: Mapping[bytes, bytes], *, count: int = 1) -> str:
        for _ in range(count):
            self.store.stream(stream).add(fields, self._now_ns)
        self.store.change()
        return format_id(self.store.stream(stream).tail)

    def age_stream(self, stream: str) -> None:
        self.pass_ms(_TWO_DAYS_MS)
        self.add_raw(stream, {b"t": b"x"})

    def drop_entry(self, stream: str, entry_id: str) -> None:
        self.store.stream(stream).drop(parse_id(entry_id))

    def drop_stream(self, stream: str) -> None:
        self.store.delete_stream(stream)

    def raw_entries(self, stream: str) -> list[dict[bytes, bytes]]:
        found = self.store.stream(stream)
        return [dict(found.fields(entry_id)) for entry_id in found.after((0, 0), 1000)]

    def length(self, stream: str) -> int:
        return len(self.store.stream(stream))

    def pass_ms(self, ms: int) -> None:
        self._now_ns += ms * NS_PER_MS

    def break_connections(self) -> None:
        self.store.break_connections()

    def lose_everything(self) -> None:
        self.store.restart(StoreState())

    def fill(self, *, full: bool) -> None:
        self.store.full = full

    async def reader_waits(self) -> None:
        for _ in range(3):
            await asyncio.sleep(0)

    async def close(self) -> None:
        pass


_FILL = """
local id
for _ = 1, tonumber(ARGV[1]) do id = redis.call('XADD', KEYS[1], '*', unpack(ARGV, 2)) end
return id
"""


class RedisWorld:
    def __init__(self, url: str) -> None:
        self._url = url
        self._buses: list[RedisBus] = []
        self.raw: Any = redis_py.Redis.from_url(url)

    def bus(self, source: str = "tester", run_id: str = "run-1") -> FullBus:
        bus = RedisBus.connect(self._url, source=source, run_id=run_id, clock_ns=lambda: START_NS)
        self._buses.append(bus)
        return bus

    def add_raw(self, stream: str, fields: Mapping[bytes, bytes], *, count: int = 1) -> str:
        flat = [part for pair in fields.items() for part in pair]
        entry_id = self.raw.eval(_FILL, 1, stream, count, *flat)
        assert isinstance(entry_id, bytes)
        return entry_id.decode()

    def age_stream(self, stream: str) -> None:
        ((last_id, _),) = self.raw.xrevrange(stream, count=1)
        ms = int(last_id.split(b"-")[0]) + _TWO_DAYS_MS
        self.raw.xadd(stream, {"t": "x"}, id=f"{ms}-0")

    def drop_entry(self, stream: str, entry_id: str) -> None:
        assert self.raw.xdel(stream, entry_id) == 1

    def drop_stream(self, stream: str) -> None:
        assert self.raw.delete(stream) == 1

    def raw_entries(self, stream: str) -> list[dict[bytes, bytes]]:
        return [dict(fields) for _, fields in self.raw.xrange(stream)]

    def length(self, stream: str) -> int:
        return int(self.raw.xlen(stream))

    def pass_ms(self, ms: int) -> None:
        time.sleep(ms / 1000)

    def break_connections(self) -> None:
        self.raw.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def lose_everything(self) -> None:
        self.raw.flushall()

    def fill(self, *, full: bool) -> None:
        self.raw.config_set("maxmemory-policy", "noeviction")
        self.raw.config_set("maxmemory", 1 if full else 0)

    async def reader_waits(self) -> None:
        while not self.raw.info("clients")["blocked_clients"]:  # noqa: ASYNC110 - the server knows
            await asyncio.sleep(0.001)

    async def close(self) -> None:
        self.raw.config_set("maxmemory", 0)
        for bus in self._buses:
            await bus.close()
        self.raw.close()
