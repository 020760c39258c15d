"""A pure answer that is asked for at each decision, and changes seldom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class LastAnswer(Generic[T]):
    """Keeps the answer to what was asked last, as long as the same is asked."""

    def __init__(self) -> None:
        self._kept: tuple[object, T] | None = None

    def answer(self, asked: object, find: Callable[[], T]) -> T:
        """What `find` says. `asked` holds all that it depends on, and nothing that changes."""
        if self._kept is None or self._kept[0] != asked:
            self._kept = asked, find()
        return self._kept[1]
