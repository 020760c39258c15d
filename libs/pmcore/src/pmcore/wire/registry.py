"""Every stream: what may stand in it, who writes and reads it, and how long it is kept.

`docs/streams.md` is generated from here (`python -m pmtools.docs`).
"""

from __future__ import annotations

from enum import StrEnum
from types import UnionType
from typing import get_args

import msgspec

from pmcore.messages.base import Message
from pmcore.messages.control import ControlMessage
from pmcore.messages.dead_letter import DeadLetter
from pmcore.messages.execution import ExecutionMessage
from pmcore.messages.market_data import MarketDataMessage
from pmcore.messages.orders import CommandMessage
from pmcore.messages.rotation import RotationMessage
from pmcore.messages.user import UserMessage
from pmcore.model.errors import InvariantError
from pmcore.wire.keys import stream_kind

MD_MAX_LEN = 120_000
"""Unless `PM_MD_MAX_ENTRIES` says otherwise: two minutes at the 1 000 book changes a second seen in
the busiest windows."""

_DAY_MS = 86_400_000


class ReadMode(StrEnum):
    """State is read without acknowledgement; facts and orders with it."""

    NOACK = "group, NOACK"
    ACK = "group, acknowledged"
    PERSON = "by a person (XRANGE)"


class Scope(StrEnum):
    """What the hash tag of a stream's key is."""

    SERIES = "series"
    ACCOUNT = "account"


class StreamSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of stream. At most one of `max_len` (on each add) and `keep_ms` (janitor) is set.

    The first word of a producer or consumer is a service, `all` or `each`: Redis lets that one
    write or read it (`wire.access`).
    """

    kind: str
    scope: Scope
    purpose: str
    messages: frozenset[type[Message]]
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    read: ReadMode
    max_len: int | None = None
    keep_ms: int | None = None

    def carries(self, message_type: type[Message]) -> bool:
        """Whether a message of this type may stand in the stream."""
        return message_type in self.messages


def _types(union: UnionType | type[Message]) -> frozenset[type[Message]]:
    return frozenset(get_args(union) or (union,))


STREAMS = {
    spec.kind: spec
    for spec in (
        StreamSpec(
            kind="md",
            scope=Scope.SERIES,
            purpose="books, level changes, public trades, tick size, feed status, the underlying",
            messages=_types(MarketDataMessage),
            producers=("feed",),
            consumers=("strategy `<slug>`", "executor `<slug>:executor` (dry mode)"),
            read=ReadMode.NOACK,
            max_len=MD_MAX_LEN,
        ),
        StreamSpec(
            kind="rot",
            scope=Scope.SERIES,
            purpose="windows announced and resolved",
            messages=_types(RotationMessage),
            producers=("feed",),
            consumers=("strategy `strategy`", "executor `executor`"),
            read=ReadMode.ACK,
            keep_ms=3 * _DAY_MS,
        ),
        StreamSpec(
            kind="cmd",
            scope=Scope.SERIES,
            purpose="commands to the executor",
            messages=_types(CommandMessage),
            producers=("strategy",),
            consumers=("executor `<slug>:executor`",),
            read=ReadMode.ACK,
            keep_ms=_DAY_MS,
        ),
        StreamSpec(
            kind="exe",
            scope=Scope.SERIES,
            purpose="what became of commands",
            messages=_types(ExecutionMessage),
            producers=("executor",),
            consumers=("strategy `<slug>`", "executor `executor:recovery` (at a start)"),
            read=ReadMode.ACK,
            keep_ms=_DAY_MS,
        ),
        StreamSpec(
            kind="dlq",
            scope=Scope.SERIES,
            purpose="what could not be handled",
            messages=_types(DeadLetter),
            producers=("strategy",),
            consumers=(),
            read=ReadMode.PERSON,
        ),
        StreamSpec(
            kind="user",
            scope=Scope.ACCOUNT,
            purpose="own orders and fills; the only source of inventory",
            messages=_types(UserMessage),
            producers=("userws", "executor (dry mode)"),
            consumers=("strategy `<slug>`", "executor `<slug>:executor` (for its limits)"),
            read=ReadMode.ACK,
            keep_ms=_DAY_MS,
        ),
        StreamSpec(
            kind="ctl",
            scope=Scope.ACCOUNT,
            purpose="halt and resume",
            messages=_types(ControlMessage),
            producers=("all", "pm kill", "pm resume"),
            consumers=("each service, a group per deployment",),
            read=ReadMode.ACK,
            keep_ms=_DAY_MS,
        ),
    )
}


def spec_of(stream: str) -> StreamSpec:
    """The spec of a stream's key; a key that is no stream is a mistake of ours."""
    spec = STREAMS.get(stream_kind(stream))
    if spec is None:
        raise InvariantError(f"not a stream: {stream!r}")
    return spec
