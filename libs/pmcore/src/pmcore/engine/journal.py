"""What the journals of all engines share: how their lines look, and how one is told from another.

A journal is JSON lines: first the header, from which the engine is made; then an entry for each
call of `step`, in order; last a `JournalEnd` when the engine ended well. The header's tag names
the engine, so that `pm replay` knows from the first line what to step. Each engine has a module
`journal.py` with its header, its entry and its `JournalFormat`. No credentials stand in a journal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, Protocol, TypeVar

import msgspec

ENTRY_TAG = "in"
ENTRY_START = b'["in",'
"""How every entry begins, whichever engine it is for."""


class JournalledEngine(Protocol):
    """What can be stepped again: the same inputs give the same fingerprint."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 over every output so far with its time."""
        ...

    def step(self, at_ns: int, event: Any, /) -> Sequence[Any]:
        """Apply one input."""
        ...


class JournalStart(Protocol):
    """A header: all that an engine was made from."""

    @property
    def title(self) -> str:
        """What the journal is about, for a person: a window's slug, an account's name."""
        ...

    def make_engine(self) -> JournalledEngine:
        """Build the engine exactly as it was."""
        ...


class JournalStep(Protocol):
    """One call of `step`."""

    @property
    def at_ns(self) -> int:
        """The time it was called with."""
        ...

    @property
    def event(self) -> Any:
        """The input."""
        ...


class JournalEnd(msgspec.Struct, frozen=True, tag="end"):
    """The fingerprint that a replay must reach."""

    fingerprint: str


HeaderT = TypeVar("HeaderT", bound=msgspec.Struct)
EntryT = TypeVar("EntryT", bound=msgspec.Struct)


class JournalFormat(Generic[HeaderT, EntryT]):
    """The lines of one engine's journal.

    `header` has a tag of its own; `entry` has the tag `ENTRY_TAG` and is `array_like`.
    """

    def __init__(self, header: type[HeaderT], entry: type[EntryT]) -> None:
        self.header = header
        self._encoder = msgspec.json.Encoder()
        self._objects: msgspec.json.Decoder[HeaderT | JournalEnd] = msgspec.json.Decoder(
            header | JournalEnd
        )
        self._entries = msgspec.json.Decoder(entry)
        self._start = b'{"type":"%s"' % str(header.__struct_config__.tag).encode()

    def opens(self, first_line: bytes) -> bool:
        """Whether a file that begins with this line is a journal of this engine."""
        return first_line.startswith(self._start)

    def encode(self, line: HeaderT | EntryT | JournalEnd) -> bytes:
        """Encode one line without its newline."""
        return self._encoder.encode(line)

    def decode(self, data: bytes) -> HeaderT | EntryT | JournalEnd:
        """Decode one line; raise `msgspec.DecodeError` for anything else."""
        return self._entries.decode(data) if data.startswith(b"[") else self._objects.decode(data)
