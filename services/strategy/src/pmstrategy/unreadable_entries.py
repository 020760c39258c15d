"""Unreadable entries of streams about money, kept in Redis until a person has looked.

A window reads `user` from its beginning, so the same bad entry is met again by every window and
after every restart: it must halt the series until an operator resumes, and not again after that.
"""

from __future__ import annotations

from pmcore.wire import keys
from pmcore.wire.entry_ids import parse_id
from pmcore.wire.ports import Bus, Incoming

MAX_ENTRIES = 1_000
_OPEN, _SEEN = b"open", b"seen"


class UnreadableEntries:
    """Bad entries by series, stream and id: `open` until an operator resumes, then `seen`.

    At most `MAX_ENTRIES`: then the oldest seen ones are forgotten, and if none was seen the oldest.
    One that is met again after that halts its series again.
    """

    def __init__(self, bus: Bus, account: str) -> None:
        self._bus = bus
        self._key = keys.unreadable(account)
        self._entries: dict[str, bytes] = {}
        self._forgotten: list[str] = []

    def __len__(self) -> int:
        return len(self._entries)

    async def load(self) -> None:
        """Read what earlier runs left."""
        self._entries = dict(await self._bus.get_fields(self._key))
        self._forget_oldest()

    def is_new(self, series: str, item: Incoming) -> bool:
        """Whether this entry was never met; it counts as met from now on."""
        name = f"{series} {item.stream} {item.entry_id}"
        if name in self._entries:
            return False
        self._entries[name] = _OPEN
        self._forget_oldest()
        return True

    def open_series(self) -> list[str]:
        """Series with an entry that no person has looked at."""
        return sorted({n.split(" ", 1)[0] for n, state in self._entries.items() if state == _OPEN})

    async def save(self) -> None:
        """Keep all of it in Redis."""
        for name, state in tuple(self._entries.items()):  # another window may add one
            await self._bus.put_field(self._key, name, state)
        while self._forgotten:
            await self._bus.put_field(self._key, self._forgotten[0], None)
            del self._forgotten[0]

    async def close(self) -> None:
        """A person has looked."""
        self._entries = dict.fromkeys(self._entries, _SEEN)
        await self.save()

    def _forget_oldest(self) -> None:
        too_many = len(self._entries) - MAX_ENTRIES
        if too_many <= 0:
            return
        by_age = sorted(self._entries, key=lambda n: (self._entries[n] == _OPEN, _age(n)))
        for name in by_age[:too_many]:
            del self._entries[name]
            self._forgotten.append(name)


def _age(name: str) -> tuple[int, int]:
    return parse_id(name.rsplit(" ", 1)[1])
