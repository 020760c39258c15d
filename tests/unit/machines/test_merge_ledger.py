"""What is known of merges."""

from __future__ import annotations

import pytest

from pmcore.machines.merge_ledger import MergeLedger
from pmcore.messages.execution import MergeStatus
from pmcore.model.market import Outcome
from pmcore.model.units import SHARE_U6
from support.merges import FAILED, MERGED, UNKNOWN, dollars, merge_report


def test_only_what_was_merged_counts_as_merged() -> None:
    ledger = MergeLedger()
    assert ledger.hear(merge_report("a", MERGED, pairs=5, up=2.0, down=2.5, at_ns=7))
    assert ledger.hear(merge_report("b", FAILED, pairs=6, up=3.0, down=3.0, at_ns=8))
    assert ledger.hear(merge_report("c", UNKNOWN, pairs=7, up=3.5, down=3.0, at_ns=9))
    assert ledger.merged_u6 == 5 * SHARE_U6
    assert ledger.doubted_u6 == 7 * SHARE_U6
    assert ledger.freed_e4u6(Outcome.UP) == dollars(2.0)
    assert ledger.freed_e4u6(Outcome.DOWN) == dollars(2.5)
    assert [report.merge_id for report in ledger.reports] == ["a", "b", "c"]
    assert len(ledger) == 3


@pytest.mark.parametrize("final", [MERGED, FAILED])
def test_what_is_unknown_may_turn_out_either_way_and_what_is_final_stays(
    final: MergeStatus,
) -> None:
    ledger = MergeLedger()
    assert ledger.hear(merge_report(status=UNKNOWN))
    assert not ledger.hear(merge_report(status=UNKNOWN))
    assert ledger.hear(merge_report(status=final))
    for later in MergeStatus:
        assert not ledger.hear(merge_report(status=later))
    assert [report.status for report in ledger.reports] == [final]


def test_merged_by_counts_what_was_told_by_then() -> None:
    ledger = MergeLedger()
    ledger.hear(merge_report("a", MERGED, pairs=5, at_ns=10))
    ledger.hear(merge_report("b", UNKNOWN, pairs=5, at_ns=10))
    assert ledger.merged_by_u6(9) == 0
    assert ledger.merged_by_u6(10) == 5 * SHARE_U6
