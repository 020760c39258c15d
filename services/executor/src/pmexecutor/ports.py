"""The contract of a venue behind the executor: the real one, the simulated one, and paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pmcore.engine.execution.io import (
    CancelAnswered,
    CancelsFailed,
    MergeAnswered,
    OpenOrdersAnswered,
    OpenOrdersFailed,
    OrderLookedUp,
    Posted,
    PostRejected,
    PostUnknown,
    SubmitMerge,
)
from pmcore.messages.orders import SubmitOrder
from pmcore.model.market import Window

PostAnswer = Posted | PostRejected | PostUnknown
CancelAnswer = CancelAnswered | CancelsFailed
ListAnswer = OpenOrdersAnswered | OpenOrdersFailed


@dataclass(frozen=True)
class PreparedOrder:
    """A signed order: its id, known before it is sent, and the bytes that are sent once."""

    command: SubmitOrder
    order_hash: str
    body: bytes


@dataclass(frozen=True)
class HeartbeatAnswer:
    """The next heartbeat id; not accepted means that it was expected now."""

    accepted: bool
    heartbeat_id: str
    skew_s: float | None = None
    """Our clock less the venue's, where its answer tells the time."""


class Venue(Protocol):
    """Requests of the execution engine. Only `TransportError` is raised, and only where named."""

    @property
    def has_heartbeat(self) -> bool:
        """Whether the venue cancels orders when no heartbeat comes."""
        ...

    def add_window(self, window: Window) -> None:
        """A window is traded from now on."""
        ...

    def drop_window(self, slug: str) -> None:
        """A window is over."""
        ...

    def sign(self, command: SubmitOrder, window: Window) -> PreparedOrder:
        """Build and sign; fast enough for the event loop."""
        ...

    async def post(self, prepared: PreparedOrder) -> PostAnswer:
        """Send once. Never repeats."""
        ...

    async def delete(self, order_hashes: tuple[str, ...]) -> CancelAnswer:
        """Cancel by ids, in one request."""
        ...

    async def delete_all(self) -> None:
        """Cancel everything of this account; raise `TransportError` unless answered."""
        ...

    async def open_orders(self, window: Window) -> ListAnswer:
        """Every open order of a window."""
        ...

    async def all_open_orders(self) -> tuple[str, ...]:
        """Every open order of the account; raise `TransportError` unless answered."""
        ...

    async def look_up(self, window: Window, order_hash: str) -> OrderLookedUp:
        """What became of an order: by id, in the list of open ones, in the trades."""
        ...

    async def beat(self, heartbeat_id: str) -> HeartbeatAnswer:
        """One heartbeat; raise `TransportError` unless answered."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...


class PairMerger(Protocol):
    """What turns pairs into cash: the relayer, or the paper exchange."""

    async def merge(self, window: Window, request: SubmitMerge) -> MergeAnswered:
        """Submit once and wait for what becomes of it, for minutes; raise nothing."""
        ...
