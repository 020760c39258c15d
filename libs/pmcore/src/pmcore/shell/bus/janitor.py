"""Trims the streams whose entries must not be trimmed on add (docs/streams.md).

An entry goes when it is older than the registry says AND nothing older is pending in any group.
Age is counted back from the stream's own last entry, so no clock is read: ids are Redis's time,
and a stream without writes does not grow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from pmcore.wire.entry_ids import format_id, parse_id
from pmcore.wire.ports import GroupInfo
from pmcore.wire.registry import spec_of


class TrimmableBus(Protocol):
    """What the janitor needs; `RedisBus` and `MemoryBus` have it."""

    async def groups(self, stream: str) -> Sequence[GroupInfo]:
        """XINFO GROUPS."""
        ...

    async def tail_id(self, stream: str) -> str:
        """The last entry's id."""
        ...

    async def trim(self, stream: str, min_id: str) -> int:
        """XTRIM MINID ~."""
        ...


async def trim_streams(bus: TrimmableBus, streams: Sequence[str]) -> Mapping[str, int]:
    """Trim those of `streams` that the registry gives an age; how many entries went from each."""
    dropped: dict[str, int] = {}
    for stream in streams:
        keep_ms = spec_of(stream).keep_ms
        if keep_ms is not None:
            dropped[stream] = await bus.trim(stream, await _min_id(bus, stream, keep_ms))
    return dropped


async def _min_id(bus: TrimmableBus, stream: str, keep_ms: int) -> str:
    tail_ms, _ = parse_id(await bus.tail_id(stream))
    pending = [parse_id(row.oldest_pending_id) for row in await bus.groups(stream) if row.pending]
    return format_id(min([(max(tail_ms - keep_ms, 0), 0), *pending]))
