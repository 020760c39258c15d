"""When the strategy merges pairs (docs/strategy_guide.md#merging-pairs).

Only when capital is short, and seldom: the relayer's quota is one for the whole account. One merge
at a time; while what became of one is not known, there is no other. A refusal is tried again after
a wait that doubles, a few times.
"""

from __future__ import annotations

from pmcore.machines.merge_ledger import MAX_MERGES, MergeLedger
from pmcore.messages.execution import MergeReported, MergeStatus
from pmcore.model.units import NS_PER_S

MERGE_WAIT_NS = 30 * NS_PER_S
"""The least time from what became of one merge to the next."""
MAX_FAILED_IN_A_ROW = 3
MERGE_TTL_NS = 5 * NS_PER_S
"""So long a command to merge may take to the executor."""


class MergeSchedule:
    """Of one window. `under_way_u6`: pairs of a merge that nobody has told about yet."""

    def __init__(self, min_pairs_u6: int) -> None:
        self.under_way_u6 = 0
        self.sent = 0
        """Merges that were asked for."""
        self._min_pairs_u6 = min_pairs_u6
        self._merge_id = ""
        self._failed_in_a_row = 0
        self._next_ns = 0

    @property
    def is_on(self) -> bool:
        """Whether anything is ever merged."""
        return self._min_pairs_u6 > 0

    def size_u6(self, at_ns: int, mergeable_u6: int, known: MergeLedger) -> int:
        """How many pairs to merge now that capital is short; 0: none."""
        waits = self._merge_id or known.doubted_u6 or at_ns < self._next_ns
        gave_up = self._failed_in_a_row >= MAX_FAILED_IN_A_ROW
        used_up = max(self.sent, len(known)) >= MAX_MERGES
        if not self.is_on or waits or gave_up or used_up or mergeable_u6 < self._min_pairs_u6:
            return 0
        return mergeable_u6

    def send(self, merge_id: str, size_u6: int) -> None:
        """Note that a merge was asked for."""
        self.sent += 1
        self._merge_id, self.under_way_u6 = merge_id, size_u6

    def hear(self, at_ns: int, report: MergeReported) -> None:
        """What became of a merge, told for the first time."""
        failed = report.status is MergeStatus.FAILED
        self._failed_in_a_row = self._failed_in_a_row + 1 if failed else 0
        doublings = max(self._failed_in_a_row - 1, 0)
        self._next_ns = at_ns + (MERGE_WAIT_NS << doublings)
        if report.merge_id == self._merge_id:
            self._merge_id, self.under_way_u6 = "", 0
