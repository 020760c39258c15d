"""Redis Streams in memory: entries, groups, pending lists. Synchronous; time is an argument.

Holds the same field bytes as Redis, under ids of the same form. What Redis calls approximate
trimming is done here in blocks of 100, as Redis does with its default settings.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence

import msgspec

from pmcore.model.units import NS_PER_MS
from pmcore.wire.entry_ids import ZERO, EntryId, parse_id

Fields = Mapping[bytes, bytes]

BLOCK = 100
"""Entries of one radix tree node of Redis (`stream-node-max-entries`)."""


class Pending(msgspec.Struct):
    """An entry delivered to a consumer and not acknowledged."""

    consumer: str
    delivered_ns: int
    deliveries: int


class Group(msgspec.Struct):
    """A consumer group: its cursor, its pending list, the consumers it has seen."""

    last_delivered: EntryId
    pending: dict[EntryId, Pending] = msgspec.field(default_factory=dict)
    consumers: dict[str, None] = msgspec.field(default_factory=dict)


class Stream:
    """One stream. Ids rise, whatever the clock does."""

    def __init__(self) -> None:
        self.groups: dict[str, Group] = {}
        self._ids: list[EntryId] = []
        self._fields: dict[EntryId, Fields] = {}
        self._last_id = ZERO

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def tail(self) -> EntryId:
        """The id of the last entry that is there, `ZERO` when empty."""
        return self._ids[-1] if self._ids else ZERO

    def copy(self) -> Stream:
        """The same entries, groups and pending lists, changed by nobody else."""
        made = Stream()
        made._ids = list(self._ids)
        made._fields = dict(self._fields)
        made._last_id = self._last_id
        for name, group in self.groups.items():
            pending = {key: msgspec.structs.replace(one) for key, one in group.pending.items()}
            made.groups[name] = Group(group.last_delivered, pending, dict(group.consumers))
        return made

    def add(self, fields: Fields, now_ns: int, *, max_len: int | None = None) -> EntryId:
        """Append an entry; with `max_len`, drop whole blocks beyond it."""
        ms, number = self._last_id
        now_ms = now_ns // NS_PER_MS
        entry_id = (now_ms, 0) if now_ms > ms else (ms, number + 1)
        self._ids.append(entry_id)
        self._fields[entry_id] = fields
        self._last_id = entry_id
        if max_len is not None:
            self._drop_blocks(len(self._ids) - max_len)
        return entry_id

    def trim(self, min_id: EntryId) -> int:
        """Drop whole blocks of entries before `min_id`; how many went."""
        return self._drop_blocks(bisect.bisect_left(self._ids, min_id))

    def drop(self, entry_id: EntryId) -> None:
        """Drop one entry (XDEL); it stays pending where it is."""
        self._ids.remove(entry_id)
        del self._fields[entry_id]

    def _drop_blocks(self, surplus: int) -> int:
        dropped = max(surplus, 0) // BLOCK * BLOCK
        for entry_id in self._ids[:dropped]:
            del self._fields[entry_id]
        del self._ids[:dropped]
        return dropped

    def fields(self, entry_id: EntryId) -> Fields:
        """The fields of an entry; none when it is gone."""
        return self._fields.get(entry_id, {})

    def after(self, entry_id: EntryId, count: int) -> Sequence[EntryId]:
        """Up to `count` ids behind an id."""
        start = bisect.bisect_right(self._ids, entry_id)
        return self._ids[start : start + count]

    def start_id(self, start: str) -> EntryId:
        """The id that `$`, `0` or a full id means as a group's cursor."""
        return self._last_id if start == "$" else parse_id(start)

    def lag(self, group: Group) -> int:
        """Entries that the group has not been given."""
        return len(self._ids) - bisect.bisect_right(self._ids, group.last_delivered)

    def create_group(self, name: str, start: str) -> None:
        """XGROUP CREATE; a group that exists is left where it stands."""
        if name not in self.groups:
            self.groups[name] = Group(self.start_id(start))

    def deliver(
        self, name: str, consumer: str, count: int, now_ns: int, *, noack: bool
    ) -> Sequence[tuple[EntryId, Fields]]:
        """XREADGROUP `>`."""
        group = self.groups[name]
        group.consumers[consumer] = None
        entry_ids = self.after(group.last_delivered, count)
        for entry_id in entry_ids:
            group.last_delivered = entry_id
            if not noack:
                group.pending[entry_id] = Pending(consumer, now_ns, 1)
        return [(entry_id, self._fields[entry_id]) for entry_id in entry_ids]

    def given_and_pending(
        self, name: str, consumer: str, behind: EntryId, count: int
    ) -> Sequence[tuple[EntryId, Fields]]:
        """XREADGROUP with an id: what a consumer was given behind it and has not acknowledged."""
        pending = self.groups[name].pending
        own = sorted(key for key, one in pending.items() if one.consumer == consumer)
        return [(key, self.fields(key)) for key in own if key > behind][:count]

    def recover(
        self, name: str, consumer: str, min_idle_ns: int, now_ns: int
    ) -> Sequence[tuple[EntryId, Fields, int]]:
        """Own pending entries, then XAUTOCLAIM as of Redis 7.0: trimmed ones leave the list."""
        group = self.groups[name]
        group.consumers[consumer] = None
        found: dict[EntryId, int] = {}
        for entry_id, pending in sorted(group.pending.items()):
            if pending.consumer == consumer:
                self._redeliver(entry_id, pending, consumer, now_ns)
                found[entry_id] = pending.deliveries
        for entry_id, pending in sorted(group.pending.items()):
            if entry_id not in self._fields:
                del group.pending[entry_id]
                found[entry_id] = 1
            elif now_ns - pending.delivered_ns >= min_idle_ns:
                self._redeliver(entry_id, pending, consumer, now_ns)
                found[entry_id] = pending.deliveries
        return [
            (entry_id, self.fields(entry_id), deliveries)
            for entry_id, deliveries in sorted(found.items())
        ]

    def _redeliver(self, entry_id: EntryId, pending: Pending, consumer: str, now_ns: int) -> None:
        if entry_id in self._fields:
            pending.consumer = consumer
            pending.delivered_ns = now_ns
            pending.deliveries += 1
