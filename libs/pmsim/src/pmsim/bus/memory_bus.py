"""The bus in memory: the deterministic counterpart of `shell.redis_bus`, through the same codec.

Several `MemoryBus` (one per process of the real thing) share one `MemoryStore` (the Redis).
Nothing here is random and no clock is read: entry ids and idle times come from `clock_ns`, the
waiting time of a blocked read from the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from pmcore.model.check import invariant
from pmcore.model.errors import Sent, TransportError
from pmcore.model.units import NS_PER_MS
from pmcore.wire.codec import Stamper, decode_entry
from pmcore.wire.entry_ids import EntryId, format_id, parse_id
from pmcore.wire.keys import one_hash_tag
from pmcore.wire.ports import Ack, Denial, GroupInfo, Incoming, Outgoing
from pmcore.wire.registry import spec_of
from pmcore.wire.seen import Seen, forget_group
from pmcore.wire.transactions import by_hash_tag
from pmsim.bus.streams import Stream


class BusFaults(msgspec.Struct):
    """What goes wrong between one process and Redis.

    `delay_s`: before each call is done. `partitioned`: no call arrives. `lost_answers`: so many
    next writes are done though their callers see an error. `lost_reads`: so many next reads that
    find entries are handed them though their callers see an error. `cut_after`: the next publish
    breaks off behind so many hash tags; None for never.
    """

    delay_s: float = 0.0
    partitioned: bool = False
    lost_answers: int = 0
    lost_reads: int = 0
    cut_after: int | None = None


class StoreState(msgspec.Struct, frozen=True):
    """A copy of all that a store holds, for `MemoryStore.restart`."""

    streams: Mapping[str, Stream] = msgspec.field(default_factory=dict)
    values: Mapping[str, tuple[bytes, int | None]] = msgspec.field(default_factory=dict)
    hashes: Mapping[str, Mapping[str, bytes]] = msgspec.field(default_factory=dict)


class MemoryStore:
    """What the buses of one world share.

    `available = False`: Redis is away. `full = True`: it refuses what needs memory (`maxmemory`
    with `noeviction`); reads and removals go on. Acknowledgements are refused, too,
    as by Redis 6.2 and 7.0, which take nothing into a transaction then; Redis 8.0 takes them.
    """

    def __init__(self, clock_ns: Callable[[], int]) -> None:
        self.clock_ns = clock_ns
        self.available = True
        self.full = False
        self.connections = 0
        self.faults: dict[str, BusFaults] = {}
        self.streams: dict[str, Stream] = {}
        self.values: dict[str, tuple[bytes, int | None]] = {}
        self.hashes: dict[str, dict[str, bytes]] = {}
        self._waiting: dict[str, dict[asyncio.Future[None], None]] = {}

    def change(self, streams: Iterable[str] | None = None) -> None:
        """Wake the blocked reads of some streams, or of all."""
        for key in tuple(self._waiting) if streams is None else streams:
            for waiter in self._waiting.pop(key, {}):
                if not waiter.done():
                    waiter.set_result(None)

    async def changed(self, streams: Sequence[str]) -> None:
        """Wait for the next change of one of these."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for key in streams:
            self._waiting.setdefault(key, {})[waiter] = None
        try:
            await waiter
        finally:
            for key in streams:
                self._waiting.get(key, {}).pop(waiter, None)

    def faults_of(self, source: str) -> BusFaults:
        """The faults of a process, by the `source` of its buses; a new life keeps them."""
        return self.faults.setdefault(source, BusFaults())

    def state(self) -> StoreState:
        """A copy of everything now."""
        return StoreState(
            {key: stream.copy() for key, stream in self.streams.items()},
            dict(self.values),
            {key: dict(fields) for key, fields in self.hashes.items()},
        )

    def break_connections(self) -> None:
        """Calls in flight and blocked reads fail; the next ones connect again."""
        self.connections += 1
        self.change()

    def restart(self, state: StoreState | None = None) -> None:
        """Break all connections and go on from `state`; None when nothing was lost.

        An older state is what a restart that lost its last second, or a stale replica, leaves.
        `StoreState()` is an empty Redis. A state may be used again.
        """
        if state is not None:
            self.streams = {key: stream.copy() for key, stream in state.streams.items()}
            self.values = dict(state.values)
            self.hashes = {key: dict(fields) for key, fields in state.hashes.items()}
        self.break_connections()

    def stream(self, key: str) -> Stream:
        """A stream, made when missing."""
        return self.streams.setdefault(key, Stream())

    def delete_stream(self, key: str) -> None:
        """DEL: the stream and its groups vanish, blocked readers learn of it."""
        self.streams.pop(key, None)
        self.change()


