"""Whether the executor may place, as the strategy's driver learnt it. Journalled, never published.

The executor says it in its liveness key (`pmcore.shell.service.health`). A driver without one
(replay, simulation) says it once at the start of a window.
"""

from __future__ import annotations

from pmcore.messages.base import Message


class PlacingGateChanged(Message, frozen=True, kw_only=True):
    """`open`: the executor would place an order now. `reason` says why not; unknown is closed."""

    open: bool
    reason: str = ""
    ts_recv_ns: int
