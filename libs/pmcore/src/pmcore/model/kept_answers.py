"""Answers of a pure function, kept: for what is asked a hundred times for each frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class KeptAnswers(dict[K, V]):
    """`kept[asked]` is what `answer(asked)` gives. Emptied when `most` answers are kept.

    `lru_cache` also notes at each hit which answer was used last; here a hit is a plain look-up in
    a dictionary. An exception is not kept.
    """

    def __init__(self, answer: Callable[[K], V], most: int) -> None:
        super().__init__()
        self._answer = answer
        self._most = most

    def __missing__(self, asked: K) -> V:
        answer = self._answer(asked)
        if len(self) >= self._most:
            self.clear()
        self[asked] = answer
        return answer
