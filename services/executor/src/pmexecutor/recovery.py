"""What an earlier run left: commands without an answer, orders without an end.

The entry of a window in `rot` stays pending while the window lives, so a restart finds it; what
was said of its orders stands in `exe` behind that entry. No order is ever sent again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pmcore.engine.execution.io import (
    Abandoned,
    Adopted,
    Command,
    ExecutionEvent,
    MergeAbandoned,
    MergeAdopted,
)
from pmcore.messages.execution import (
    CancelFailed,
    ExecutionMessage,
    MergeReported,
    MergeStatus,
    OrderAccepted,
    OrderCancelled,
    OrderFailed,
    OrderSubmitting,
)
from pmcore.messages.orders import CommandMessage, MergePairs, SubmitOrder
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


Traces = dict[str, Trace | MergeReported]
"""By our id: what `exe` says of an order, and of a merge."""


async def read_traces(bus: Bus, stream: str, consumer: str, from_entry_id: str) -> Traces:
    """By our id, from a little before an entry of the same Redis to the end of the stream."""
    ms = max(0, int(from_entry_id.partition("-")[0]) - LOOK_BACK_MS)
    await bus.destroy_group(GROUP, [stream])
    await bus.create_group(GROUP, [stream], start=f"{ms}-0", announce=None)
    traces: Traces = {}
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


def note(traces: Traces, message: object) -> None:
    """Apply one entry of `exe`."""
    if isinstance(message, MergeReported):
        if not _is_final(traces.get(message.merge_id)):
            traces[message.merge_id] = message
        return
    if isinstance(message, OrderSubmitting):
        traces[message.client_order_id] = Trace(message.slug, message.order_hash)
        return
    if not isinstance(message, OrderAccepted | OrderFailed | OrderCancelled | CancelFailed):
        return
    trace = traces.get(message.client_order_id)
    if isinstance(trace, Trace):
        trace.accepted |= isinstance(message, OrderAccepted)
        trace.ended |= _is_end(message)


def _is_end(message: ExecutionMessage) -> bool:
    if isinstance(message, CancelFailed):
        return message.reason in _GONE
    return isinstance(message, OrderFailed | OrderCancelled)


def _is_final(trace: Trace | MergeReported | None) -> bool:
    return isinstance(trace, MergeReported) and trace.status is not MergeStatus.UNKNOWN


def take_up(
    pending: Iterable[tuple[str, CommandMessage]], traces: Traces
) -> tuple[Sequence[ExecutionEvent], Sequence[str]]:
    """Events for pending commands (token, message), and the tokens that have their answer."""
    events: list[ExecutionEvent] = []
    answered: list[str] = []
    tokens: dict[str, str] = {}
    for token, message in pending:
        if isinstance(message, MergePairs):
            if _is_final(traces.get(message.merge_id)):
                answered.append(token)
            else:
                events.append(MergeAbandoned(token, message))
            continue
        if not isinstance(message, SubmitOrder):
            events.append(Command(token, message))
            continue
        trace = traces.get(message.client_order_id)
        if not isinstance(trace, Trace):
            events.append(Abandoned(token, message))
        elif trace.ended or trace.accepted or message.client_order_id in tokens:
            answered.append(token)
        else:
            tokens[message.client_order_id] = token
    adopted: list[ExecutionEvent] = []
    for our_id, trace in traces.items():
        if isinstance(trace, MergeReported):
            adopted.append(MergeAdopted(trace))
        elif not trace.ended:
            token_of = tokens.get(our_id)
            adopted.append(Adopted(trace.slug, our_id, trace.order_hash, trace.accepted, token_of))
    return [*adopted, *events], answered
