"""Seeded chance that gives the same rolls on every Python."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

T = TypeVar("T")


class Dice:
    """Built on `Random.random` alone, which Python promises never to change."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def upto(self, most: int) -> int:
        """0 to `most`."""
        return int(self._random.random() * (most + 1))

    def between(self, least: int, most: int) -> int:
        """`least` to `most`."""
        return least + self.upto(most - least)

    def pick(self, among: Iterable[T]) -> T:
        """One of them."""
        choices: Sequence[T] = tuple(among)
        return choices[self.upto(len(choices) - 1)]

    def chance(self, percent: int) -> bool:
        """True so often."""
        return self.upto(99) < percent

    def maybe(self, percent: int, value: T) -> T | None:
        """The value, or None."""
        return value if self.chance(percent) else None


def text(*values: object) -> str:
    """One line of a story."""
    return " ".join(msgspec.json.encode(value, enc_hook=str).decode() for value in values)
