"""An answer that is kept as long as the same is asked."""

from __future__ import annotations

from pmcore.machines.last_answer import LastAnswer


def test_the_answer_is_found_once_for_what_stays_and_anew_for_what_changes() -> None:
    last, found = LastAnswer[int | None](), list[int]()

    def ask(number: int) -> int | None:
        def find() -> int | None:
            found.append(number)
            return number or None

        return last.answer((number, "fixed"), find)

    assert [ask(number) for number in (0, 0, 1, 1, 0, 2)] == [None, None, 1, 1, None, 2]
    assert found == [0, 1, 0, 2]
