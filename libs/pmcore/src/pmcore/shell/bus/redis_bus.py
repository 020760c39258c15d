"""The bus on real Redis, 6.2 or newer: one server, Sentinels or a Cluster.

Promises are in `wire.ports.Bus`. Nothing is retried here: a lost answer is
`TransportError(sent=UNKNOWN)`, and the sequence number it used stays used, so that readers see
a gap instead of taking two messages for one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

from redis.exceptions import ResponseError

from pmcore.model.errors import Sent, TransportError
from pmcore.shell.bus.held_connection import HeldConnection
from pmcore.shell.bus.redis_client import REQUEST_TIMEOUT_S, Address, Client
from pmcore.shell.bus.redis_nodes import Nodes
from pmcore.shell.bus.redis_reader import Reader, recover_stream
from pmcore.wire.codec import Stamper
from pmcore.wire.keys import hash_tag, one_hash_tag
from pmcore.wire.ports import Ack, Denial, GroupInfo, Incoming, Outgoing
from pmcore.wire.registry import spec_of
from pmcore.wire.seen import Seen, forget_group
from pmcore.wire.transactions import Transaction, by_group, by_hash_tag

_RECOVERY_TIMEOUT_S = 30.0
_REPLICATED_MS = 1_000
_NO_GROUP = "NOGROUP"
_NO_KEY = "requires the key to exist"
_SWAP = """
local held = redis.call('GET', KEYS[1])
if (held and '=' .. held or '') ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) return 1 end
redis.call('SET', KEYS[1], string.sub(ARGV[2], 2))
if ARGV[3] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return 1
"""
"""Values have `=` before them, so that an empty one is not an absent one."""
_ReaderKey = tuple[str, str, tuple[str, ...]]


class RedisBus:
    """`wire.ports.Bus` over redis-py; one per process. Made by `connect`, ended by `close`."""

    def __init__(
        self, nodes: Nodes, stamper: Stamper, clock_ns: Callable[[], int], replicas: int = 0
    ) -> None:
        self._nodes = nodes
        self._replicas = replicas
        self._stamper = stamper
        self._clock_ns = clock_ns
        self._readers: dict[_ReaderKey, Reader] = {}
        self._readers_made = 0
        self._seen: dict[tuple[str, str], Seen] = {}
        self._publishing: dict[str, asyncio.Lock] = {}
        self._held: dict[str, HeldConnection] = {}

    @classmethod
    def connect(
        cls,
        url: str,
        *,
        source: str,
        run_id: str,
        clock_ns: Callable[[], int],
        replicas: int = 0,
    ) -> RedisBus:
        """A bus connected to `url`; connections are opened when first needed.

        `replicas`: how many of them must have what is swapped `replicated`.
        """
        nodes = Nodes(url, f"pm:{source}:{run_id}")
        return cls(nodes, Stamper(source, run_id), clock_ns, replicas)

    async def publish(
        self, outgoing: Sequence[Outgoing], acks: Sequence[Ack] = ()
    ) -> Sequence[str]:
        """See `Bus.publish`. A tag that fails leaves those before it done and the rest undone."""
        entry_ids = [""] * len(outgoing)
        for transaction in by_hash_tag(outgoing, acks):
            # One at a time per tag: numbers must arrive in the order in which they were given.
            async with self._publishing.setdefault(transaction.tag, asyncio.Lock()):
                results = await self._execute(transaction)
            for position, entry_id in zip(transaction.positions, results, strict=False):
                entry_ids[position] = entry_id.decode()
        return entry_ids

    async def _execute(self, transaction: Transaction) -> Sequence[Any]:
        async with self._nodes.request(writes=True):
            held = await self._held_for(transaction.tag)
            commands = [self._xadd(item) for item in transaction.outgoing]
            for (stream, group), entry_ids in by_group(transaction.acks).items():
                commands.append(("XACK", stream, group, *entry_ids))
            if len(commands) == 1:
                return [await held.call(*commands[0])]
            return _checked(await held.transaction(commands))

    async def _held_for(self, tag: str) -> HeldConnection:
        """The connection on which a tag is published; its caller has the tag's lock."""
        client, held = await self._nodes.writer(tag), self._held.get(tag)
        if held is None or held.client is not client:
            if held is not None:
                await held.release()
            held = self._held[tag] = HeldConnection(client)
        return held

    def _xadd(self, item: Outgoing) -> tuple[Any, ...]:
        fields = self._stamper.entry(item, self._clock_ns())
        max_len = item.max_len or spec_of(item.stream).max_len
        bound = () if max_len is None else ("MAXLEN", "~", max_len)
        return ("XADD", item.stream, *bound, "*", *chain.from_iterable(fields.items()))

    async def create_group(
        self, group: str, streams: Sequence[str], *, start: str = "$", announce: Outgoing | None
    ) -> None:
        """See `Bus.create_group`."""
        keys = [*streams, *([announce.stream] if announce else [])]
        tag = one_hash_tag(keys)
        publishing = self._publishing.setdefault(tag, asyncio.Lock())
        async with publishing, self._nodes.request(writes=True):
            pipeline = (await self._nodes.writer(tag)).pipeline(transaction=True)
            for stream in streams:
                pipeline.xgroup_create(stream, group, id=start, mkstream=True)
            if announce is not None:
                pipeline.execute_command(*self._xadd(announce))
            _checked(await pipeline.execute(raise_on_error=False), tolerated="BUSYGROUP")

    async def destroy_group(self, group: str, streams: Sequence[str]) -> None:
        """See `Bus.destroy_group`. Connections that read as this group from them are closed."""
        gone = [key for key in self._readers if key[0] == group and {*key[2]} & {*streams}]
        for reader in [self._readers.pop(key) for key in gone]:  # others may be closing some too
            await reader.close()
        forget_group(self._seen, group, streams)
        for stream in streams:
            async with self._nodes.request(writes=True):
                client = await self._nodes.writer(hash_tag(stream))
                try:
                    await client.xgroup_destroy(stream, group)
                except ResponseError as error:
                    if _NO_KEY not in str(error):
                        raise

    async def groups(self, stream: str) -> Sequence[GroupInfo]:
        """See `Bus.groups`."""
        async with self._nodes.request(writes=False):
            client = await self._nodes.writer(hash_tag(stream))
            try:
                rows = await client.xinfo_groups(stream)
            except ResponseError as error:
                if "no such key" not in str(error):
                    raise
                return []
            infos = [await group_info(client, stream, row) for row in rows]
            return [info for info in infos if info is not None]

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
        tag = one_hash_tag(streams)
        timeout_s = block_ms / 1000 + REQUEST_TIMEOUT_S
        async with self._nodes.request(writes=False, timeout_s=timeout_s):
            address = await self._nodes.address(tag)
            key = (group, consumer, tuple(streams))
            reader = self._readers.get(key)
            if reader is None or reader.address != address:
                if reader is not None:
                    await reader.close()
                reader = self._new_reader(address, key)
            return await reader.read(block_ms, count, noack=noack)

    def _new_reader(self, address: Address, key: _ReaderKey) -> Reader:
        group, consumer, streams = key
        self._readers_made += 1
        name = f"{self._nodes.name}:{group}:{consumer}:{self._readers_made}"
        reader = Reader(
            self._nodes.reader(address, name),
            address=address,
            name=name,
            group=group,
            consumer=consumer,
            streams=streams,
            seen=self._seen.setdefault((group, consumer), Seen()),
        )
        self._readers[key] = reader
        return reader

    async def recover(
        self, group: str, consumer: str, streams: Sequence[str], *, min_idle_ms: int = 60_000
    ) -> Sequence[Incoming]:
        """See `Bus.recover`."""
        found: list[Incoming] = []
        for stream in streams:
            async with self._nodes.request(writes=False, timeout_s=_RECOVERY_TIMEOUT_S):
                client = await self._nodes.writer(hash_tag(stream))
                found += await recover_stream(client, group, consumer, stream, min_idle_ms)
        self._seen.setdefault((group, consumer), Seen()).note(found)
        return found

    async def set_group_id(self, group: str, stream: str, entry_id: str) -> None:
        """See `Bus.set_group_id`."""
        async with self._nodes.request(writes=True):
            client = await self._nodes.writer(hash_tag(stream))
            await client.xgroup_setid(stream, group, entry_id)
        for (seen_group, _), seen in self._seen.items():
            if seen_group == group:
                seen.forget(stream)

    async def ack(self, acks: Sequence[Ack]) -> None:
        """See `Bus.ack`."""
        await self.publish((), acks)

    async def tail_id(self, stream: str) -> str:
        """See `Bus.tail_id`."""
        async with self._nodes.request(writes=False):
            client = await self._nodes.writer(hash_tag(stream))
            last: list[tuple[bytes, Any]] = await client.xrevrange(stream, count=1)
            return last[0][0].decode() if last else "0-0"

    async def trim(self, stream: str, min_id: str) -> int:
        """XTRIM MINID ~: drop entries before `min_id`, in whole blocks; how many went."""
        async with self._nodes.request(writes=True):
            client = await self._nodes.writer(hash_tag(stream))
            return int(await client.xtrim(stream, minid=min_id, approximate=True))

    async def put(self, key: str, value: bytes, *, ttl_ms: int | None = None) -> None:
        """See `Bus.put`."""
        async with self._nodes.request(writes=True):
            await (await self._nodes.writer(hash_tag(key))).set(key, value, px=ttl_ms)

    async def get(self, key: str) -> bytes | None:
        """See `Bus.get`."""
        async with self._nodes.request(writes=False):
            value: bytes | None = await (await self._nodes.writer(hash_tag(key))).get(key)
            return value

    async def delete(self, key: str) -> None:
        """See `Bus.delete`."""
        async with self._nodes.request(writes=True):
            await (await self._nodes.writer(hash_tag(key))).delete(key)

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
        given = [b"" if expected is None else b"=" + expected]
        given += [b"" if value is None else b"=" + value, str(ttl_ms or 0).encode()]
        async with self._nodes.request(writes=True):
            client = await self._nodes.writer(hash_tag(key))
            if not (replicated and self._replicas):
                return bool(await client.eval(_SWAP, 1, key, *given))
            # WAIT counts for the writes of its own connection
            pipeline = client.pipeline(transaction=False)
            pipeline.eval(_SWAP, 1, key, *given)
            pipeline.wait(self._replicas, _REPLICATED_MS)
            swapped, have_it = await pipeline.execute()
        if swapped and have_it < self._replicas:
            text = f"redis: {have_it} of {self._replicas} replicas have it"
            raise TransportError(text, retryable=True, sent=Sent.YES)
        return bool(swapped)

    async def put_field(self, key: str, field: str, value: bytes | None) -> None:
        """See `Bus.put_field`."""
        async with self._nodes.request(writes=True):
            client = await self._nodes.writer(hash_tag(key))
            if value is None:
                await client.hdel(key, field)
            else:
                await client.hset(key, field, value)

    async def get_fields(self, key: str) -> Mapping[str, bytes]:
        """See `Bus.get_fields`."""
        async with self._nodes.request(writes=False):
            client = await self._nodes.writer(hash_tag(key))
            fields: Mapping[bytes, bytes] = await client.hgetall(key)
            return {field.decode(): value for field, value in fields.items()}

    async def denials(self) -> Sequence[Denial]:
        """See `Bus.denials`."""
        async with self._nodes.request(writes=False):
            rows = await (await self._nodes.writer("")).acl_log()
        return [
            Denial(
                user=_text(row["username"]),
                kind=_text(row["reason"]),
                what=_text(row["object"]),
                times=int(row["count"]),
            )
            for row in rows
        ]

    async def ping(self) -> None:
        """See `Bus.ping`."""
        async with self._nodes.request(writes=False):
            await (await self._nodes.writer("")).ping()

    async def close(self) -> None:
        """See `Bus.close`."""
        for reader in self._readers.values():
            await reader.close()
        self._readers.clear()
        await self._nodes.close()


async def group_info(client: Client, stream: str, row: Mapping[str, Any]) -> GroupInfo | None:
    """One group; None if it is gone. What pends may be acknowledged between the two questions."""
    pending, oldest = row["pending"], b""
    if pending:
        try:
            summary = await client.xpending(stream, row["name"])
            pending, oldest = summary["pending"], summary["min"] or b""
        except ResponseError as error:
            if _NO_GROUP not in str(error):
                raise
            return None  # destroyed meanwhile, by the service whose window has ended
    return GroupInfo(
        name=row["name"].decode(),
        consumers=row["consumers"],
        pending=pending,
        last_delivered_id=row["last-delivered-id"].decode(),
        lag=row.get("lag"),
        oldest_pending_id=oldest.decode(),
    )


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _checked(results: Sequence[Any], *, tolerated: str = "") -> Sequence[Any]:
    for result in results:
        if isinstance(result, Exception) and not (tolerated and tolerated in str(result)):
            # EXEC ran: the other commands of the transaction took effect.
            raise TransportError(f"redis: {result}", retryable=False, sent=Sent.YES) from result
    return results
