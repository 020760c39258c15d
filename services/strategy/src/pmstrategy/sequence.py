"""Repeats and gaps in what a producer published, by the envelope's sequence number."""

from __future__ import annotations

from enum import StrEnum

from pmcore.wire.ports import Incoming

MAX_RUNS = 256


class Arrival(StrEnum):
    """How an entry follows the last one of the same producer's run on the same stream."""

    NEXT = "next"
    REPEAT = "repeat"
    GAP = "gap"


class SequenceWatch:
    """The newest sequence number per (stream, source, run), of the last `MAX_RUNS` that spoke."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str, str], int] = {}

    def judge(self, item: Incoming) -> Arrival:
        """Lower or equal is a repeat, a jump is a gap; the first one seen is taken as it is."""
        envelope = item.envelope
        if envelope is None:
            return Arrival.NEXT
        key = (item.stream, envelope.source, envelope.run_id)
        last = self._seen.pop(key, None)
        self._seen[key] = envelope.seq if last is None else max(last, envelope.seq)
        if last is not None and envelope.seq <= last:
            return Arrival.REPEAT
        if len(self._seen) > MAX_RUNS:
            del self._seen[next(iter(self._seen))]
        return Arrival.NEXT if last is None or envelope.seq == last + 1 else Arrival.GAP

    def forget(self, stream: str) -> None:
        """Reading of a stream starts anew."""
        self._seen = {key: seq for key, seq in self._seen.items() if key[0] != stream}
