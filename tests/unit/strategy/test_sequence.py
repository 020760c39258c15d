"""Repeats and gaps by the envelope's sequence."""

from __future__ import annotations

from pmcore.messages.base import Envelope
from pmcore.wire.ports import Incoming
from pmstrategy.sequence import MAX_RUNS, Arrival, SequenceWatch

NEXT, REPEAT, GAP, HEADLESS = Arrival


def entry(
    seq: int, *, stream: str = "md", source: str = "feed", run_id: str = "a", ts_pub_ns: int = 0
) -> Incoming:
    envelope = Envelope(source=source, run_id=run_id, seq=seq, ts_pub_ns=ts_pub_ns)
    return Incoming(stream, "1-0", None, envelope)


def test_a_jump_is_a_gap_and_an_old_number_a_repeat() -> None:
    watch = SequenceWatch()
    arrivals = [watch.judge(entry(seq)) for seq in (7, 8, 8, 3, 10, 11)]
    assert arrivals == [NEXT, NEXT, REPEAT, REPEAT, GAP, NEXT]


def test_streams_sources_and_runs_are_counted_apart() -> None:
    watch = SequenceWatch()
    watch.judge(entry(5))
    others = (entry(1, stream="exe"), entry(1, source="executor"), entry(1, run_id="b"))
    assert [watch.judge(other) for other in others] == [NEXT, NEXT, NEXT]


def test_what_cannot_be_decoded_is_no_gap() -> None:
    assert SequenceWatch().judge(Incoming("md", "1-0", None)) is NEXT


def test_a_stream_that_is_read_anew_starts_anew() -> None:
    watch = SequenceWatch()
    watch.judge(entry(5))
    watch.judge(entry(5, stream="exe"))
    watch.forget("md")
    assert watch.judge(entry(2)) is NEXT
    assert watch.judge(entry(2, stream="exe")) is REPEAT


def test_the_runs_that_spoke_last_are_remembered_and_no_more() -> None:
    watch = SequenceWatch()
    watch.judge(entry(5, run_id="silent"))
    watch.judge(entry(5, run_id="loud"))
    for number in range(MAX_RUNS - 1):
        watch.judge(entry(1, run_id=f"r{number}"))
        watch.judge(entry(5, run_id="loud"))
    assert watch.judge(entry(5, run_id="loud")) is REPEAT
    assert watch.judge(entry(1, run_id="silent")) is NEXT  # forgotten: taken as it is
    assert len(vars(watch)["_seen"]) == MAX_RUNS


def test_a_run_whose_beginning_is_missing_is_headless() -> None:
    watch = SequenceWatch()
    watch.expect_whole("user", 100)
    firsts = [
        entry(1, stream="user", run_id="whole", ts_pub_ns=150),
        entry(6, stream="user", run_id="lost", ts_pub_ns=100),
        entry(6, stream="user", run_id="trimmed", ts_pub_ns=99),
        entry(6, stream="md", ts_pub_ns=150),
    ]
    assert [watch.judge(first) for first in firsts] == [NEXT, HEADLESS, NEXT, NEXT]
    assert watch.judge(entry(7, stream="user", run_id="lost", ts_pub_ns=160)) is NEXT
