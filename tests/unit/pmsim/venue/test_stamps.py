from __future__ import annotations

from random import Random

from pmcore.model.units import NS_PER_MS, NS_PER_S
from pmsim.venue.stamps import LATE_PERCENT, MOST_LATE_MS, EventStamps


def test_stamps_are_near_the_events_time_and_never_after_it() -> None:
    stamps = EventStamps(Random(1))
    late_ms = [(NS_PER_S - stamps.of(NS_PER_S)) / NS_PER_MS for _ in range(2_000)]
    assert min(late_ms) == 0
    assert max(late_ms) == MOST_LATE_MS
    share = sum(late > 0 for late in late_ms) / len(late_ms)
    assert abs(share - LATE_PERCENT / 100) < 0.05


def test_without_chance_a_stamp_is_the_events_time() -> None:
    assert EventStamps().of(5) == 5
