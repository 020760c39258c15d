"""The directory of a local run, and `run.json`, by which `pm status` and `pm kill` find it.

`run.json` holds the control token, so only its owner may read it; it goes when the run ends.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

_FILE = "run.json"
_MAX_RUNS = 100_000


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A run that is going on."""

    pid: int
    mode: str
    urls: dict[str, str]
    control_token: str
    redis_url: str


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
    return Path(tempfile.mkdtemp(prefix="pm-run-"))


def write_record(directory: Path, record: RunRecord) -> None:
    """Say that a run is going on."""
    descriptor = os.open(directory / _FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(record)))


def remove_record(directory: Path) -> None:
    """Say that the run is over."""
    (directory / _FILE).unlink(missing_ok=True)


def remove_directory(directory: Path) -> None:
    """Remove a run's directory and all in it."""
    shutil.rmtree(directory, ignore_errors=True)


def newest_record(root: Path) -> RunRecord | None:
    """The newest run that is still going on."""
    try:
        numbers = sorted(_numbers(root), reverse=True)
    except OSError:
        return None
    for number in numbers:
        try:
            data = (root / f"run-{number}" / _FILE).read_bytes()
            record = msgspec.json.decode(data, type=RunRecord)
        except (OSError, msgspec.DecodeError):
            continue
        if _is_alive(record.pid):
            return record
    return None


def _numbers(root: Path) -> list[int]:
    names = (entry.name.removeprefix("run-") for entry in root.glob("run-*"))
    return [int(name) for name in names if name.isascii() and name.isdigit()]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
