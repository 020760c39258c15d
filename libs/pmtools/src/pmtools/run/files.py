"""The directory of a local run, and `run.json`, by which `pm status` and `pm kill` find it.

`run.json` holds the control token, so only its owner may read it. Its run holds a lock on it and
removes it at its end. So a record that nobody holds is what a killed run left behind.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from pmtools.control.checkout import RegisteredRun, register_run, registered_runs

_FILE = "run.json"
_TEMPORARY_PREFIX = "pm-run-"
_MAX_RUNS = 100_000


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A run that is going on."""

    pid: int
    mode: str
    urls: dict[str, str]
    control_token: str
    redis_url: str
    redis_password: str = ""
    """Of the user `ops`; "" where the run did not start its Redis."""
    checkout: str = ""


class FoundRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run's directory and what its record says; `record` is None when `problem` says why.

    `held` is False when no `pm run` holds the record: it is gone, but a service may still work.
    """

    directory: Path
    held: bool
    record: RunRecord | None = None
    problem: str = ""


class HeldRecord:
    """The record of this process' own run, held until it is removed."""

    def __init__(self, directory: Path, descriptor: int, pointer: Path | None) -> None:
        self.registered = pointer is not None
        self._file = directory / _FILE
        self._descriptor = descriptor
        self._pointer = pointer

    def remove(self) -> None:
        """Say that the run is over."""
        self._file.unlink(missing_ok=True)
        if self._pointer is not None:
            with suppress(OSError):
                self._pointer.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Let go of the record without removing it, as the end of this process does."""
        os.close(self._descriptor)


def runs_root(environ: Mapping[str, str]) -> Path:
    """Where runs live: PM_DATA_DIR, or `var` here."""
    return Path(environ.get("PM_DATA_DIR") or "var")


def new_directory(root: Path) -> Path:
    """`run-<n>` below the root, or a temporary directory where the root cannot be written."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        last = max(_numbers(root), default=0)
        for number in range(last + 1, last + _MAX_RUNS):
            try:
                (directory := root / f"run-{number}").mkdir(mode=0o700)
            except FileExistsError:
                continue
            return directory.resolve()
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix=_TEMPORARY_PREFIX))


def hold_record(directory: Path, record: RunRecord) -> HeldRecord:
    """Say that a run is going on; the record appears whole and locked, or not at all."""
    part = directory / f"{_FILE}.part"
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.write(descriptor, msgspec.json.format(msgspec.json.encode(record)))
    part.rename(directory / _FILE)
    checkout = Path(record.checkout) if record.checkout else None
    return HeldRecord(directory, descriptor, register_run(checkout, directory))


def remove_directory(directory: Path) -> None:
    """Remove a run's directory and all in it."""
    shutil.rmtree(directory, ignore_errors=True)


def find_runs(environ: Mapping[str, str], checkout: Path | None) -> list[FoundRun]:
    """Every run of this checkout that left a record, in the order of their directories' names."""
    registered = registered_runs(checkout)
    roots = [runs_root(environ), *([checkout / "var"] if checkout else [])]
    found: dict[Path, FoundRun] = {}
    for directory in (*_in(roots), *(each.directory for each in registered)):
        place = directory.resolve()
        if place not in found and (run := _look(place, registered)) is not None:
            found[place] = run
    for directory in Path(tempfile.gettempdir()).glob(f"{_TEMPORARY_PREFIX}*"):
        place = directory.resolve()
        run = _look(place, ()) if place not in found and _is_ours(place) else None
        if (
            run is not None
            and run.record is not None
            and run.record.checkout == str(checkout or "")
        ):
            found[place] = run
    return [found[place] for place in sorted(found, key=_by_number)]


def run_directories(environ: Mapping[str, str], checkout: Path | None) -> list[Path]:
    """Those of every run of this checkout that is kept or goes on, in the order of their names.

    A run that is over is found in PM_DATA_DIR and in the checkout's `var`, nowhere else.
    """
    kept = _in([runs_root(environ), *([checkout / "var"] if checkout else [])])
    going_on = [run.directory for run in find_runs(environ, checkout)]
    return sorted({each.resolve() for each in (*kept, *going_on)}, key=_by_number)


def _look(directory: Path, registered: Iterable[RegisteredRun]) -> FoundRun | None:
    try:
        descriptor = os.open(directory / _FILE, os.O_RDONLY)
    except PermissionError:
        if not any(each.directory.resolve() == directory and each.alive for each in registered):
            return None
        problem = "it belongs to another user: repeat the command as that user"
        return FoundRun(directory=directory, held=True, problem=problem)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        held = _is_held(descriptor)
        try:
            record = msgspec.json.decode(file.read(), type=RunRecord)
        except (OSError, msgspec.MsgspecError) as error:
            problem = f"{directory / _FILE} cannot be read: {error}"
            return FoundRun(directory=directory, held=held, problem=problem) if held else None
    return FoundRun(directory=directory, held=held, record=record)


def _is_held(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


def _is_ours(directory: Path) -> bool:
    try:
        return directory.stat().st_uid == os.getuid()
    except OSError:
        return False


def _in(roots: Iterable[Path]) -> list[Path]:
    directories = []
    for root in roots:
        with suppress(OSError):
            directories += [root / f"run-{number}" for number in _numbers(root)]
    return directories


def _by_number(directory: Path) -> tuple[int, str]:
    digits = directory.name.rpartition("-")[2]
    return (int(digits) if digits.isascii() and digits.isdigit() else _MAX_RUNS, str(directory))


def _numbers(root: Path) -> list[int]:
    names = (entry.name.removeprefix("run-") for entry in root.glob("run-*"))
    return [int(name) for name in names if name.isascii() and name.isdigit()]
