"""Files cut short, files that cannot be read, and lines that no memory should hold."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path

import pytest
import zstandard

from pmcore.model.errors import MalformedInputError
from pmsim.recordings import bytes as recording_bytes
from pmsim.recordings.reader import RawFrame, Recording
from support.builders import CONDITION, T0_S
from support.frames import book_frame, text

ROW = {"recv": T0_S, "raw": text(book_frame())}


def lines(*rows: object) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def recording(tmp_path: Path, content: bytes) -> Recording:
    path = tmp_path / "some.jsonl"
    path.write_bytes(content)
    return Recording(path)


def read(tmp_path: Path, content: bytes) -> tuple[list[RawFrame], Recording]:
    opened = recording(tmp_path, content)
    return list(opened.frames()), opened


def test_a_cut_zstd_file_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    rows = [{"recv": T0_S + n, "raw": f"{n * 7919:040x}"} for n in range(1_000)]
    packed = zstandard.ZstdCompressor().compress(lines(*rows))
    whole, opened = read(tmp_path, packed + packed)
    assert (len(whole), opened.unusable) == (2_000, {})
    frames, opened = read(tmp_path, packed + packed[:-100])
    assert 1_000 <= len(frames) < 2_000
    assert opened.unusable["truncated"] == 1
    with pytest.raises(MalformedInputError, match="truncated"):
        recording(tmp_path, packed[:6])


def test_a_file_that_breaks_off_at_its_first_byte(tmp_path: Path) -> None:
    with pytest.raises(MalformedInputError, match="truncated"):
        list(recording_bytes.chunks(Path("/proc/self/mem")))
    with pytest.raises(MalformedInputError, match="cannot_open"):
        list(recording_bytes.chunks(tmp_path))


def test_white_space_before_the_first_line_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "blank.jsonl"
    path.write_bytes(gzip.compress(b" " * 50_000_000 + b"\n" + lines(ROW)))
    tracemalloc.start()
    try:
        opened = Recording(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000
    assert opened.windows()[0].condition_id == CONDITION


def test_a_line_of_half_a_gigabyte_is_counted_and_not_kept(tmp_path: Path) -> None:
    block = gzip.compress(b"x" * 50_000_000)
    path = tmp_path / "long.jsonl"
    path.write_bytes(gzip.compress(lines(ROW)) + block * 10 + gzip.compress(b"\n" + lines(ROW)))
    tracemalloc.start()
    try:
        opened = Recording(path)
        frames = list(opened.frames())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100_000_000
    assert (len(frames), opened.unusable) == (2, {"too_large": 1})
