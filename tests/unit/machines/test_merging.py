"""When pairs are merged: seldom, one at a time, and not while one is in doubt."""

from __future__ import annotations

from pmcore.machines.merge_ledger import MAX_MERGES, MergeLedger
from pmcore.machines.merging import MAX_FAILED_IN_A_ROW, MERGE_WAIT_NS, MergeSchedule
from pmcore.messages.execution import MergeStatus
from pmcore.model.units import SHARE_U6
from support.merges import FAILED, MERGED, UNKNOWN, merge_report

TEN = 10 * SHARE_U6


class Bench:
    """A schedule with the ledger that goes with it."""

    def __init__(self, min_pairs: int = 5) -> None:
        self.schedule = MergeSchedule(min_pairs * SHARE_U6)
        self.known = MergeLedger()

    def size_u6(self, at_ns: int, mergeable_u6: int = TEN) -> int:
        return self.schedule.size_u6(at_ns, mergeable_u6, self.known)

    def tell(self, at_ns: int, merge_id: str, status: MergeStatus) -> None:
        report = merge_report(merge_id, status)
        if self.known.hear(report):
            self.schedule.hear(at_ns, report)

    def send_and_tell(self, at_ns: int, merge_id: str, status: MergeStatus) -> None:
        self.schedule.send(merge_id, TEN)
        self.tell(at_ns, merge_id, status)


def test_all_pairs_are_merged_from_the_least_number_on() -> None:
    bench = Bench(min_pairs=5)
    assert bench.size_u6(0, 5 * SHARE_U6 - 1) == 0
    assert bench.size_u6(0, 5 * SHARE_U6) == 5 * SHARE_U6
    assert bench.size_u6(0, TEN) == TEN


def test_a_least_number_of_0_merges_nothing() -> None:
    bench = Bench(min_pairs=0)
    assert not bench.schedule.is_on
    assert bench.size_u6(0) == 0


def test_one_merge_is_under_way_at_a_time() -> None:
    bench = Bench()
    bench.schedule.send("a", TEN)
    assert bench.schedule.under_way_u6 == TEN
    assert bench.size_u6(10**15) == 0
    bench.tell(0, "of an earlier run", MERGED)
    assert bench.size_u6(10**15) == 0
    bench.tell(0, "a", MERGED)
    assert bench.schedule.under_way_u6 == 0
    assert bench.size_u6(MERGE_WAIT_NS - 1) == 0
    assert bench.size_u6(MERGE_WAIT_NS) == TEN


def test_while_one_is_in_doubt_there_is_no_other() -> None:
    bench = Bench()
    bench.send_and_tell(0, "a", UNKNOWN)
    assert bench.size_u6(10**15) == 0
    bench.tell(100, "a", MERGED)
    assert bench.size_u6(100 + MERGE_WAIT_NS) == TEN


def test_a_refusal_is_tried_again_after_a_wait_that_doubles_a_few_times() -> None:
    bench, at_ns = Bench(), 0
    for number in range(MAX_FAILED_IN_A_ROW):
        assert bench.size_u6(at_ns) == TEN
        bench.send_and_tell(at_ns, str(number), FAILED)
        at_ns += MERGE_WAIT_NS << number
        assert bench.size_u6(at_ns - 1) == 0
    assert bench.size_u6(10**18) == 0


def test_a_success_forgives_the_refusals_before_it() -> None:
    bench = Bench()
    bench.send_and_tell(0, "a", FAILED)
    bench.send_and_tell(0, "b", FAILED)
    bench.send_and_tell(0, "c", MERGED)
    bench.send_and_tell(0, "d", FAILED)
    assert bench.size_u6(MERGE_WAIT_NS) == TEN


def test_a_window_has_so_many_merges_and_no_more() -> None:
    bench = Bench()
    for number in range(MAX_MERGES):
        at_ns = number * MERGE_WAIT_NS
        assert bench.size_u6(at_ns) == TEN
        bench.send_and_tell(at_ns, str(number), MERGED)
    assert bench.schedule.sent == MAX_MERGES
    assert bench.size_u6(10**18) == 0
    restarted = MergeSchedule(5 * SHARE_U6)
    assert restarted.size_u6(10**18, TEN, bench.known) == 0
