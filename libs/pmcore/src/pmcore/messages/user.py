"""The account's own stream `{acct}:user`: the only source of inventory.

See docs/strategy_guide.md#invariants-of-the-strategy.

Published by userws from the authenticated user channel and its REST reconciliation; in dry mode
by the executor's paper venue. Windows of all series share it; readers filter by condition id.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from pmcore.messages.base import Message


class OrderUpdateKind(StrEnum):
    """`type` of an order event (docs/venue.md 6.2)."""

    PLACEMENT = "placement"
    UPDATE = "update"
    CANCELLATION = "cancellation"


class OrderUpdated(Message, frozen=True, kw_only=True):
    """An order event. `status` is the venue's text, lower case, prefix removed; may be "".

    The cancelled remainder is `original_u6 - matched_u6`, never assumed (docs/venue.md 6.2).
    """

    kind: OrderUpdateKind
    order_hash: str
    condition_id: str
    token_id: str
    price_e4: int
    original_u6: int
    matched_u6: int | None
    status: str = ""
    ts_event_ns: int
    ts_recv_ns: int


class TradeStatus(StrEnum):
    """Settlement of a trade (docs/venue.md 6.4)."""

    MATCHED = "matched"
    MINED = "mined"
    CONFIRMED = "confirmed"
    RETRYING = "retrying"
    FAILED = "failed"


class FillReported(Message, frozen=True, kw_only=True):
    """One of OUR maker orders' part of a trade: our token, our price, our size.

    Sent again for each status; identity is (`trade_id`, `order_hash`).
    """

    trade_id: str
    order_hash: str
    condition_id: str
    token_id: str
    price_e4: int
    size_u6: int
    status: TradeStatus
    ts_event_ns: int
    ts_recv_ns: int


class UserChannelState(StrEnum):
    """UP only after REST reconciliation; anything else means: no quotes in live or dry."""

    UP = "up"
    DOWN = "down"
    RECONCILING = "reconciling"


class UserChannelChanged(Message, frozen=True, kw_only=True):
    """The user channel came up (reconciled), went down, or is being reconciled.

    `doubted_ns`: when something about own trades last could not be read; 0 for never. Nothing is
    quoted until positions of after that time were read and agree.
    """

    state: UserChannelState
    reason: str = ""
    doubted_ns: int = 0
    ts_recv_ns: int


class TokenShares(msgspec.Struct, frozen=True, array_like=True):
    """How many shares of a token are held."""

    token_id: str
    size_u6: int


class PositionsRead(Message, frozen=True, kw_only=True):
    """Every position of a market without a result, as the Data API told it.

    Asked for at `asked_ns`; the Data API lags behind the chain and hides less than 0.1 share. It
    is compared with the inventory and changes nothing in it.
    """

    held: tuple[TokenShares, ...] = ()
    asked_ns: int
    ts_recv_ns: int


UserMessage = OrderUpdated | FillReported | UserChannelChanged | PositionsRead
