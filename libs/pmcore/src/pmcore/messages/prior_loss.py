"""What the day has lost outside a window, as the strategy's driver knows it. Never published."""

from __future__ import annotations

from pmcore.messages.base import Message


class PriorLossChanged(Message, frozen=True, kw_only=True):
    """`loss_u6`: lost today by other windows, in millionths of a dollar; negative: won.

    Windows that are not over count with their worst case, if that is a loss. Journalled like every
    input. Until the first one the engine has what it was built with.
    """

    loss_u6: int
    ts_recv_ns: int
