"""How messages travel in a replay: directly, or over a bus with its codec, groups and acks.

Whatever the way, what arrives is what was sent, in the order sent within a stream; batches of
several streams arrive in the order of `_STREAMS`. So the fingerprint is the same on each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar, cast

from pmcore.messages.execution import ExecutionMessage
from pmcore.messages.market_data import MarketDataMessage
from pmcore.messages.orders import CommandMessage
from pmcore.messages.user import (
    FillReported,
    OrderUpdated,
    PositionsRead,
    UserChannelChanged,
    UserMessage,
)
from pmcore.model.check import invariant
from pmcore.model.market import Window
from pmcore.wire import keys
from pmcore.wire.ports import Ack, Bus, Outgoing

_BLOCK_MS = 1_000
_EMPTY_READS = 10
_CONSUMER = "replay"
_USER = (FillReported, OrderUpdated, PositionsRead, UserChannelChanged)

Answer = ExecutionMessage | UserMessage
M = TypeVar("M", MarketDataMessage, CommandMessage, ExecutionMessage, UserMessage)


class ReplayTransport(Protocol):
    """Carries the messages of one window."""

    async def open(self, window: Window) -> None:
        """Make ready for a window."""
        ...

    async def market(self, messages: Sequence[MarketDataMessage]) -> Sequence[MarketDataMessage]:
        """From the feed to the strategy."""
        ...

    async def commands(self, messages: Sequence[CommandMessage]) -> Sequence[CommandMessage]:
        """From the strategy to the executor."""
        ...

    async def answers(self, messages: Sequence[Answer]) -> Sequence[Answer]:
        """From executor and user channel to the strategy."""
        ...


class DirectConduit:
    """No bus at all."""

    async def open(self, window: Window) -> None:
        """Nothing to make ready."""

    async def market(self, messages: Sequence[MarketDataMessage]) -> Sequence[MarketDataMessage]:
        """The same messages."""
        return messages

    async def commands(self, messages: Sequence[CommandMessage]) -> Sequence[CommandMessage]:
        """The same messages."""
        return messages

    async def answers(self, messages: Sequence[Answer]) -> Sequence[Answer]:
        """The same messages, execution first, as two streams are read one after the other."""
        if not messages:
            return messages
        return [
            *(message for message in messages if not isinstance(message, _USER)),
            *(message for message in messages if isinstance(message, _USER)),
        ]


class BusConduit:
    """Every message published, read by its window's group, and acknowledged."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._group = ""
        self._md = self._cmd = self._exe = self._user = ""

    async def open(self, window: Window) -> None:
        """Create the window's groups as the feed does."""
        self._group = keys.window_group(window.slug)
        self._md, self._cmd = keys.md(window.series), keys.cmd(window.series)
        self._exe, self._user = keys.exe(window.series), keys.user(f"replay-{window.slug}")
        await self._bus.create_group(self._group, [self._user], announce=None)
        await self._bus.create_group(self._group, [self._md, self._cmd, self._exe], announce=None)

    async def market(self, messages: Sequence[MarketDataMessage]) -> Sequence[MarketDataMessage]:
        """Over `md`, without acknowledgement."""
        return await self._carry(self._md, messages, noack=True)

    async def commands(self, messages: Sequence[CommandMessage]) -> Sequence[CommandMessage]:
        """Over `cmd`."""
        return await self._carry(self._cmd, messages, noack=False)

    async def answers(self, messages: Sequence[Answer]) -> Sequence[Answer]:
        """Over `exe` and `user`."""
        executed = [message for message in messages if not isinstance(message, _USER)]
        of_user = [message for message in messages if isinstance(message, _USER)]
        return [
            *await self._carry(self._exe, executed, noack=False),
            *await self._carry(self._user, of_user, noack=False),
        ]

    async def _carry(self, stream: str, messages: Sequence[M], *, noack: bool) -> Sequence[M]:
        if not messages:
            return []
        entry_ids = await self._bus.publish([Outgoing(stream, message) for message in messages])
        wanted = set(entry_ids)
        arrived: list[M] = []
        reads = 0
        while wanted:
            incoming = await self._bus.read(
                self._group, _CONSUMER, [stream], block_ms=_BLOCK_MS, noack=noack
            )
            reads = 0 if incoming else reads + 1
            invariant(reads < _EMPTY_READS, f"{len(wanted)} entries never arrived on {stream}")
            for entry in incoming:
                invariant(entry.message is not None, f"{entry.problem} entry on {stream}")
                if entry.entry_id in wanted:
                    wanted.remove(entry.entry_id)
                    arrived.append(cast("M", entry.message))  # the codec checks it by stream
            if incoming and not noack:
                await self._bus.ack([Ack(stream, self._group, e.entry_id) for e in incoming])
        return arrived
