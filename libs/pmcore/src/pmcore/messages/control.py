"""Halt and resume on `{acct}:ctl`. A halt is stored and survives restarts."""

from __future__ import annotations

from pmcore.messages.base import Message


class Halt(Message, frozen=True, kw_only=True):
    """Cancel everything, place nothing until `Resume`."""

    reason: str
    by: str
    ts_recv_ns: int


class Resume(Message, frozen=True, kw_only=True):
    """Quote again, after the usual checks."""

    by: str
    ts_recv_ns: int


ControlMessage = Halt | Resume
