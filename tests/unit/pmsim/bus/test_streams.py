from __future__ import annotations

from pmcore.wire.entry_ids import ZERO
from pmsim.bus.streams import Stream

MS = 1_000_000


def test_ids_rise_whatever_the_clock_does() -> None:
    stream = Stream()
    ids = [stream.add({}, now_ns) for now_ns in (5 * MS, 5 * MS + 1, 3 * MS, 6 * MS)]
    assert ids == [(5, 0), (5, 1), (5, 2), (6, 0)]


def test_the_end_of_a_stream_outlives_its_entries() -> None:
    stream = Stream()
    last = stream.add({b"t": b"x"}, 7 * MS)
    stream.drop(last)
    assert stream.tail == ZERO
    assert stream.start_id("$") == last
    assert stream.add({}, 7 * MS) == (7, 1)


def test_trimming_goes_in_blocks_and_keeps_at_least_what_is_asked() -> None:
    stream = Stream()
    for number in range(450):
        stream.add({}, number * MS, max_len=300)
        assert len(stream) <= 399
    assert len(stream) == 350
    assert stream.trim((449, 0)) == 300
    assert stream.trim((0, 0)) == 0
    assert len(stream) == 50


def test_the_lag_is_what_a_group_has_not_been_given() -> None:
    stream = Stream()
    stream.create_group("g", "$")
    for number in range(1, 6):
        stream.add({}, number * MS)
    stream.deliver("g", "c", 2, 0, noack=True)
    assert stream.lag(stream.groups["g"]) == 3


def test_redelivery_makes_an_entry_young_again() -> None:
    stream = Stream()
    stream.create_group("g", "0")
    stream.add({b"t": b"x"}, 1 * MS)
    stream.deliver("g", "dead", 10, 0, noack=False)
    assert stream.recover("g", "heir", 60 * MS, 59 * MS) == []
    ((_, _, deliveries),) = stream.recover("g", "heir", 60 * MS, 60 * MS)
    assert deliveries == 2
    assert stream.recover("g", "third", 60 * MS, 119 * MS) == []
