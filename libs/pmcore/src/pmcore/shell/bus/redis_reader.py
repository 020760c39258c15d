"""One blocking reader with its own connection, and what a crash left in a pending list.

A read that breaks off (cancelled, timed out, connection lost) may have been handed entries that
nobody saw. Redis keeps them pending, so the next read first ends the old connection, so that it
is not handed more, and takes the pending entries behind the last one seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pmcore.model.check import invariant
from pmcore.shell.bus.held_connection import HeldConnection
from pmcore.shell.bus.redis_client import Address, Client, close_client
from pmcore.wire.codec import decode_entry
from pmcore.wire.entry_ids import parse_id
from pmcore.wire.ports import Incoming
from pmcore.wire.seen import Seen

_PAGE = 500
_START = "0-0"
_Fields = Mapping[bytes, bytes]


class Reader:
    """XREADGROUP of one group, consumer and set of streams. One read at a time."""

    def __init__(
        self,
        client: Client,
        *,
        address: Address,
        name: str,
        group: str,
        consumer: str,
        streams: Sequence[str],
        seen: Seen,
    ) -> None:
        self.address = address
        self._client = client
        self._held = HeldConnection(client)
        self._name = name
        self._group = group
        self._consumer = consumer
        self._streams = streams
        self._seen = seen
        self._busy = False
        self._broke_off = False

    async def read(self, block_ms: int, count: int, *, noack: bool) -> Sequence[Incoming]:
        """New entries, or what an earlier read was handed and could not give to its caller."""
        invariant(not self._busy, f"{self._name}: two reads at a time")
        self._busy = True
        try:
            if self._broke_off and not noack:
                await self._end_old_connections()
                missed = {stream: self._seen.last_id(stream) for stream in self._streams}
                entries = await self._read_group(missed, None, count, noack=False)
                if entries:
                    return entries
            self._broke_off = True
            new = dict.fromkeys(self._streams, ">")
            entries = await self._read_group(new, block_ms or None, count, noack=noack)
            self._broke_off = False
        finally:
            self._busy = False
        return entries

    async def close(self) -> None:
        """Close the connection; a read that waits on it fails."""
        await close_client(self._client)

    async def _read_group(
        self, start_ids: Mapping[str, str], block_ms: int | None, count: int, *, noack: bool
    ) -> Sequence[Incoming]:
        options: list[Any] = ["COUNT", count]
        options += [] if block_ms is None else ["BLOCK", block_ms]
        options += ["NOACK"] if noack else []
        streams = ("STREAMS", *start_ids, *start_ids.values())
        reply: Any = await self._held.call(
            "XREADGROUP", "GROUP", self._group, self._consumer, *options, *streams
        )
        entries = [
            decode_entry(stream.decode(), entry_id.decode(), _pairs(flat))
            for stream, page in reply or ()
            for entry_id, flat in page
        ]
        self._seen.note(entries)
        return entries

    async def _end_old_connections(self) -> None:
        await self._held.release()  # the client has no other connection to ask with
        own_id = await self._client.client_id()
        for row in await self._client.client_list(_type="normal"):
            if row["name"] == self._name and int(row["id"]) != own_id:
                await self._client.client_kill_filter(_id=row["id"])


def _pairs(flat: Sequence[bytes] | None) -> _Fields:
    """Fields of RESP2; none of an entry that was trimmed while it was pending."""
    return dict(zip(flat[::2], flat[1::2], strict=True)) if flat else {}


async def recover_stream(
    client: Client, group: str, consumer: str, stream: str, min_idle_ms: int
) -> Sequence[Incoming]:
    """Own pending entries, then everyone's that are idle; the union, in stream order."""
    found = await _own_pending(client, group, consumer, stream)
    nameless = await _claim_into(found, client, group, consumer, stream, min_idle_ms)
    deliveries = await _deliveries(client, group, consumer, stream) if found else {}
    if nameless:
        own = await _own_pending(client, group, consumer, stream)
        found.update({entry_id: {} for entry_id, fields in own.items() if not fields})
    return [
        decode_entry(stream, entry_id, found[entry_id], deliveries=deliveries.get(entry_id, 1))
        for entry_id in sorted(found, key=parse_id)
    ]


async def _own_pending(
    client: Client, group: str, consumer: str, stream: str
) -> dict[str, _Fields]:
    found: dict[str, _Fields] = {}
    last_id = _START
    while True:
        reply = await client.xreadgroup(group, consumer, {stream: last_id}, count=_PAGE)
        page = reply.get(stream.encode(), [])
        if not page:
            return found
        found.update({entry_id.decode(): fields for entry_id, fields in page})
        last_id = page[-1][0].decode()


async def _claim_into(
    found: dict[str, _Fields],
    client: Client,
    group: str,
    consumer: str,
    stream: str,
    min_idle_ms: int,
) -> bool:
    """Claim idle entries; True when some were trimmed and Redis (6.2) does not say which.

    Redis 7.0 names the trimmed ones and drops them; 6.2 moves them to the own pending list.
    """
    nameless = False
    start = _START
    while True:
        start_id, page, *named = await client.xautoclaim(
            stream, group, consumer, min_idle_ms, start_id=start, count=_PAGE
        )
        for entry_id, fields in page:
            if entry_id is None:
                nameless = True
            else:
                found[entry_id.decode()] = fields
        for entry_id in named[0] if named else ():
            found[entry_id.decode()] = {}
        start = start_id.decode()
        if start == _START:
            return nameless


async def _deliveries(client: Client, group: str, consumer: str, stream: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    first = "-"
    while True:
        page = await client.xpending_range(stream, group, first, "+", _PAGE, consumer)
        if not page:
            return counts
        counts.update({row["message_id"].decode(): row["times_delivered"] for row in page})
        first = "(" + page[-1]["message_id"].decode()
