"""What is known of the merges of one window: by the venue's word only (docs/venue.md 9)."""

from __future__ import annotations

from collections.abc import Sequence

from pmcore.messages.execution import MergeReported, MergeStatus
from pmcore.model.market import Outcome

MAX_MERGES = 20
"""In one window: the relayer takes 25 transactions a minute for the whole account."""


class MergeLedger:
    """One report for each merge: the newest, until it is final."""

    def __init__(self) -> None:
        self._reports: dict[str, MergeReported] = {}

    def hear(self, report: MergeReported) -> bool:
        """Whether it is news. What is final stays, whatever is said after it."""
        known = self._reports.get(report.merge_id)
        if known is not None and (
            known.status is not MergeStatus.UNKNOWN or report.status is MergeStatus.UNKNOWN
        ):
            return False
        self._reports[report.merge_id] = report
        return True

    @property
    def reports(self) -> Sequence[MergeReported]:
        """All of them, in the order in which the merges were first told of."""
        return tuple(self._reports.values())

    @property
    def merged_u6(self) -> int:
        """Pairs that were merged."""
        return self._size_u6(MergeStatus.MERGED)

    @property
    def doubted_u6(self) -> int:
        """Pairs that may have been merged."""
        return self._size_u6(MergeStatus.UNKNOWN)

    def merged_by_u6(self, at_ns: int) -> int:
        """Pairs of which it was told by then that they were merged."""
        return sum(
            report.size_u6
            for report in self._reports.values()
            if report.status is MergeStatus.MERGED and report.ts_exec_ns <= at_ns
        )

    def freed_e4u6(self, outcome: Outcome) -> int:
        """What the merged shares of an outcome had cost (price_e4 x qty_u6)."""
        return sum(
            report.up_cost_e4u6 if outcome is Outcome.UP else report.down_cost_e4u6
            for report in self._reports.values()
            if report.status is MergeStatus.MERGED
        )

    def _size_u6(self, status: MergeStatus) -> int:
        return sum(r.size_u6 for r in self._reports.values() if r.status is status)

    def __len__(self) -> int:
        return len(self._reports)
