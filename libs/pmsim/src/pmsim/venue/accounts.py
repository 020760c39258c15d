"""The venue's own books on accounts: orders, trades, settlement, and the user channel's frames.

Shared by all simulated venues; each venue matches orders itself. Refusals carry the venue's texts
(docs/venue.md 1.6). An order inside the taker delay counts for the books only: it is not listed
and cannot be cancelled (docs/venue.md 4.9).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import msgspec

from pmcore.messages.user import OrderUpdateKind
from pmcore.model.check import invariant
from pmcore.model.market import Outcome, Window
from pmcore.model.units import DOLLAR_U6, NS_PER_S, value_u6
from pmsim.faults.plan import FaultPlan, strikes
from pmsim.run.scheduler import Scheduler
from pmsim.venue.answers import MATCHED_TEXT, NOT_OPEN_TEXT
from pmsim.venue.checks import content_refusal, inactive_ns
from pmsim.venue.fees import FeeParams, priced, taker_fee_u6
from pmsim.venue.funds import Funds
from pmsim.venue.ledger import Ledger, moves_of
from pmsim.venue.payloads import order_frame, trade_frame
from pmsim.venue.ports import (
    Account,
    CancelOutcome,
    MakerFill,
    NewOrder,
    OrderSide,
    OrderStatus,
    TimeInForce,
    TradeRecord,
    UserFrame,
    VenueOrder,
)
from pmsim.venue.settlement import Settlement, new_trade

CROWD = Account(owner="crowd", maker_address="0x" + "c0" * 20)
EXPIRED_TEXT = "CANCELED_EXPIRED_ORDER"

Pull = Callable[[VenueOrder], None]
"""Takes an order out of the venue's book."""


class AccountsParams(msgspec.Struct, frozen=True, kw_only=True):
    """Cash each account starts with; settlement delays follow each other."""

    seed: int = 0
    cash_u6: int = 1_000_000 * DOLLAR_U6
    mined_delay_ms: int = 4_000
    confirmed_delay_ms: int = 20_000
    failed_ppm: int = 0
    fees: FeeParams = FeeParams()


