"""A defect put into the real code is caught by a seed, and the same seed without it is clean."""

from __future__ import annotations

import pytest

from support.defects import DEFECTS, catches, trial_of
from support.known_defects import KNOWN_DEFECTS

pytestmark = pytest.mark.timeout(120)
ALL = {**DEFECTS, **KNOWN_DEFECTS}


@pytest.mark.parametrize("name", ALL)
def test_a_seed_catches_the_defect(name: str) -> None:
    assert ALL[name].seed <= 200
    assert catches(ALL[name], ALL[name].seed)


@pytest.mark.parametrize("name", ALL)
def test_the_same_seed_without_the_defect_breaks_no_law(name: str) -> None:
    assert trial_of(ALL[name], ALL[name].seed).problems == []
