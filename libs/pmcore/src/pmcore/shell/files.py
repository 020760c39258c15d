"""Small files that must be whole or absent, and the disk that they are on."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def write_file_atomically(path: Path, content: bytes) -> None:
    """Write a file (0600) that a reader sees whole or not at all, and that a crash leaves whole."""
    _write_part(path, content).replace(path)


def create_file_once(path: Path, content: bytes) -> None:
    """Make a whole file (0600) unless it exists; of several processes that try, one wins."""
    part = _write_part(path, content)
    try:
        os.link(part, path)
    except FileExistsError:
        pass
    finally:
        part.unlink()


def _write_part(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return part


def remove_file(path: Path) -> None:
    """Remove a file that may be gone already."""
    path.unlink(missing_ok=True)


def disk_free_ratio(directory: Path) -> float | None:
    """The free part (0 to 1) of the disk of a directory; None when it cannot be read.

    Of a directory that is not made yet, it is that of the nearest one above that exists.
    """
    exists = next((one for one in (directory, *directory.parents) if one.exists()), Path())
    try:
        usage = shutil.disk_usage(exists)
    except OSError:
        return None
    return usage.free / usage.total if usage.total else None
