"""Halt and resume on `{acct}:ctl`. A halt is stored and survives restarts.

A resume names the halts that it lifts. Neither is ever ordered by its time: clocks step.
"""

from __future__ import annotations

from pmcore.messages.base import Message


class Halt(Message, frozen=True, kw_only=True):
    """Cancel everything, place nothing until a `Resume` that names this halt.

    `halt_id` is unique per halt; "" from releases that did not write it.
    """

    reason: str
    by: str
    ts_recv_ns: int
    halt_id: str = ""

    @property
    def identity(self) -> str:
        """What a resume names: the id, or for an older release's halt what it consists of."""
        return self.halt_id or f"{self.ts_recv_ns} {self.by} {self.reason}"


class Resume(Message, frozen=True, kw_only=True):
    """Quote again, after the usual checks.

    `lifts`: the identities of the halts that end. None, from older releases: those before it
    on the stream that have no id.
    """

    by: str
    ts_recv_ns: int
    resume_id: str = ""
    lifts: tuple[str, ...] | None = None


ControlMessage = Halt | Resume