class MemoryBus:
    """`wire.ports.Bus` over a `MemoryStore`."""

    def __init__(self, store: MemoryStore, *, source: str, run_id: str) -> None:
        self._store = store
        self._source = source
        self._stamper = Stamper(source, run_id)
        self._reading: set[tuple[str, str, tuple[str, ...]]] = set()
        self._broke_off: set[tuple[str, str, tuple[str, ...]]] = set()
        self._seen: dict[tuple[str, str], Seen] = {}

    async def publish(
        self, outgoing: Sequence[Outgoing], acks: Sequence[Ack] = ()
    ) -> Sequence[str]:
        """See `Bus.publish`."""
        await self._turn(writes=True)
        entry_ids = [""] * len(outgoing)
        for number, transaction in enumerate(by_hash_tag(outgoing, acks)):
            self._maybe_cut(number)
            self._require_memory(needed=True)
            for position, item in zip(transaction.positions, transaction.outgoing, strict=True):
                entry_ids[position] = self._add(item)
            for ack in transaction.acks:
                self._acknowledge(ack)
            self._store.change(dict.fromkeys(item.stream for item in transaction.outgoing))
            self._maybe_lose_answer()
        return entry_ids

    def _add(self, item: Outgoing) -> str:
        now_ns = self._store.clock_ns()
        fields = self._stamper.entry(item, now_ns)
        max_len = item.max_len or spec_of(item.stream).max_len
        return format_id(self._store.stream(item.stream).add(fields, now_ns, max_len=max_len))

    def _acknowledge(self, ack: Ack) -> None:
        stream = self._store.streams.get(ack.stream)
        if stream is not None and ack.group in stream.groups:
            stream.groups[ack.group].pending.pop(parse_id(ack.entry_id), None)

    async def create_group(
        self, group: str, streams: Sequence[str], *, start: str = "$", announce: Outgoing | None
    ) -> None:
        """See `Bus.create_group`."""
        await self._turn(writes=True)
        self._require_memory(needed=True)
        one_hash_tag([*streams, *([announce.stream] if announce else [])])
        for key in streams:
            self._store.stream(key).create_group(group, start)
        if announce is not None:
            self._add(announce)
        self._store.change()
        self._maybe_lose_answer()

    async def destroy_group(self, group: str, streams: Sequence[str]) -> None:
        """See `Bus.destroy_group`. One stream after the other, as Redis does it."""
        forget_group(self._seen, group, streams)
        for key in streams:
            await self._turn(writes=True)
            if key in self._store.streams:
                self._store.streams[key].groups.pop(group, None)
            self._store.change()

    async def groups(self, stream: str) -> Sequence[GroupInfo]:
        """See `Bus.groups`. The lag is always known here."""
        await self._turn()
        found = self._store.streams.get(stream)
        if found is None:
            return []
        return [
            GroupInfo(
                name=name,
                consumers=len(group.consumers),
                pending=len(group.pending),
                last_delivered_id=format_id(group.last_delivered),
                lag=found.lag(group),
                oldest_pending_id=format_id(min(group.pending)) if group.pending else "",
            )
            for name, group in sorted(found.groups.items())
        ]

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
        one_hash_tag(streams)
        reader = (group, consumer, tuple(streams))
        invariant(reader not in self._reading, f"{group} {consumer}: two reads at a time")
        self._reading.add(reader)
        try:
            return await self._read(group, consumer, streams, block_ms, count, noack=noack)
        finally:
            self._reading.discard(reader)

    async def _read(
        self,
        group: str,
        consumer: str,
        streams: Sequence[str],
        block_ms: int,
        count: int,
        *,
        noack: bool,
    ) -> Sequence[Incoming]:
        await self._turn()
        entries = self._take(group, consumer, streams, count, noack=noack)
        if entries or block_ms <= 0:
            return entries
        connection = self._store.connections
        try:
            async with asyncio.timeout(block_ms / 1000):
                while not entries:
                    await self._store.changed(streams)
                    self._require_connection(connection, writes=False)
                    entries = self._take(group, consumer, streams, count, noack=noack)
        except TimeoutError:
            return []
        return entries

    def _take(
        self, group: str, consumer: str, streams: Sequence[str], count: int, *, noack: bool
    ) -> Sequence[Incoming]:
        self._require_available(writes=False)
        existing, reader = self._existing(streams, group), (group, consumer, tuple(streams))
        seen = self._seen.setdefault((group, consumer), Seen())
        if reader in self._broke_off and not noack:
            missed: list[Incoming] = []
            for key, stream in existing.items():
                behind = parse_id(seen.last_id(key))
                missed += _decoded(key, stream.given_and_pending(group, consumer, behind, count))
            if missed:
                seen.note(missed)
                return missed
        self._broke_off.discard(reader)
        now_ns = self._store.clock_ns()
        entries: list[Incoming] = []
        for key, stream in existing.items():
            entries += _decoded(key, stream.deliver(group, consumer, count, now_ns, noack=noack))
        if entries and self._loses_read():
            self._broke_off.add(reader)
            raise _lost("the answer to a read was lost", writes=False)
        seen.note(entries)
        return entries

    async def recover(
        self, group: str, consumer: str, streams: Sequence[str], *, min_idle_ms: int = 60_000
    ) -> Sequence[Incoming]:
        """See `Bus.recover`."""
        await self._turn()
        now_ns = self._store.clock_ns()
        found = [
            decode_entry(key, format_id(entry_id), fields, deliveries=deliveries)
            for key, stream in self._existing(streams, group).items()
            for entry_id, fields, deliveries in stream.recover(
                group, consumer, min_idle_ms * NS_PER_MS, now_ns
            )
        ]
        self._seen.setdefault((group, consumer), Seen()).note(found)
        return found

    async def set_group_id(self, group: str, stream: str, entry_id: str) -> None:
        """See `Bus.set_group_id`."""
        await self._turn(writes=True)
        found = self._existing([stream], group)[stream]
        found.groups[group].last_delivered = found.start_id(entry_id)
        for (seen_group, _), seen in self._seen.items():
            if seen_group == group:
                seen.forget(stream)
        self._store.change()

    async def ack(self, acks: Sequence[Ack]) -> None:
        """See `Bus.ack`."""
        await self.publish((), acks)

    async def tail_id(self, stream: str) -> str:
        """See `Bus.tail_id`."""
        await self._turn()
        found = self._store.streams.get(stream)
        return format_id(found.tail) if found else "0-0"

    async def trim(self, stream: str, min_id: str) -> int:
        """As `RedisBus.trim`."""
        await self._turn(writes=True)
        found = self._store.streams.get(stream)
        return found.trim(parse_id(min_id)) if found else 0

    async def put(self, key: str, value: bytes, *, ttl_ms: int | None = None) -> None:
        """See `Bus.put`."""
        await self._turn(writes=True)
        self._require_memory(needed=True)
        expires_ns = None if ttl_ms is None else self._store.clock_ns() + ttl_ms * NS_PER_MS
        self._store.values[key] = (value, expires_ns)
        self._maybe_lose_answer()

    async def get(self, key: str) -> bytes | None:
        """See `Bus.get`."""
        await self._turn()
        value, expires_ns = self._store.values.get(key, (None, None))
        if expires_ns is not None and expires_ns <= self._store.clock_ns():
            return None
        return value

    async def delete(self, key: str) -> None:
        """See `Bus.delete`."""
        await self._turn(writes=True)
        self._store.values.pop(key, None)
        self._store.hashes.pop(key, None)

    async def swap(
        self,
        key: str,
        *,
        expected: bytes | None,
        value: bytes | None,
        ttl_ms: int | None = None,
        replicated: bool = False,
    ) -> bool:
        """See `Bus.swap`."""
        if await self.get(key) != expected:
            return False
        if value is None:
            self._store.values.pop(key, None)
        else:
            expires_ns = None if ttl_ms is None else self._store.clock_ns() + ttl_ms * NS_PER_MS
            self._store.values[key] = (value, expires_ns)
        return True

    async def put_field(self, key: str, field: str, value: bytes | None) -> None:
        """See `Bus.put_field`."""
        await self._turn(writes=True)
        self._require_memory(needed=value is not None)
        fields = self._store.hashes.setdefault(key, {})
        if value is None:
            fields.pop(field, None)
        else:
            fields[field] = value
        self._maybe_lose_answer()

    async def get_fields(self, key: str) -> Mapping[str, bytes]:
        """See `Bus.get_fields`."""
        await self._turn()
        return dict(self._store.hashes.get(key, {}))

    async def denials(self) -> Sequence[Denial]:
        """See `Bus.denials`: nothing is refused here."""
        await self._turn()
        return []

    async def ping(self) -> None:
        """See `Bus.ping`."""
        await self._turn()

    async def close(self) -> None:
        """See `Bus.close`. The store lives on."""

    @property
    def _faults(self) -> BusFaults:
        return self._store.faults_of(self._source)

    async def _turn(self, *, writes: bool = False) -> None:
        """Let other tasks run, as a round trip would.

        A call that is cancelled here has done nothing.
        """
        connection = self._store.connections
        await asyncio.sleep(self._faults.delay_s)
        self._require_connection(connection, writes=writes)

    def _require_connection(self, connection: int, *, writes: bool) -> None:
        self._require_available(writes=writes)
        if connection != self._store.connections:
            raise _lost("connection lost", writes=writes)

    def _require_available(self, *, writes: bool) -> None:
        if not self._store.available or self._faults.partitioned:
            raise _lost("away", writes=writes)

    def _require_memory(self, *, needed: bool) -> None:
        if needed and self._store.full:
            raise TransportError("memory bus: out of memory", retryable=True, sent=Sent.NO)

    def _maybe_lose_answer(self) -> None:
        if self._faults.lost_answers:
            self._faults.lost_answers -= 1
            raise _lost("answer lost", writes=True)

    def _loses_read(self) -> bool:
        lost = self._faults.lost_reads > 0
        self._faults.lost_reads -= lost
        return lost

    def _maybe_cut(self, done: int) -> None:
        if done and done == self._faults.cut_after:
            self._faults.cut_after = None
            raise _lost("cut between two hash tags", writes=True)

    def _existing(self, keys: Sequence[str], group: str) -> Mapping[str, Stream]:
        found: dict[str, Stream] = {}
        for key in keys:
            stream = self._store.streams.get(key)
            if stream is None or group not in stream.groups:
                raise TransportError(f"no group {group} of {key}", retryable=False, sent=Sent.NO)
            found[key] = stream
        return found


def _decoded(key: str, page: Iterable[tuple[EntryId, Mapping[bytes, bytes]]]) -> list[Incoming]:
    return [decode_entry(key, format_id(entry_id), fields) for entry_id, fields in page]


def _lost(what: str, *, writes: bool) -> TransportError:
    """What `redis_client.transport_error` makes of a connection that breaks."""
    sent = Sent.UNKNOWN if writes else Sent.NO
    return TransportError(f"memory bus: {what}", retryable=True, sent=sent)
