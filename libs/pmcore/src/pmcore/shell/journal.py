"""JSON lines in zstd files, rotated by size; a crash costs at most what was not flushed.

Every flush ends a zstd frame, so a file is readable up to its last flush while it grows, and a
torn tail is skipped. A file that exists is never appended to: a new part begins beside it
(`x.jsonl.zst`, `x.0001.jsonl.zst`, ...), because nothing can be read behind a torn frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import zstandard

PART_BYTES = 64 * 1024 * 1024
MAX_PARTS = 32
MAX_LINE_BYTES = 16 * 1024 * 1024
_CHUNK_BYTES = 256 * 1024
SUFFIX = ".jsonl.zst"


class JournalWriter:
    """Appends lines; at `max_parts` parts of `part_bytes` it stops writing and counts `dropped`.

    Methods may raise OSError (disk full); the caller decides what that means.
    """

    def __init__(
        self,
        directory: Path,
        stem: str,
        *,
        part_bytes: int = PART_BYTES,
        max_parts: int = MAX_PARTS,
    ) -> None:
        self.lines = 0
        self.dropped = 0
        self._directory = directory
        self._stem = stem
        self._part_bytes = part_bytes
        self._max_parts = max_parts
        self._compressor = zstandard.ZstdCompressor(level=3)
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        directory.mkdir(parents=True, exist_ok=True)
        self._part = len(journal_parts(directory, stem))
        self._path = self._open_part()

    @property
    def path(self) -> Path:
        """The part that is being written."""
        return self._path

    def write(self, line: bytes) -> None:
        """Add one JSON document (no newline inside); it is safe on disk after the next flush."""
        if self._part >= self._max_parts:
            self.dropped += 1
            return
        self._pending.append(line)
        self._pending_bytes += len(line) + 1
        self.lines += 1
        if self._pending_bytes >= _CHUNK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what is pending as one whole frame, and begin a new part when this one is full."""
        if not self._pending:
            return
        self._pending.append(b"")
        frame = self._compressor.compress(b"\n".join(self._pending))
        self._pending.clear()
        self._pending_bytes = 0
        self._file.write(frame)
        if self._file.tell() >= self._part_bytes:
            self._file.close()
            self._part += 1
            if self._part < self._max_parts:
                self._path = self._open_part()

    def close(self) -> None:
        """Flush and close."""
        self.flush()
        self._file.close()

    def _open_part(self) -> Path:
        path = self._directory / _part_name(self._stem, self._part)
        self._file = path.open("xb", buffering=0)
        return path


def journal_parts(directory: Path, stem: str) -> list[Path]:
    """Return the parts of a journal in the order they were written."""
    parts: list[Path] = []
    while (path := directory / _part_name(stem, len(parts))).exists():
        parts.append(path)
    return parts


def first_part_of(path: Path) -> Path | None:
    """The first part of which `path` is a later one; None when it is no later part of any."""
    stem, dot, number = path.name.removesuffix(SUFFIX).rpartition(".")
    if not (path.name.endswith(SUFFIX) and dot and len(number) == 4 and number.isdecimal()):
        return None
    first = path.with_name(stem + SUFFIX)
    return first if path in journal_parts(path.parent, stem) else None


def journal_stem(first_part: Path) -> str:
    """Return the stem that a journal's first part was written under."""
    return first_part.name.removesuffix(SUFFIX)


def read_journal(path: Path) -> Iterator[bytes]:
    """Yield the whole lines of one part; a torn tail or an over-long line ends it quietly."""
    rest = b""
    with path.open("rb") as file:
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        while True:
            try:
                chunk = reader.read(_CHUNK_BYTES)
            except zstandard.ZstdError:
                return
            if not chunk or len(rest) > MAX_LINE_BYTES:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines


def _part_name(stem: str, part: int) -> str:
    return f"{stem}{f'.{part:04d}' if part else ''}{SUFFIX}"
