"""An answer that is kept as long as the same is asked."""

from __future__ import annotations

from pmcore.machines.last_answer import LastAnswer


def test_an_answer_is_known_for_what_was_asked_last_alone() -> None:
    last = LastAnswer[int | None](7)
    assert not last.knows((1, "fixed"))
    assert last.keep((1, "fixed"), None) is last.answer is None
    assert last.knows((1, "fixed"))
    assert not last.knows((2, "fixed"))
    assert last.keep((2, "fixed"), 5) == last.answer == 5
    assert not last.knows((1, "fixed"))
