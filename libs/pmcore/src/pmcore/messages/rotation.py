"""The life of windows on `{series}:rot`."""

from __future__ import annotations

from pmcore.messages.base import Message
from pmcore.model.market import Outcome, Window


class WindowAnnounced(Message, frozen=True, kw_only=True):
    """A window exists and its consumer groups were created in the same transaction."""

    window: Window
    ts_recv_ns: int


class WindowResolved(Message, frozen=True, kw_only=True):
    """The winner according to Gamma, or None when the feed stopped asking."""

    slug: str
    winner: Outcome | None
    ts_recv_ns: int


RotationMessage = WindowAnnounced | WindowResolved
