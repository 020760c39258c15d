"""Run directories and the record by which other commands find a run."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from pmtools.control.checkout import find_checkout, registered_runs
from pmtools.run.files import HeldRecord, RunRecord, find_runs, hold_record, new_directory


def hold(directory: Path, checkout: Path | None = None) -> HeldRecord:
    place = str(checkout.resolve()) if checkout else ""
    return hold_record(
        directory,
        RunRecord(
            pid=os.getpid(),
            mode="sim",
            urls={},
            control_token="t",
            redis_url="",
            checkout=place,
        ),
    )


def make_checkout(directory: Path) -> Path:
    (directory / "libs/pmcore").mkdir(parents=True)
    (directory / "docker-compose.yml").touch()
    return directory


def test_directories_are_numbered_and_private(tmp_path: Path) -> None:
    first, second = new_directory(tmp_path / "var"), new_directory(tmp_path / "var")
    assert (first.name, second.name) == ("run-1", "run-2")
    assert stat.S_IMODE(first.stat().st_mode) == 0o700


def test_a_root_that_cannot_be_made_gives_a_temporary_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    made = new_directory(tmp_path / "file")
    assert made.is_dir()
    made.rmdir()


def test_every_run_is_found_and_those_that_nobody_holds_are_told_apart(tmp_path: Path) -> None:
    kept, left = hold(new_directory(tmp_path)), hold(new_directory(tmp_path))
    left.release()
    found = find_runs({"PM_DATA_DIR": str(tmp_path)}, None)
    assert [(run.directory.name, run.held) for run in found] == [("run-1", True), ("run-2", False)]
    kept.remove()
    assert [run.held for run in find_runs({"PM_DATA_DIR": str(tmp_path)}, None)] == [False]


def test_only_its_owner_may_read_a_record(tmp_path: Path) -> None:
    kept = hold(tmp_path)
    assert stat.S_IMODE((tmp_path / "run.json").stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.json"]
    kept.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_broken_record_counts_only_while_it_is_held(tmp_path: Path) -> None:
    directory = new_directory(tmp_path)
    kept = hold(directory)
    (directory / "run.json").write_text("{")
    (run,) = find_runs({"PM_DATA_DIR": str(tmp_path)}, None)
    assert "cannot be read" in run.problem
    kept.release()
    assert find_runs({"PM_DATA_DIR": str(tmp_path)}, None) == []
    assert find_runs({"PM_DATA_DIR": str(tmp_path / "nowhere")}, None) == []


def test_a_run_in_a_temporary_directory_belongs_to_its_own_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ours, theirs = make_checkout(tmp_path / "ours"), make_checkout(tmp_path / "theirs")
    (tmp_path / "file").touch()
    kept = hold(new_directory(tmp_path / "file"), ours)
    environ = {"PM_DATA_DIR": str(tmp_path / "file")}
    assert len(find_runs(environ, ours)) == 1
    assert find_runs(environ, theirs) == []
    kept.remove()


def test_the_register_forgets_what_is_gone(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "checkout")
    (directory := tmp_path / "elsewhere").mkdir()
    kept = hold(directory, checkout)
    assert kept.registered
    assert [run.directory for run in registered_runs(checkout)] == [directory]
    assert registered_runs(checkout)[0].alive
    (directory / "run.json").unlink()
    directory.rmdir()
    assert registered_runs(checkout) == []
    assert list((checkout / "var/register").iterdir()) == []
    kept.release()


def test_a_checkout_is_found_from_a_folder_in_it_else_from_the_code(tmp_path: Path) -> None:
    ours, code = make_checkout(tmp_path / "ours"), make_checkout(tmp_path / "code")
    (deep := ours / "docs/pages").mkdir(parents=True)
    (away := tmp_path / "away").mkdir()
    module = code / "libs/pmtools/src/pmtools/control/checkout.py"
    assert find_checkout(deep, module) == ours
    assert find_checkout(away, module) == code
    assert find_checkout(away, away / "site-packages/module") is None
