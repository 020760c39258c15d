"""Inputs that a driver makes itself. They are journalled like all others, never published."""

from __future__ import annotations

from pmcore.messages.base import Message


class Tick(Message, frozen=True, kw_only=True):
    """Time passed.

    Drivers send one at least every 100 ms, so the state also changes when no message comes.
    """


class BatchEnded(Message, frozen=True, kw_only=True):
    """All inputs of the batch have been applied: decide now, once."""


TimerMessage = Tick | BatchEnded
