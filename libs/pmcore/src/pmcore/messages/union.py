"""The closed union of everything that may stand in a stream."""

from __future__ import annotations

from pmcore.messages.control import ControlMessage
from pmcore.messages.dead_letter import DeadLetter
from pmcore.messages.execution import ExecutionMessage
from pmcore.messages.gate import PlacingGateChanged
from pmcore.messages.market_data import MarketDataMessage
from pmcore.messages.orders import CommandMessage
from pmcore.messages.prior_loss import PriorLossChanged
from pmcore.messages.rotation import RotationMessage
from pmcore.messages.timers import TimerMessage
from pmcore.messages.user import UserMessage

StreamMessage = (
    MarketDataMessage
    | RotationMessage
    | CommandMessage
    | ExecutionMessage
    | UserMessage
    | ControlMessage
    | DeadLetter
)

EngineEvent = (
    MarketDataMessage
    | RotationMessage
    | ExecutionMessage
    | UserMessage
    | ControlMessage
    | TimerMessage
    | PlacingGateChanged
    | PriorLossChanged
)
"""What the strategy's step accepts."""
