"""Which messages of the shared streams concern a window: asked once, when the engine is stepped."""

from __future__ import annotations

from pmcore.messages.execution import (
    CancelFailed,
    MergeReported,
    OrderAccepted,
    OrderCancelled,
    OrderFailed,
    OrderSubmitting,
    OrderUnknown,
    WindowFlat,
)
from pmcore.messages.market_data import (
    BookDelta,
    BookSnapshot,
    FeedStatusChanged,
    TickSizeChanged,
    TradePrinted,
    UnderlyingPriced,
)
from pmcore.messages.rotation import WindowResolved
from pmcore.messages.timers import BatchEnded, Tick
from pmcore.messages.union import EngineEvent
from pmcore.messages.user import FillReported, OrderUpdated
from pmcore.model.market import Window

_NAMES_NOTHING = (BatchEnded, Tick)
"""Most events are of these two, so they are asked for first."""
_NAMES_A_MARKET = (FillReported, OrderUpdated)
_NAMES_A_WINDOW = (
    BookSnapshot,
    BookDelta,
    TradePrinted,
    UnderlyingPriced,
    TickSizeChanged,
    FeedStatusChanged,
    OrderSubmitting,
    OrderAccepted,
    OrderFailed,
    OrderUnknown,
    OrderCancelled,
    CancelFailed,
    WindowFlat,
    MergeReported,
    WindowResolved,
)


def concerns(window: Window, event: EngineEvent) -> bool:
    """Whether an event is about this window, or about the account, the operator or the clock.

    `VenueModeChanged` names a window and tells the mode of the account, so it concerns all.
    """
    if isinstance(event, _NAMES_NOTHING):
        return True
    if isinstance(event, _NAMES_A_WINDOW):
        return event.slug == window.slug
    if isinstance(event, _NAMES_A_MARKET):
        return event.condition_id == window.condition_id
    return True
