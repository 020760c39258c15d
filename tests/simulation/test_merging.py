"""Merging pairs in the simulated world: the real services, and the relayer's own books."""

from __future__ import annotations

import pytest

from pmtools.simulate.trial import try_seed


@pytest.mark.parametrize("seed", range(3))
def test_merges_free_capital_and_cash_equals_the_chain(seed: int) -> None:
    trial = try_seed(seed, merging=True)
    assert not trial.problems
    assert trial.merges
