"""Which checkout a command belongs to, and the register of the runs that it started.

A run keeps its `run.json` in its own directory, and that may be anywhere (PM_DATA_DIR, another
working directory, a temporary directory). So each run also leaves a pointer to it in
`var/register` of the checkout. `pm kill` reads those pointers and so misses no run.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import msgspec

_REGISTER = Path("var", "register")


class RegisteredRun(msgspec.Struct, frozen=True):
    """A pointer: the process that left it and the directory of its run."""

    pid: int
    directory: Path

    @property
    def alive(self) -> bool:
        """Whether a process has this number; it may be another user's."""
        try:
            os.kill(self.pid, 0)
        except PermissionError:
            return True
        except (ProcessLookupError, OverflowError):
            return False
        return True


def find_checkout(start: Path | None = None, module: Path = Path(__file__)) -> Path | None:
    """The checkout around `start` (the working directory), else the one that this code lies in.

    None without either. A working directory that was removed meanwhile is no error.
    """
    with suppress(FileNotFoundError):
        start = start or Path.cwd()
    for directory in (*(_upwards(start) if start else ()), *_upwards(module)):
        if (directory / "docker-compose.yml").is_file() and (directory / "libs/pmcore").is_dir():
            return directory
    return None


def register_run(checkout: Path | None, directory: Path) -> Path | None:
    """Leave a pointer to a run's directory; return it, or None when it cannot be written."""
    if checkout is None:
        return None
    pointer = checkout / _REGISTER / f"{os.getpid()}-{directory.name}"
    try:
        pointer.parent.mkdir(parents=True, exist_ok=True)
        pointer.write_text(f"{directory}\n", encoding="utf-8")
    except OSError:
        return None
    return pointer


def registered_runs(checkout: Path | None) -> list[RegisteredRun]:
    """The runs that the checkout knows of; pointers to nothing are removed."""
    if checkout is None:
        return []
    runs = []
    for pointer in sorted((checkout / _REGISTER).glob("*-*")):
        pid = pointer.name.partition("-")[0]
        try:
            directory = Path(pointer.read_text(encoding="utf-8").strip())
        except (OSError, UnicodeDecodeError):
            continue
        if directory.is_dir() and pid.isascii() and pid.isdigit():
            runs.append(RegisteredRun(int(pid), directory))
        else:
            with suppress(OSError):
                pointer.unlink()
    return runs


def _upwards(path: Path) -> tuple[Path, ...]:
    resolved = path.resolve()
    return (resolved, *resolved.parents)
