"""Run directories and the record by which other commands find a run."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pmcore.tools.run_files import (
    RunRecord,
    new_directory,
    newest_record,
    remove_record,
    write_record,
)

GONE_PID = 2**22 + 1


def record(pid: int) -> RunRecord:
    return RunRecord(pid=pid, mode="sim", urls={}, control_token="t", redis_url="")


def test_directories_are_numbered_and_private(tmp_path: Path) -> None:
    first, second = new_directory(tmp_path / "var"), new_directory(tmp_path / "var")
    assert (first.name, second.name) == ("run-1", "run-2")
    assert stat.S_IMODE(first.stat().st_mode) == 0o700


def test_a_root_that_cannot_be_made_gives_a_temporary_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    made = new_directory(tmp_path / "file")
    assert made.is_dir()
    made.rmdir()


def test_the_newest_living_run_is_found(tmp_path: Path) -> None:
    for pid in (os.getpid(), GONE_PID):
        write_record(new_directory(tmp_path), record(pid))
    found = newest_record(tmp_path)
    assert found is not None
    assert found.pid == os.getpid()


def test_a_run_that_ended_is_not_found(tmp_path: Path) -> None:
    directory = new_directory(tmp_path)
    write_record(directory, record(os.getpid()))
    remove_record(directory)
    assert newest_record(tmp_path) is None


def test_a_broken_record_is_passed_over(tmp_path: Path) -> None:
    (new_directory(tmp_path) / "run.json").write_text("{")
    assert newest_record(tmp_path) is None
    assert newest_record(tmp_path / "nowhere") is None
