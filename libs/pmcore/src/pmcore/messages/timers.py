"""Inputs that a driver makes itself. They are journalled like all others, never published."""

from __future__ import annotations

from pmcore.messages.base import Message


class Tick(Message, frozen=True, kw_only=True):
    """Time passed. Drivers send one at least every 100 ms, so nothing can stick in silence."""


class BatchEnded(Message, frozen=True, kw_only=True):
    """All that was there has been applied: decide now, once."""


TimerMessage = Tick | BatchEnded
