"""Percentiles of samples."""

from __future__ import annotations

import pytest

from pmcore.model.errors import InvariantError
from pmcore.model.ranks import nearest_rank


@pytest.mark.parametrize(
    ("samples", "percent", "expected"),
    [
        ([7], 50, 7),
        ([7], 99, 7),
        ([1, 2], 50, 1),
        ([1, 2], 99, 2),  # never below the median
        ([1, 2, 9], 99, 9),
        (range(1, 101), 99, 99),
        (range(1, 102), 99, 100),
        (range(1, 201), 1, 2),
        (range(1, 201), 100, 200),
    ],
)
def test_the_nearest_rank(samples: list[int], percent: int, expected: int) -> None:
    assert nearest_rank(samples, percent) == expected


@pytest.mark.parametrize(("samples", "percent"), [([], 50), ([1], 0), ([1], 101)])
def test_what_has_no_percentile_is_a_mistake_of_ours(samples: list[int], percent: int) -> None:
    with pytest.raises(InvariantError):
        nearest_rank(samples, percent)
