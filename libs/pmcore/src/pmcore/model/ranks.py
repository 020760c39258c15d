"""Percentiles of samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from pmcore.model.check import invariant

T = TypeVar("T", int, float)


def nearest_rank(ordered: Sequence[T], percent: int) -> T:
    """The least sample that is not below so many of 100; of few samples the 99th is the largest.

    `ordered` rises and is not empty; `percent` is 1 to 100.
    """
    invariant(bool(ordered) and 1 <= percent <= 100, "no samples, or no such percentile")
    return ordered[-(-len(ordered) * percent // 100) - 1]
