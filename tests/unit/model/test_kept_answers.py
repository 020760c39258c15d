"""Answers of a pure function, kept."""

from __future__ import annotations

import pytest

from pmcore.model.kept_answers import KeptAnswers


def test_an_answer_is_found_once_and_no_more_than_the_most_are_kept() -> None:
    asked: list[int] = []

    def double(number: int) -> int:
        asked.append(number)
        return 2 * number

    kept = KeptAnswers(double, most=2)
    assert [kept[number] for number in (1, 2, 1, 2)] == [2, 4, 2, 4]
    assert asked == [1, 2]
    assert [kept[3], kept[3], kept[1]] == [6, 6, 2]
    assert asked == [1, 2, 3, 1]
    assert dict(kept) == {3: 6, 1: 2}


def test_an_error_is_not_kept() -> None:
    def refuse(number: int) -> int:
        raise ValueError(number)

    kept = KeptAnswers(refuse, most=2)
    for _ in range(2):
        with pytest.raises(ValueError, match="7"):
            kept[7]
    assert not kept
