"""Counts of what could not be used, and the first few of it."""

from __future__ import annotations

from pmcore.venue.unusable import SAMPLES_KEPT, UnusableLog


def test_counts_all_and_keeps_the_first_few_shortened() -> None:
    log = UnusableLog()
    for number in range(SAMPLES_KEPT + 5):
        log.add("bad_json", "x" * 2_000, number, "why")
    assert log.counts == {"bad_json": SAMPLES_KEPT + 5}
    assert [sample.ts_recv_ns for sample in log.samples] == list(range(SAMPLES_KEPT))
    assert len(log.samples[0].raw) == 500
    assert (log.samples[0].reason, log.samples[0].detail) == ("bad_json", "why")


def test_bytes_that_are_no_text_are_kept_readable() -> None:
    log = UnusableLog()
    log.add("binary", b"\xffab", 1)
    assert log.samples[0].raw == "\ufffdab"
