"""What goes into and comes out of the account engine besides the messages of `{acct}:user`."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from pmcore.messages.timers import Tick
from pmcore.messages.user import FillReported, OrderUpdated, TokenShares, UserMessage


class ChannelConnected(msgspec.Struct, frozen=True, tag=True):
    """The socket is open and the subscription was sent."""


class ChannelAnswered(msgspec.Struct, frozen=True, tag=True):
    """The venue said something after it had received the subscription."""


class ChannelLost(msgspec.Struct, frozen=True, tag=True):
    """The connection ended or could not be made."""

    reason: str


class ChannelHeard(msgspec.Struct, frozen=True, tag=True):
    """What one frame said. `unusable` parts say nothing; `doubts` of them may be own fills.

    `taken` names the orders of ours among `messages` that took liquidity.
    """

    messages: tuple[OrderUpdated | FillReported, ...] = ()
    unusable: int = 0
    doubts: int = 0
    taken: tuple[str, ...] = ()


class AccountRead(msgspec.Struct, frozen=True, tag=True):
    """The answer to a `ReadAccount`: the open orders, and own fills, oldest first."""

    read_id: int
    orders: tuple[OrderUpdated, ...] = ()
    fills: tuple[FillReported, ...] = ()
    taken: tuple[str, ...] = ()


class AccountReadFailed(msgspec.Struct, frozen=True, tag=True):
    """A `ReadAccount` that had no answer, or one that could not be read.

    `unreadable`: it tells a trade of ours, and that trade could not be read.
    """

    read_id: int
    text: str
    unreadable: bool = False


class PositionsAnswered(msgspec.Struct, frozen=True, tag=True):
    """The answer to a `ReadPositions`: what the account holds in markets without a result."""

    read_id: int
    held: tuple[TokenShares, ...] = ()


class PositionsReadFailed(msgspec.Struct, frozen=True, tag=True):
    """A `ReadPositions` that had no answer, or one that could not be read."""

    read_id: int
    text: str


class BalanceAnswered(msgspec.Struct, frozen=True, tag=True):
    """The collateral of the wallet, read with the positions; None, and `text`, when it failed."""

    read_id: int
    balance_u6: int | None = None
    text: str = ""


class OperatorResumed(msgspec.Struct, frozen=True, tag=True):
    """A person looked at what was told, and says: go on."""


AccountEvent = (
    ChannelConnected
    | ChannelAnswered
    | ChannelLost
    | ChannelHeard
    | AccountRead
    | AccountReadFailed
    | PositionsAnswered
    | PositionsReadFailed
    | BalanceAnswered
    | OperatorResumed
    | Tick
)


class ReadAccount(msgspec.Struct, frozen=True, tag=True):
    """Read open orders, trades since `after_s` (epoch seconds) and `trade_ids` by REST.

    Give up any earlier reading: its answer is not heard any more.
    """

    read_id: int
    after_s: int
    trade_ids: tuple[str, ...] = ()


class ReadPositions(msgspec.Struct, frozen=True, tag=True):
    """Read the account's positions from the Data API, and its balance."""

    read_id: int


class ReconnectChannel(msgspec.Struct, frozen=True, tag=True):
    """Drop the connection and make another."""

    reason: str


class AccountNoticeKind(StrEnum):
    """Closed list; the shell logs each under its name."""

    USER_CHANNEL = "user_channel"
    OWN_TRADE_UNREADABLE = "own_trade_unreadable"
    OWN_ORDER_TOOK = "own_order_took"
    FILLS_MISSING = "fills_missing"
    FILLS_MISSED_BY_CHANNEL = "fills_missed_by_channel"
    RECONCILED = "reconciled"
    RECONCILE_FAILED = "reconcile_failed"
    POSITIONS_FAILED = "positions_failed"
    BALANCE_FAILED = "balance_failed"
    BALANCE_FELL = "balance_fell"


class AccountNotice(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something for a log line; which fields are set depends on the kind."""

    kind: AccountNoticeKind
    state: str = ""
    reason: str = ""
    count: int = 0
    open_orders: int = 0
    fills: int = 0
    trade_ids: tuple[str, ...] = ()
    order_hashes: tuple[str, ...] = ()


AccountOutput = UserMessage | ReadAccount | ReadPositions | ReconnectChannel | AccountNotice
