from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmcore.shell.journal import JournalWriter, first_part_of, journal_parts, read_journal

_LINES = [b'{"n":%d}' % number for number in range(100)]


def _write(directory: Path, lines: list[bytes], **limits: int) -> JournalWriter:
    writer = JournalWriter(directory, "j", **limits)
    for line in lines:
        writer.write(line)
        writer.flush()
    writer.close()
    return writer


def _read(directory: Path) -> list[bytes]:
    return [line for part in journal_parts(directory, "j") for line in read_journal(part)]


def test_lines_come_back_in_order(tmp_path: Path) -> None:
    _write(tmp_path, _LINES)
    assert _read(tmp_path) == _LINES


def test_flushed_lines_can_be_read_while_the_file_grows(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, "j")
    writer.write(_LINES[0])
    writer.flush()
    writer.write(_LINES[1])
    assert _read(tmp_path) == _LINES[:1]
    writer.close()


def test_a_full_part_is_followed_by_the_next(tmp_path: Path) -> None:
    _write(tmp_path, _LINES, part_bytes=200)
    parts = [path.name for path in journal_parts(tmp_path, "j")]
    assert parts[:2] == ["j.jsonl.zst", "j.0001.jsonl.zst"]
    assert _read(tmp_path) == _LINES


def test_at_the_last_part_lines_are_dropped_and_counted(tmp_path: Path) -> None:
    writer = _write(tmp_path, _LINES, part_bytes=1, max_parts=3)
    assert writer.lines == 3
    assert writer.dropped == 97
    assert _read(tmp_path) == _LINES[:3]


def test_a_restart_begins_a_new_part(tmp_path: Path) -> None:
    _write(tmp_path, _LINES[:2])
    _write(tmp_path, _LINES[2:4])
    assert _read(tmp_path) == _LINES[:4]


@given(cut=st.integers(min_value=0, max_value=400))
def test_a_torn_tail_costs_only_what_was_not_flushed(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    directory = tmp_path_factory.mktemp("torn")
    path = _write(directory, _LINES).path
    whole = path.read_bytes()
    path.write_bytes(whole[: max(0, len(whole) - cut)])
    lines = _read(directory)
    assert lines == _LINES[: len(lines)]
    assert len(lines) >= len(_LINES) - 1 - cut // 10


def test_a_file_that_is_no_journal_has_no_lines(tmp_path: Path) -> None:
    (tmp_path / "j.jsonl.zst").write_bytes(b"something else entirely")
    assert _read(tmp_path) == []


def test_pending_lines_are_written_when_they_are_many(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, "w")
    line = b"1" * 1024
    for _ in range(1_000):
        writer.write(line)
        assert len(vars(writer)["_pending"]) < 256
    assert writer.path.stat().st_size > 0
    writer.close()


def test_the_first_part_of_a_later_one(tmp_path: Path) -> None:
    _write(tmp_path, _LINES[:3], part_bytes=1)
    first, *later = journal_parts(tmp_path, "j")
    assert later
    assert [first_part_of(part) for part in later] == [first] * len(later)
    assert first_part_of(first) is None


@pytest.mark.parametrize("name", ["j.0001.jsonl.zst", "x.y.jsonl.zst", "j.0001.jsonl", "j"])
def test_a_part_without_the_ones_before_it_is_none(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert first_part_of(tmp_path / name) is None
