from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from pmtools.simulate.shrink import shrink


@given(st.lists(st.integers(0, 20), unique=True, max_size=8), st.sets(st.integers(0, 20)))
def test_what_is_needed_stays_and_nothing_else(items: list[int], needed: set[int]) -> None:
    wanted = needed & set(items)

    def fails(some: Sequence[int]) -> bool:
        return wanted <= set(some)

    assert shrink(items, fails) == [item for item in items if item in wanted]


def test_one_of_two_that_each_suffice_is_left() -> None:
    assert shrink([1, 2, 3], lambda some: 1 in some or 3 in some) == [1]
