"""The promise of a simulated Polymarket, and the values it uses.

A `SimulatedVenue` is a pure state machine over given time: it owns markets, matching, accounts and
settlement. `services/simulator` puts HTTP and WebSockets around it; tests call it directly.

Time: calls carry `at_ns`; a time before `now_ns` counts as `now_ns`. A call first brings the world
to `at_ns`; what that and the call itself made happen is handed out, in order, by the next
`advance`. After a call, `next_ns()` may therefore lie in the past: call `advance` at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from pmcore.model.market import Outcome, Window
from pmsim.venue.controls import VenueControls


class OrderSide(StrEnum):
    """As the venue writes it."""

    BUY = "BUY"
    SELL = "SELL"


class TimeInForce(StrEnum):
    """`orderType`. GTC and GTD rest; FOK and FAK never do."""

    GTC = "GTC"
    GTD = "GTD"
    FOK = "FOK"
    FAK = "FAK"


class OrderStatus(StrEnum):
    """Status of an order, plain (REST adds the prefix `ORDER_STATUS_`)."""

    LIVE = "LIVE"
    DELAYED = "DELAYED"
    MATCHED = "MATCHED"
    CANCELED = "CANCELED"
    CANCELED_MARKET_RESOLVED = "CANCELED_MARKET_RESOLVED"


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Who trades: `owner` is the API key, the identity of orders and user frames."""

    owner: str
    maker_address: str


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A signed order, checked and decoded. `order_hash` is the EIP-712 digest, given by the caller.

    Sizes in shares. `amount_u6` is the cash that a FOK/FAK BUY spends: then `price_e4` is the worst
    price and `size_u6` what it buys at that price; 0: the size decides.
    """

    order_hash: str
    token_id: str
    side: OrderSide
    price_e4: int
    size_u6: int
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    expiration_s: int = 0
    amount_u6: int = 0


class PlaceResult(msgspec.Struct, frozen=True, kw_only=True):
    """What POST /order answers.

    `error` is the venue's text (docs/venue.md 1.6), "" when accepted; then `status` is `live`,
    `matched` or `delayed`. Amounts are of the match. `code` and `retry_after_s` go with refusals
    by mode (docs/venue.md 1.7).
    """

    order_hash: str
    http_status: int = 200
    error: str = ""
    status: str = ""
    making_u6: int = 0
    taking_u6: int = 0
    trade_ids: tuple[str, ...] = ()
    code: str = ""
    retry_after_s: int = 0


class CancelOutcome(msgspec.Struct, frozen=True):
    """`canceled` ids and (id, the venue's reason) for the others (docs/venue.md 1.5).

    `error` is the body's text when the whole request is refused with `http_status` (a mode).
    """

    canceled: tuple[str, ...] = ()
    not_canceled: tuple[tuple[str, str], ...] = ()
    http_status: int = 200
    error: str = ""
    retry_after_s: int = 0


class VenueOrder(msgspec.Struct, kw_only=True):
    """An order as the venue keeps it; the venue's own object, read only to others.

    `status_text` is what user frames say instead of the status, when not "" (docs/venue.md 6.2).
    """

    order_hash: str
    account: Account
    condition_id: str
    token_id: str
    outcome: Outcome
    side: OrderSide
    price_e4: int
    original_u6: int
    matched_u6: int = 0
    status: OrderStatus = OrderStatus.LIVE
    time_in_force: TimeInForce = TimeInForce.GTC
    expiration_s: int = 0
    created_ns: int = 0
    trade_ids: list[str] = msgspec.field(default_factory=list)
    amount_u6: int = 0
    status_text: str = ""

    @property
    def leaves_u6(self) -> int:
        """What may still match."""
        open_ = self.status in (OrderStatus.LIVE, OrderStatus.DELAYED)
        return self.original_u6 - self.matched_u6 if open_ else 0


class MakerFill(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of `maker_orders`: the maker's own token, side, price, and rebate accrued."""

    order_hash: str
    account: Account
    token_id: str
    outcome: Outcome
    side: OrderSide
    price_e4: int
    size_u6: int
    rebate_u6: int = 0


class TradeRecord(msgspec.Struct, kw_only=True):
    """One taker order's match. Top level = the taker. `status` moves on its own.

    See docs/venue.md 6.3.

    `fee_u6` is what the taker paid in cash on top (docs/venue.md 4.8).
    """

    trade_id: str
    taker_order_hash: str
    taker: Account
    condition_id: str
    token_id: str
    outcome: Outcome
    side: OrderSide
    price_e4: int
    size_u6: int
    makers: tuple[MakerFill, ...]
    status: str = "MATCHED"
    transaction_hash: str = ""
    matched_ns: int = 0
    updated_ns: int = 0
    fee_u6: int = 0

    @property
    def taker_fill(self) -> MakerFill:
        """The taker's part, in the shape of a maker's; `price_e4` is the last match's."""
        return MakerFill(
            order_hash=self.taker_order_hash,
            account=self.taker,
            token_id=self.token_id,
            outcome=self.outcome,
            side=self.side,
            price_e4=self.price_e4,
            size_u6=self.size_u6,
        )

    def concerns(self, owner: str) -> bool:
        """Whether an account took part."""
        return owner in (self.taker.owner, *(maker.account.owner for maker in self.makers))


class ListedWindow(msgspec.Struct, frozen=True, kw_only=True):
    """A window as Gamma lists it now. `closed`: resolved, its book is gone. One that is not
    `hydrated` is unknown to the CLOB: every path of it answers 404 (docs/venue.md 1.3).
    """

    window: Window
    accepting_orders: bool
    closed: bool
    winner: Outcome | None = None
    up_price_e4: int = 5_000
    hydrated: bool = True


class MarketFrame(msgspec.Struct, frozen=True, kw_only=True):
    """A frame of the market channel, `text` exactly as sent to subscribers of any of the tokens.

    `custom` frames go only to connections with `custom_feature_enabled`; one without tokens
    (`new_market`) goes to all of these.
    """

    at_ns: int
    condition_id: str
    token_ids: tuple[str, ...]
    text: str
    custom: bool = False


class UserFrame(msgspec.Struct, frozen=True, kw_only=True):
    """A frame of the user channel for the connections of one API key (`owner`)."""

    at_ns: int
    owner: str
    condition_id: str
    frame: dict[str, object]


VenueEvent = MarketFrame | UserFrame


class SimulatedVenue(VenueControls, Protocol):
    """A Polymarket in memory. Orders of unknown accounts are an `InvariantError`."""

    source: str

    @property
    def now_ns(self) -> int:
        """The world's time; at first, when it begins."""
        ...

    @property
    def done(self) -> bool:
        """Nothing more will come by itself (a recording that ended and was resolved)."""
        ...

    def add_account(self, account: Account) -> None:
        """Register an API key, with generous cash; again: its later orders name the new wallet."""
        ...

    def place(self, owner: str, order: NewOrder, at_ns: int) -> PlaceResult:
        """Let an order reach the engine at `at_ns`."""
        ...

    def place_batch(
        self, owner: str, orders: Sequence[NewOrder], at_ns: int
    ) -> Sequence[PlaceResult]:
        """Let orders reach the engine as one event: one hash and timestamp for all that rests."""
        ...

    def cancel(self, owner: str, order_hashes: Sequence[str], at_ns: int) -> CancelOutcome:
        """Cancel by ids; ids of other accounts are `Order not found or already canceled`."""
        ...

    def cancel_all(self, owner: str, at_ns: int) -> CancelOutcome:
        """Cancel all open orders of an account."""
        ...

    def cancel_market(
        self, owner: str, at_ns: int, *, condition_id: str = "", token_id: str = ""
    ) -> CancelOutcome:
        """Cancel an account's open orders of a market and/or a token."""
        ...

    def open_orders(self, owner: str) -> Sequence[VenueOrder]:
        """Live orders, oldest first."""
        ...

    def order(self, order_hash: str) -> VenueOrder | None:
        """Any order ever accepted, whatever its status."""
        ...

    def trades(self, owner: str) -> Sequence[TradeRecord]:
        """Trades in which the account took part, newest first."""
        ...

    def balance_u6(self, owner: str, token_id: str = "") -> int:
        """Shares of a token, or cash (collateral) for ""."""
        ...

    def book(self, token_id: str) -> dict[str, object] | None:
        """`GET /book`: the whole book with its hash (docs/venue.md 1.3); None = 404."""
        ...

    def initial_dump(self, token_ids: Sequence[str]) -> str | None:
        """The text of the frame that follows a market subscription: an array of books."""
        ...

    def listings(self) -> Sequence[ListedWindow]:
        """Past, running and coming windows, oldest first."""
        ...

    def listing(self, slug: str) -> ListedWindow | None:
        """One window by slug; a rotating world makes any window of its series on demand."""
        ...

    def underlying_e8(self, asset: str, at_ns: int) -> int | None:
        """The price of an asset (`btc`) in 1e-8 dollars; None where it is not known."""
        ...

    def advance(self, to_ns: int) -> Sequence[VenueEvent]:
        """Bring the world to `to_ns`; all events since the last call, in order of time."""
        ...

    def next_ns(self) -> int | None:
        """When the next event is due (maybe in the past), None when nothing is."""
        ...
