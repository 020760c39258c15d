"""A pure answer that is asked for at each decision, and changes seldom."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class LastAnswer(Generic[T]):
    """Keeps the answer to what was asked last. `answer` is any value until `keep` was called.

    What is asked holds all that the answer depends on, and nothing that changes afterwards.
    """

    def __init__(self, answer: T) -> None:
        self.answer = answer
        self._asked: object = None

    def knows(self, asked: object) -> bool:
        """Whether `answer` is the answer to this."""
        return self._asked == asked

    def keep(self, asked: object, answer: T) -> T:
        """Note an answer, and return it."""
        self._asked, self.answer = asked, answer
        return answer
