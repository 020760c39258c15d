"""Records out of a file, whatever packs it (gzip, zstd, nothing), in bounded memory."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path

import zstandard

from pmcore.model.errors import MalformedInputError

MAX_RECORD_BYTES = 32 * 1024 * 1024
_CHUNK_BYTES = 256 * 1024
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


def open_unpacked(path: Path) -> io.BufferedIOBase:
    """Open a file for reading its unpacked bytes; raise `MalformedInputError` when it cannot be."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise MalformedInputError("cannot_open", f"{path}: {error.strerror}") from error
    magic = file.read(4)
    file.seek(0)
    if magic.startswith(_GZIP_MAGIC):
        file.close()
        return gzip.GzipFile(path)
    if magic == _ZSTD_MAGIC:
        reader = zstandard.ZstdDecompressor().stream_reader(
            file, read_across_frames=True, closefd=True
        )
        return io.BufferedReader(reader, _CHUNK_BYTES)
    return file


def chunks(path: Path) -> Iterator[bytes]:
    """The unpacked bytes in pieces; raise `MalformedInputError("truncated")` where they break."""
    with open_unpacked(path) as file:
        while True:
            try:
                chunk = file.read1(_CHUNK_BYTES)  # what came before a torn end is kept
            except (EOFError, OSError, zlib.error, zstandard.ZstdError) as error:
                raise MalformedInputError("truncated", f"{path}: {error}") from error
            if not chunk:
                return
            yield chunk


def records(path: Path, separator: bytes) -> Iterator[bytes | None]:
    """What stands between separators; None for a record beyond `MAX_RECORD_BYTES`."""
    kept = bytearray()
    too_long = False
    for chunk in chunks(path):
        kept += chunk
        if separator not in kept:
            if len(kept) > MAX_RECORD_BYTES:
                too_long = True
            if too_long:
                del kept[: -len(separator)]
            continue
        *complete, rest = bytes(kept).split(separator)
        kept = bytearray(rest)
        for record in complete:
            yield None if too_long else record
            too_long = False
    if too_long or kept:
        yield None if too_long else bytes(kept)


def whole_file(path: Path, limit: int) -> bytes:
    """All unpacked bytes; raise `MalformedInputError("too_large")` beyond a limit."""
    kept = bytearray()
    for chunk in chunks(path):
        kept += chunk
        if len(kept) > limit:
            raise MalformedInputError("too_large", f"{path}: more than {limit} bytes")
    return bytes(kept)
