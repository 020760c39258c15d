"""What an earlier run left: commands without an answer, orders without an end.

The entry of a window in `rot` stays pending while the window lives, so a restart finds it; what
was said of its orders stands in `exe` behind that entry. No order is ever sent again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pmcore.engine.execution.io import Abandoned, Adopted, Command, ExecutionEvent
from pmcore.messages.execution import (
    CancelFailed,
    ExecutionMessage,
    OrderAccepted,
    OrderCancelled,
    OrderFailed,
    OrderSubmitting,
)
from pmcore.messages.orders import CommandMessage, SubmitOrder
from pmcore.model.errors import Reason
from pmcore.wire.ports import Bus

GROUP = "executor:recovery"
MAX_ENTRIES = 500_000
LOOK_BACK_MS = 10_000
_GONE = frozenset({Reason.ALREADY_MATCHED, Reason.NOT_FOUND})


@dataclass
class Trace:
    """What `exe` says of one order."""

    slug: str
    order_hash: str
    accepted: bool = False
    ended: bool = False


async def read_traces(bus: Bus, stream: str, consumer: str, from_entry_id: str) -> dict[str, Trace]:
    """By our id, from a little before an entry of the same Redis to the end of the stream."""
    ms = max(0, int(from_entry_id.partition("-")[0]) - LOOK_BACK_MS)
    await bus.destroy_group(GROUP, [stream])
    await bus.create_group(GROUP, [stream], start=f"{ms}-0", announce=None)
    traces: dict[str, Trace] = {}
    read = 0
    while read < MAX_ENTRIES:
        batch = await bus.read(GROUP, consumer, [stream], block_ms=1, noack=True)
        if not batch:
            break
        read += len(batch)
        for item in batch:
            if item.message is not None:
                note(traces, item.message)
    await bus.destroy_group(GROUP, [stream])
    return traces


def note(traces: dict[str, Trace], message: object) -> None:
    """Apply one entry of `exe`."""
    if isinstance(message, OrderSubmitting):
        traces[message.client_order_id] = Trace(message.slug, message.order_hash)
        return
    if not isinstance(message, OrderAccepted | OrderFailed | OrderCancelled | CancelFailed):
        return
    trace = traces.get(message.client_order_id)
    if trace is not None:
        trace.accepted |= isinstance(message, OrderAccepted)
        trace.ended |= _is_end(message)


def _is_end(message: ExecutionMessage) -> bool:
    if isinstance(message, CancelFailed):
        return message.reason in _GONE
    return isinstance(message, OrderFailed | OrderCancelled)


def take_up(
    pending: Iterable[tuple[str, CommandMessage]], traces: dict[str, Trace]
) -> tuple[Sequence[ExecutionEvent], Sequence[str]]:
    """Events for pending commands (token, message), and the tokens that have their answer."""
    events: list[ExecutionEvent] = []
    answered: list[str] = []
    tokens: dict[str, str] = {}
    for token, message in pending:
        if not isinstance(message, SubmitOrder):
            events.append(Command(token, message))
            continue
        trace = traces.get(message.client_order_id)
        if trace is None:
            events.append(Abandoned(token, message))
        elif trace.ended or trace.accepted or message.client_order_id in tokens:
            answered.append(token)
        else:
            tokens[message.client_order_id] = token
    adopted = [
        Adopted(
            trace.slug,
            client_order_id,
            trace.order_hash,
            trace.accepted,
            tokens.get(client_order_id),
        )
        for client_order_id, trace in traces.items()
        if not trace.ended
    ]
    return [*adopted, *events], answered
