"""Repeats and gaps in what a producer published, by the envelope's sequence number."""

from __future__ import annotations

from enum import StrEnum

from pmcore.wire.ports import Incoming

MAX_RUNS = 256


class Arrival(StrEnum):
    """How an entry follows the last one of the same producer's run on the same stream.

    `HEADLESS`: the first one that came of its run is not the run's first, though it should be.
    """

    NEXT = "next"
    REPEAT = "repeat"
    GAP = "gap"
    HEADLESS = "headless"


class SequenceWatch:
    """The newest sequence number per (stream, source, run), of the last `MAX_RUNS` that spoke."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str, str], int] = {}
        self._whole_since_ns: dict[str, int] = {}

    def expect_whole(self, stream: str, since_ns: int) -> None:
        """The stream is read from its beginning, and nothing since then may be missing.

        A run counts from 1. Where the first entry that comes has another number, those before it
        are missing. They are older than that entry. So it is no loss if that entry is older than
        `since_ns`, the time before which nothing concerns the reader: trimming took the others.
        """
        self._whole_since_ns[stream] = since_ns

    def judge(self, item: Incoming) -> Arrival:
        """Lower or equal is a repeat, a jump is a gap; for the first one see `expect_whole`."""
        envelope = item.envelope
        if envelope is None:
            return Arrival.NEXT
        key = (item.stream, envelope.source, envelope.run_id)
        last = self._seen.pop(key, None)
        self._seen[key] = envelope.seq if last is None else max(last, envelope.seq)
        if last is None:
            if len(self._seen) > MAX_RUNS:
                del self._seen[next(iter(self._seen))]
            since_ns = self._whole_since_ns.get(item.stream)
            lost = since_ns is not None and envelope.ts_pub_ns >= since_ns and envelope.seq != 1
            return Arrival.HEADLESS if lost else Arrival.NEXT
        if envelope.seq <= last:
            return Arrival.REPEAT
        return Arrival.NEXT if envelope.seq == last + 1 else Arrival.GAP

    def forget(self, stream: str) -> None:
        """Reading of a stream starts anew."""
        self._seen = {key: seq for key, seq in self._seen.items() if key[0] != stream}
