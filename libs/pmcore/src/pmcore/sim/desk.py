"""The venue's own books on accounts: orders, trades, settlement, and the user channel's frames.

Shared by all simulated venues; who matches an order is their business. Refusals carry the venue's
texts (venue.md 1.6). Settlement: MATCHED, then MINED and CONFIRMED, or RETRYING and FAILED for the
share of trades given by `failed_ppm`, picked by a digest of (seed, trade) and not by order.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Sequence

import msgspec

from pmcore.messages.user import OrderUpdateKind
from pmcore.model.check import invariant
from pmcore.model.market import Outcome, Window
from pmcore.model.units import (
    DOLLAR_U6,
    NS_PER_MS,
    QTY_GRID_U6,
    format_price,
    format_qty,
    is_on_grid,
    value_u6,
)
from pmcore.sim.answers import MATCHED_TEXT, NOT_OPEN_TEXT, refused
from pmcore.sim.ledger import Ledger, moves_of, taker_price_e4
from pmcore.sim.ports import (
    Account,
    CancelResult,
    MakerFill,
    NewOrder,
    OrderRecord,
    OrderSide,
    OrderStatus,
    PlaceResult,
    TimeInForce,
    TradeRecord,
    UserFrame,
)
from pmcore.sim.rows import order_frame, trade_frame

CROWD = Account(owner="crowd", maker_address="0x" + "c0" * 20)


class DeskParams(msgspec.Struct, frozen=True, kw_only=True):
    """Cash each account starts with; settlement delays follow each other."""

    seed: int = 0
    cash_u6: int = 1_000_000 * DOLLAR_U6
    mined_delay_ms: int = 4_000
    confirmed_delay_ms: int = 20_000
    failed_ppm: int = 0


class Desk:
    """Accounts, their orders and trades. `frames` collects user frames in order of time."""

    def __init__(self, params: DeskParams) -> None:
        self._params = params
        self.ledger = Ledger()
        self.frames: list[UserFrame] = []
        self.orders: dict[str, OrderRecord] = {}
        self.trades: list[TradeRecord] = []
        self._accounts: dict[str, Account] = {}
        self._open: dict[str, dict[str, OrderRecord]] = {}
        self._due: list[tuple[int, int, TradeRecord, Window, str]] = []
        self._scheduled = 0

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

    def open_orders(self, owner: str) -> list[OrderRecord]:
        """Live orders of an account, oldest first."""
        return list(self._open[self.account(owner).owner].values())

    def all_open(self) -> list[OrderRecord]:
        """Live orders of all accounts."""
        return [record for orders in self._open.values() for record in orders.values()]

    def refusal(
        self, owner: str, order: NewOrder, window: Window, tick_e4: int
    ) -> PlaceResult | None:
        """The venue's refusal of an order that needs no look at the book, or None."""
        name = f"order {order.order_hash}"
        resting = order.time_in_force in (TimeInForce.GTC, TimeInForce.GTD)
        if order.order_hash in self.orders:
            text = f"{name} is invalid. Duplicated."
        elif not is_on_grid(order.price_e4, tick_e4):
            text = (
                f"{name} is invalid. Price ({format_price(order.price_e4)}) breaks minimum tick "
                f"size rule: {format_price(tick_e4)}"
            )
        elif resting and order.size_u6 < window.min_size_u6:
            text = (
                f"{name} is invalid. Size ({format_qty(order.size_u6)}) lower than the minimum: "
                f"{format_qty(window.min_size_u6)}"
            )
        elif order.size_u6 <= 0 or order.size_u6 % QTY_GRID_U6 or (order.post_only and not resting):
            text = "Invalid order payload"
        elif not self._affords(owner, order):
            text = "not enough balance / allowance"
        else:
            return None
        return refused(order, text)

    def accept(self, owner: str, order: NewOrder, window: Window, at_ns: int) -> OrderRecord:
        """Open an order and announce it."""
        outcome = window.outcome_of(order.token_id)
        invariant(outcome is not None, "an order for a token of another market")
        record = OrderRecord(
            order_hash=order.order_hash,
            account=self.account(owner),
            condition_id=window.condition_id,
            token_id=order.token_id,
            outcome=outcome or Outcome.UP,
            side=order.side,
            price_e4=order.price_e4,
            original_u6=order.size_u6,
            time_in_force=order.time_in_force,
            expiration_s=order.expiration_s,
            created_ns=at_ns,
        )
        self.orders[order.order_hash] = self._open[owner][order.order_hash] = record
        self._tell_order(record, OrderUpdateKind.PLACEMENT, at_ns)
        return record

    def cancel(
        self,
        owner: str,
        order_hashes: Sequence[str],
        at_ns: int,
        pull: Callable[[OrderRecord], None],
    ) -> CancelResult:
        """Cancel by ids; `pull` takes an order out of the venue's book."""
        canceled: list[str] = []
        refused_: list[tuple[str, str]] = []
        for order_hash in dict.fromkeys(order_hashes):
            record = self._open[self.account(owner).owner].get(order_hash)
            if record is None:
                known = self.orders.get(order_hash)
                matched = known is not None and known.status is OrderStatus.MATCHED
                mine = known is not None and known.account.owner == owner
                text = MATCHED_TEXT if matched and mine else NOT_OPEN_TEXT
                refused_.append((order_hash, text))
                continue
            pull(record)
            self.close(record, OrderStatus.CANCELED, at_ns)
            canceled.append(order_hash)
        return CancelResult(tuple(canceled), tuple(refused_))

    def select(self, owner: str, condition_id: str, token_id: str) -> list[str]:
        """Ids of an account's open orders of a market and/or a token; "" is any."""
        return [
            record.order_hash
            for record in self.open_orders(owner)
            if condition_id in ("", record.condition_id) and token_id in ("", record.token_id)
        ]

    def resolve(self, window: Window, at_ns: int, pull: Callable[[OrderRecord], None]) -> None:
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

    def close(self, record: OrderRecord, status: OrderStatus, at_ns: int) -> None:
        """End an order unfilled."""
        record.status = status
        del self._open[record.account.owner][record.order_hash]
        self._tell_order(record, OrderUpdateKind.CANCELLATION, at_ns)

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
        self.ledger.settle(window, moves_of(taker, makers))
        concerned = [f for f in (taker, *makers) if f.account.owner in self._accounts]
        if not concerned:
            return None
        trade = TradeRecord(
            trade_id=self._trade_id(window.slug),
            taker_order_hash=taker.order_hash,
            taker=taker.account,
            condition_id=window.condition_id,
            token_id=taker.token_id,
            outcome=taker.outcome,
            side=taker.side,
            price_e4=taker_price_e4(taker, makers[-1]),
            size_u6=sum(fill.size_u6 for fill in makers),
            makers=makers,
            matched_ns=at_ns,
            updated_ns=at_ns,
        )
        self.trades.append(trade)
        for fill in concerned:
            self._match(self.orders[fill.order_hash], fill.size_u6, trade.trade_id, at_ns)
        self._tell_trade(trade, at_ns)
        digest = hashlib.sha256(f"{self._params.seed}|{trade.trade_id}".encode()).digest()
        fails = int.from_bytes(digest[:8], "big") % 1_000_000 < self._params.failed_ppm
        trade.transaction_hash = transaction_hash
        mined_ns = at_ns + self._params.mined_delay_ms * NS_PER_MS
        final_ns = mined_ns + self._params.confirmed_delay_ms * NS_PER_MS
        self._schedule(mined_ns, trade, window, "RETRYING" if fails else "MINED")
        self._schedule(final_ns, trade, window, "FAILED" if fails else "CONFIRMED")
        return trade

    def advance(self, to_ns: int) -> None:
        """Move settlements that are due."""
        while self._due and self._due[0][0] <= to_ns:
            at_ns, _, trade, window, status = heapq.heappop(self._due)
            trade.status = status
            trade.updated_ns = at_ns
            if status == "FAILED":
                self.ledger.reverse(window, moves_of(trade.taker_fill, trade.makers))
            self._tell_trade(trade, at_ns)

    def next_ns(self) -> int | None:
        """When the next settlement is due."""
        return self._due[0][0] if self._due else None

    def _affords(self, owner: str, order: NewOrder) -> bool:
        open_orders = self.open_orders(owner)
        if order.side is OrderSide.BUY:
            reserved_u6 = sum(
                value_u6(record.price_e4, record.leaves_u6)
                for record in open_orders
                if record.side is OrderSide.BUY
            )
            needed_u6 = value_u6(order.price_e4, order.size_u6)
            return reserved_u6 + needed_u6 <= self.ledger.cash_u6(owner)
        offered_u6 = sum(
            record.leaves_u6
            for record in open_orders
            if record.side is OrderSide.SELL and record.token_id == order.token_id
        )
        return offered_u6 + order.size_u6 <= self.ledger.shares_u6(owner, order.token_id)

    def _match(self, record: OrderRecord, qty_u6: int, trade_id: str, at_ns: int) -> None:
        record.matched_u6 += qty_u6
        record.trade_ids.append(trade_id)
        invariant(record.matched_u6 <= record.original_u6, "matched beyond the order's size")
        if record.matched_u6 == record.original_u6:
            record.status = OrderStatus.MATCHED
            self._open[record.account.owner].pop(record.order_hash, None)
        self._tell_order(record, OrderUpdateKind.UPDATE, at_ns)

    def _tell_order(self, record: OrderRecord, kind: OrderUpdateKind, at_ns: int) -> None:
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

    def _schedule(self, at_ns: int, trade: TradeRecord, window: Window, status: str) -> None:
        self._scheduled += 1
        heapq.heappush(self._due, (at_ns, self._scheduled, trade, window, status))
