from __future__ import annotations

from pmsim.venue.conservation import ledger_problems
from support.sim_worlds import ME, synthetic


def test_a_sound_ledger_has_no_problems_and_a_tampered_one_does() -> None:
    venue = synthetic()
    window = venue.listings()[0].window
    assert ledger_problems(venue.accounts, [window]) == []
    assert venue.unbalanced() == []
    venue.accounts.ledger._cash_u6[ME.owner] += 1
    venue.accounts.ledger._shares_u6[ME.owner, window.up_token_id] = 5
    problems = ledger_problems(venue.accounts, [window])
    assert [problem.split(":")[0] for problem in problems] == [
        "1 u6 of cash without a source",
        window.slug,
    ]
    assert venue.unbalanced() == problems
