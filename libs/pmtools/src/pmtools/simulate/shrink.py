"""The shortest schedule that still breaks a law: faults are left out while it does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def shrink(items: Sequence[T], still_fails: Callable[[Sequence[T]], bool]) -> list[T]:
    """Leave out one item at a time, the last first, until each that is left is needed."""
    kept = list(items)
    shrunk = True
    while shrunk:
        shrunk = False
        for at in reversed(range(len(kept))):
            fewer = kept[:at] + kept[at + 1 :]
            if still_fails(fewer):
                kept = fewer
                shrunk = True
    return kept
