"""Where the real recordings are: PM_RECORDINGS, or `../shared/data` beside the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data"


def recordings_root() -> Path:
    """The directory of the recordings, whether or not it exists."""
    return Path(os.environ.get("PM_RECORDINGS") or _BESIDE)


def recording(pattern: str) -> list[Path]:
    """The recordings that match, or a skip that says what is missing."""
    found = sorted(recordings_root().glob(pattern))
    if not found:
        pytest.skip(f"no {pattern} under {recordings_root()}; set PM_RECORDINGS")
    return found


def venue_sample(name: str) -> Path:
    """A file of the venue samples, which lie beside the recordings, or a skip."""
    path = recordings_root().parent / "venue-samples" / name
    if not path.exists():
        pytest.skip(f"no {path}; set PM_RECORDINGS to the directory beside venue-samples")
    return path