class Accounts:
    """Accounts, their orders and trades. `frames` collects user frames in order of time.

    `pull` is called for an order whose time has come, before it ends.
    """

    def __init__(self, params: AccountsParams, pull: Pull) -> None:
        self._params = params
        self._pull = pull
        self._schedule = Scheduler()
        self.plan = FaultPlan()
        self.ledger = Ledger()
        self.funds = Funds(self.ledger)
        self.settlement = Settlement(
            self.ledger,
            self._schedule,
            self._tell_trade,
            seed=params.seed,
            mined_delay_ms=params.mined_delay_ms,
            confirmed_delay_ms=params.confirmed_delay_ms,
        )
        self.frames: list[UserFrame] = []
        self.orders: dict[str, VenueOrder] = {}
        self.trades: list[TradeRecord] = []
        self._accounts: dict[str, Account] = {}
        self._open: dict[str, dict[str, VenueOrder]] = {}

    def add_account(self, account: Account) -> None:
        """Register and fund an account once; a new wallet is that of later orders."""
        if account.owner not in self._accounts:
            self._open[account.owner] = {}
            self.ledger.fund(account.owner, self._params.cash_u6)
        self._accounts[account.owner] = account

    def account(self, owner: str) -> Account:
        """A registered account."""
        invariant(owner in self._accounts, f"no such account: {owner}")
        return self._accounts[owner]

    def active(self, owner: str) -> list[VenueOrder]:
        """Orders that bind funds: live ones and those in the taker delay."""
        return list(self._open[self.account(owner).owner].values())

    def open_orders(self, owner: str) -> list[VenueOrder]:
        """Live orders of an account, oldest first."""
        return [record for record in self.active(owner) if record.status is OrderStatus.LIVE]

    def all_open(self) -> list[VenueOrder]:
        """Orders of all accounts that have not ended."""
        return [record for orders in self._open.values() for record in orders.values()]

    def refusal(self, order: NewOrder, window: Window, tick_e4: int, at_ns: int) -> str:
        """The text against an order that needs no look at accounts or the book, or ""."""
        if order.order_hash in self.orders:
            return f"order {order.order_hash} is invalid. Duplicated."
        return content_refusal(order, window, tick_e4, at_ns)

    def shortage(
        self, owner: str, order: NewOrder, *, takes: bool, besides: VenueOrder | None = None
    ) -> str:
        """The text against an order that its account cannot pay, with the fee when it takes.

        `besides` is an open order that does not count: its own record.
        """
        fee_u6 = 0
        if takes and order.side is OrderSide.BUY:
            fee_u6 = taker_fee_u6(self._params.fees, order.price_e4, order.size_u6)
        active = [record for record in self.active(owner) if record is not besides]
        return self.funds.shortage(owner, order, active, fee_u6)

    def accept(
        self,
        owner: str,
        order: NewOrder,
        window: Window,
        at_ns: int,
        *,
        status: OrderStatus = OrderStatus.LIVE,
        original_u6: int | None = None,
    ) -> VenueOrder:
        """Open an order and announce it; `original_u6` is what an order in dollars came to."""
        outcome = window.outcome_of(order.token_id)
        invariant(outcome is not None, "an order for a token of another market")
        record = VenueOrder(
            order_hash=order.order_hash,
            account=self.account(owner),
            condition_id=window.condition_id,
            token_id=order.token_id,
            outcome=outcome or Outcome.UP,
            side=order.side,
            price_e4=order.price_e4,
            original_u6=order.size_u6 if original_u6 is None else original_u6,
            status=status,
            time_in_force=order.time_in_force,
            expiration_s=order.expiration_s,
            created_ns=at_ns,
            amount_u6=order.amount_u6,
        )
        self.orders[order.order_hash] = self._open[owner][order.order_hash] = record
        self.tell_order(record, OrderUpdateKind.PLACEMENT, at_ns)
        if order.time_in_force is TimeInForce.GTD:
            self._schedule.at(inactive_ns(order), lambda now_ns: self._expire(record, now_ns))
        return record

    def cancel(
        self, owner: str, order_hashes: Sequence[str], at_ns: int, pull: Pull
    ) -> CancelOutcome:
        """Cancel by ids; `pull` takes an order out of the venue's book."""
        canceled: list[str] = []
        refused: list[tuple[str, str]] = []
        for order_hash in dict.fromkeys(order_hashes):
            record = self._open[self.account(owner).owner].get(order_hash)
            if record is None or record.status is OrderStatus.DELAYED:
                known = self.orders.get(order_hash)
                matched = known is not None and known.status is OrderStatus.MATCHED
                mine = known is not None and known.account.owner == owner
                refused.append((order_hash, MATCHED_TEXT if matched and mine else NOT_OPEN_TEXT))
                continue
            pull(record)
            self.close(record, OrderStatus.CANCELED, at_ns)
            canceled.append(order_hash)
        return CancelOutcome(tuple(canceled), tuple(refused))

    def select(self, owner: str, condition_id: str, token_id: str) -> list[str]:
        """Ids of an account's open orders of a market and/or a token; "" is any."""
        return [
            record.order_hash
            for record in self.open_orders(owner)
            if condition_id in ("", record.condition_id) and token_id in ("", record.token_id)
        ]

    def resolve(self, window: Window, at_ns: int, pull: Callable[[VenueOrder], None]) -> None:
        """End a market: what rests in it is cancelled by the venue."""
        for record in self.all_open():
            if record.condition_id == window.condition_id:
                pull(record)
                self.close(record, OrderStatus.CANCELED_MARKET_RESOLVED, at_ns)

    def trades_of(self, owner: str) -> list[TradeRecord]:
        """Trades in which an account took part, newest first."""
        return [trade for trade in reversed(self.trades) if trade.concerns(owner)]

    def balance_u6(self, owner: str, token_id: str) -> int:
        """Shares of a token, or cash for ""."""
        if token_id:
            return self.ledger.shares_u6(owner, token_id)
        return self.ledger.cash_u6(owner)

    def close(self, record: VenueOrder, status: OrderStatus, at_ns: int, *, text: str = "") -> None:
        """End an order unfilled; `text` is what its frame says instead of the status."""
        record.status = status
        record.status_text = text
        del self._open[record.account.owner][record.order_hash]
        self.tell_order(record, OrderUpdateKind.CANCELLATION, at_ns)

    def finish(self, record: VenueOrder, at_ns: int) -> None:
        """End an order as matched although less than a displayable size of it is left."""
        record.status = OrderStatus.MATCHED
        del self._open[record.account.owner][record.order_hash]
        self.tell_order(record, OrderUpdateKind.UPDATE, at_ns)

    def trade(
        self,
        window: Window,
        taker: MakerFill,
        makers: tuple[MakerFill, ...],
        at_ns: int,
        *,
        transaction_hash: str,
    ) -> TradeRecord | None:
        """Book a match at once. `taker` has the taker's own token, side, limit and size.

        Returns None, after moving the crowd's shares, when no registered account took part.
        """
        if not any(f.account.owner in self._accounts for f in (taker, *makers)):
            self.ledger.settle(window, moves_of(taker, makers))
            return None
        makers, fee_u6 = priced(self._params.fees, taker, makers)
        trade = new_trade(
            window,
            taker,
            makers,
            trade_id=self._trade_id(window.slug),
            fee_u6=fee_u6,
            at_ns=at_ns,
        )
        self.trades.append(trade)
        self.settlement.begin(trade, window, self.plan, self._params.failed_ppm)
        for fill in (taker, *makers):
            if fill.account.owner in self._accounts:
                self._match(self.orders[fill.order_hash], fill.size_u6, trade.trade_id, at_ns)
        self._tell_trade(trade, at_ns)
        trade.transaction_hash = transaction_hash
        return trade

    def advance(self, to_ns: int) -> None:
        """Move settlements and let orders expire that are due."""
        while (due_ns := self._schedule.next_ns()) is not None and due_ns <= to_ns:
            self._schedule.run_next()

    def next_ns(self) -> int | None:
        """When the next of these is due."""
        return self._schedule.next_ns()

    def _expire(self, record: VenueOrder, at_ns: int) -> None:
        if record.order_hash in self._open[record.account.owner]:
            self._pull(record)
            self.close(record, OrderStatus.CANCELED, at_ns, text=EXPIRED_TEXT)

    def _match(self, record: VenueOrder, qty_u6: int, trade_id: str, at_ns: int) -> None:
        record.matched_u6 += qty_u6
        record.trade_ids.append(trade_id)
        invariant(record.matched_u6 <= record.original_u6, "matched beyond the order's size")
        if record.matched_u6 == record.original_u6:
            record.status = OrderStatus.MATCHED
            self._open[record.account.owner].pop(record.order_hash, None)
        self.tell_order(record, OrderUpdateKind.UPDATE, at_ns)
        if record.side is OrderSide.BUY and strikes(
            self.plan.phantom_ppm, self._params.seed, "phantom", trade_id, record.order_hash
        ):
            self._lock(record.account.owner, value_u6(record.price_e4, qty_u6), at_ns)

    def _lock(self, owner: str, cash_u6: int, at_ns: int) -> None:
        self.funds.lock(owner, cash_u6)
        self._schedule.at(
            at_ns + self.plan.phantom_s * NS_PER_S, lambda _: self.funds.lock(owner, -cash_u6)
        )

    def tell_order(self, record: VenueOrder, kind: OrderUpdateKind, at_ns: int) -> None:
        """Announce an order on its account's user channel."""
        self._tell(
            record.account.owner, record.condition_id, order_frame(record, kind, at_ns), at_ns
        )

    def _tell_trade(self, trade: TradeRecord, at_ns: int) -> None:
        owners = [trade.taker.owner, *(fill.account.owner for fill in trade.makers)]
        for owner in dict.fromkeys(owners):
            if owner in self._accounts:
                self._tell(owner, trade.condition_id, trade_frame(trade, owner, at_ns), at_ns)

    def _tell(self, owner: str, condition_id: str, frame: dict[str, object], at_ns: int) -> None:
        self.frames.append(
            UserFrame(at_ns=at_ns, owner=owner, condition_id=condition_id, frame=frame)
        )

    def _trade_id(self, slug: str) -> str:
        text = f"trade|{self._params.seed}|{slug}|{len(self.trades)}"
        h = hashlib.sha256(text.encode()).hexdigest()
        return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:32]}"
