"""A recording that a restart, or its size, split in parts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import zstandard

from pmsim.recordings.reader import Recording
from support.builders import T0_NS, T0_S
from support.frames import book_frame, text

SLUG = f"btc-updown-15m-{T0_S}"


@pytest.mark.parametrize("torn", [b"", b"\x28\xb5\x2f\xfd\x04"])
def test_what_a_restart_split_in_parts_is_read_as_one(tmp_path: Path, torn: bytes) -> None:
    rows = [{"recv_ns": T0_NS + n, "slug": SLUG, "raw": text(book_frame())} for n in range(4)]
    packed = [
        zstandard.compress(b"".join(json.dumps(row).encode() + b"\n" for row in part))
        for part in (rows[:2], rows[2:])
    ]
    first, second = (tmp_path / f"{SLUG}{end}.jsonl.zst" for end in ("", ".0001"))
    first.write_bytes(packed[0] + torn)
    second.write_bytes(packed[1])
    opened = Recording(first)
    assert [frame.recv_ns for frame in opened.frames()] == [row["recv_ns"] for row in rows]
    assert opened.unusable == ({"truncated": 1} if torn else {})
    assert len(opened.windows()) == 1
    first.write_bytes(torn)
    assert len(list(Recording(first).frames())) == 2
