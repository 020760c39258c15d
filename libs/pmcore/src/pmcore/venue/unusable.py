"""What could not be used: counted by reason, the first few kept for a look."""

from __future__ import annotations

import msgspec

PROTOCOL_REASONS = ("unknown_event", "unknown_status", "bad_json", "bad_shape")
"""Of all reasons those that a new release of the venue's protocol would cause first."""
SAMPLES_KEPT = 20
_SAMPLE_CHARS = 500


class UnusableSample(msgspec.Struct, frozen=True):
    """The beginning of an input that could not be used, and why."""

    reason: str
    detail: str
    raw: str
    ts_recv_ns: int


class UnusableLog:
    """Counts by reason; keeps the first `SAMPLES_KEPT` samples."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.samples: list[UnusableSample] = []

    def add(self, reason: str, raw: str | bytes, ts_recv_ns: int, detail: str = "") -> None:
        """Count one input."""
        self.counts[reason] = self.counts.get(reason, 0) + 1
        if len(self.samples) < SAMPLES_KEPT:
            start = raw[:_SAMPLE_CHARS]
            text = start if isinstance(start, str) else start.decode(errors="replace")
            self.samples.append(UnusableSample(reason, detail, text, ts_recv_ns))


def begins_json(raw: str | bytes) -> bool:
    """Whether something that is no JSON was meant to be: then a message is lost."""
    head = raw[:64].lstrip()
    return head[:1] in ("{", "[", b"{", b"[")
