"""Records out of a file, compressed or not (gzip, zstd, plain), in bounded memory."""

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
_ZSTD_PACKED_BYTES = 1_024  # a malicious file expands to 32 MB at most


def chunks(path: Path) -> Iterator[bytes]:
    """The unpacked bytes in pieces; what came before a torn end is kept.

    Raise `MalformedInputError`: `cannot_open`, or `truncated` where the bytes break off.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise MalformedInputError("cannot_open", f"{path}: {error.strerror}") from error
    with file:
        try:
            yield from _unpacked(file)
        except (EOFError, OSError, zlib.error, zstandard.ZstdError) as error:
            raise MalformedInputError("truncated", f"{path}: {error}") from error


def _unpacked(file: io.BufferedReader) -> Iterator[bytes]:
    magic = file.read(4)
    file.seek(0)
    if magic == _ZSTD_MAGIC:
        yield from _zstd(file)
        return
    plain = gzip.GzipFile(fileobj=file) if magic.startswith(_GZIP_MAGIC) else file
    while chunk := plain.read1(_CHUNK_BYTES):
        yield chunk


def _zstd(file: io.BufferedReader) -> Iterator[bytes]:
    """All frames; raise EOFError when the last one is not whole, which a stream reader hides."""
    frame = None
    while packed := file.read(_ZSTD_PACKED_BYTES):
        while packed:
            frame = frame or zstandard.ZstdDecompressor().decompressobj()
            yield frame.decompress(packed)
            packed = frame.unused_data
            if frame.eof:
                frame = None
    if frame is not None:
        raise EOFError("the last frame is not whole")


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
