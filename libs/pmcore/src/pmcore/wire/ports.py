"""The contract of a bus. Redis and the memory bus both satisfy it; one test suite checks both.

At-least-once with acknowledgement for facts and orders; state (`md`) without. Everything a
consumer answers goes out in one transaction with its acknowledgements.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from pmcore.messages.base import Envelope
from pmcore.messages.union import StreamMessage


class Outgoing(msgspec.Struct, frozen=True):
    """A message for a stream (a key made by `wire.keys`).

    `max_len`: how many entries to keep there from now on, in place of the registry's number.
    """

    stream: str
    message: StreamMessage
    max_len: int | None = None


class Incoming(msgspec.Struct, frozen=True):
    """An entry as read. `message` is None when it was trimmed away or cannot be decoded.

    `problem` then says which: `lost`, `unknown_tag` or `malformed`; `raw` is what there was.
    """

    stream: str
    entry_id: str
    message: StreamMessage | None
    envelope: Envelope | None = None
    problem: str = ""
    raw: bytes = b""
    deliveries: int = 1


class Ack(msgspec.Struct, frozen=True):
    """An entry handled by a group."""

    stream: str
    group: str
    entry_id: str


class GroupInfo(msgspec.Struct, frozen=True):
    """One row of XINFO GROUPS; `lag` is None when Redis does not know.

    `oldest_pending_id` is "" with nothing pending.
    """

    name: str
    consumers: int
    pending: int
    last_delivered_id: str
    lag: int | None
    oldest_pending_id: str = ""


class Denial(msgspec.Struct, frozen=True):
    """What Redis refused, and how often. `kind` is `command`, `key`, `channel` or `auth`."""

    user: str
    kind: str
    what: str
    times: int


class Bus(Protocol):
    """A Redis-Streams bus, or its counterpart in memory.

    Every method may raise `TransportError`. Publishing stamps the envelope (source, run id, a
    sequence number per stream, the clock). Nothing is retried inside: the caller decides.
    """

    async def publish(
        self, outgoing: Sequence[Outgoing], acks: Sequence[Ack] = ()
    ) -> Sequence[str]:
        """Add all entries and acknowledge `acks` in one MULTI/EXEC per hash tag; return the ids.

        Entries and acks of one hash tag are atomic; tags go in the order of the outgoing
        entries first, acks of other tags last (a crash between redelivers; readers deduplicate).
        """
        ...

    async def create_group(
        self, group: str, streams: Sequence[str], *, start: str = "$", announce: Outgoing | None
    ) -> None:
        """Create `group` on streams of ONE hash tag, and add `announce`, in one transaction.

        Streams are made when missing; a group that exists is left where it stands.
        """
        ...

    async def destroy_group(self, group: str, streams: Sequence[str]) -> None:
        """Destroy a group on streams of any tags; missing ones are fine."""
        ...

    async def groups(self, stream: str) -> Sequence[GroupInfo]:
        """XINFO GROUPS; empty for a missing stream."""
        ...

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
        """XREADGROUP `>` on streams of one hash tag; waits up to `block_ms`; may return nothing.

        `block_ms` 0 does not wait. One connection per (group, consumer, streams), one read at a
        time on it; order within a stream is kept.
        A read that was cancelled or failed loses nothing when it acknowledges: the next read
        returns what that one had been handed. With `noack` such entries are gone.
        Raise `TransportError` with retryable=False when a group or stream has vanished.
        """
        ...

    async def recover(
        self, group: str, consumer: str, streams: Sequence[str], *, min_idle_ms: int = 60_000
    ) -> Sequence[Incoming]:
        """What a crash left: own pending entries to the end, then XAUTOCLAIM to `0-0`.

        In stream order, `deliveries` from XPENDING. Acknowledge `lost` ones like all others.
        """
        ...

    async def set_group_id(self, group: str, stream: str, entry_id: str) -> None:
        """XGROUP SETID: a late reader continues behind the checkpoint it loaded.

        What was given out before does not count any more: entries behind `entry_id` come (again),
        those too that a read after this call was handed and could not give to its caller.
        """
        ...

    async def ack(self, acks: Sequence[Ack]) -> None:
        """Acknowledge without publishing."""
        ...

    async def tail_id(self, stream: str) -> str:
        """The stream's last entry id, `0-0` for a missing or empty one."""
        ...

    async def put(self, key: str, value: bytes, *, ttl_ms: int | None = None) -> None:
        """Set a key (halt, alive)."""
        ...

    async def get(self, key: str) -> bytes | None:
        """Read a key."""
        ...

    async def delete(self, key: str) -> None:
        """Remove a key."""
        ...

    async def swap(
        self,
        key: str,
        *,
        expected: bytes | None,
        value: bytes | None,
        ttl_ms: int | None = None,
        replicated: bool = False,
    ) -> bool:
        """Set a key that holds `expected` (None: that is absent); return whether it did.

        `value` None removes it. One atomic step; without `ttl_ms` the key does not expire.
        `replicated`: with Redis' replicas, so many of them have it as were asked for, else
        `TransportError`; it was done all the same.
        """
        ...

    async def put_field(self, key: str, field: str, value: bytes | None) -> None:
        """Set a field of a hash (checkpoints), or remove it with None."""
        ...

    async def get_fields(self, key: str) -> Mapping[str, bytes]:
        """All fields of a hash."""
        ...

    async def denials(self) -> Sequence[Denial]:
        """ACL LOG: what was refused to whom, of this server alone."""
        ...

    async def ping(self) -> None:
        """Raise `TransportError` when the bus is away."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...
