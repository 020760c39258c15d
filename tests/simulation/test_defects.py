"""A defect put into the real code is caught by a seed, and the same seed without it is clean."""

from __future__ import annotations

import pytest

from support.defects import DEFECTS, catches, trial_of

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize("name", DEFECTS)
def test_a_seed_catches_the_defect(name: str) -> None:
    assert catches(DEFECTS[name], DEFECTS[name].seed)


@pytest.mark.parametrize("name", DEFECTS)
def test_the_same_seed_without_the_defect_breaks_no_law(name: str) -> None:
    assert trial_of(DEFECTS[name], DEFECTS[name].seed).problems == []
