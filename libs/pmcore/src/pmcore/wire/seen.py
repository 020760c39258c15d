"""What a consumer of a group has been given, so that a read which broke off can be made up for."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping

from pmcore.wire.entry_ids import parse_id
from pmcore.wire.ports import Incoming

_START = "0-0"


def forget_group(
    seen: MutableMapping[tuple[str, str], Seen], group: str, streams: Iterable[str]
) -> None:
    """A group is gone from these streams; on others one of its name may be read still."""
    for key in [key for key in seen if key[0] == group]:
        for stream in streams:
            seen[key].forget(stream)
        if seen[key].is_empty:
            del seen[key]


class Seen:
    """The last entry of each stream that a consumer of a group has been given."""

    def __init__(self) -> None:
        self._last_ids: dict[str, str] = {}

    def note(self, entries: Iterable[Incoming]) -> None:
        """These have been given out."""
        for entry in entries:
            if parse_id(entry.entry_id) > parse_id(self.last_id(entry.stream)):
                self._last_ids[entry.stream] = entry.entry_id

    def forget(self, stream: str) -> None:
        """The group was set to another entry, or is gone: what was given out does not count."""
        self._last_ids.pop(stream, None)

    @property
    def is_empty(self) -> bool:
        """Whether nothing of any stream is known."""
        return not self._last_ids

    def last_id(self, stream: str) -> str:
        """The last one's id; `0-0` before the first."""
        return self._last_ids.get(stream, _START)
