"""From an order at the engine to its result: checks, the taker delay, matching, what is published.

A marketable order is held for the delay and checked again before it matches; post-only orders and
cancels are not held, so a maker can cancel in time (docs/venue.md 4.9). What a call's resting
orders change is one event: one timestamp, one hash.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from pmcore.messages.user import OrderUpdateKind
from pmcore.model.market import Outcome
from pmcore.model.units import NS_PER_MS, QTY_GRID_U6
from pmsim.run.scheduler import Scheduler
from pmsim.run.synthetic_window import SyntheticWindow
from pmsim.venue.accounts import Accounts
from pmsim.venue.answers import (
    NO_BOOK_TEXT,
    NO_MATCH_TEXT,
    NOT_FILLABLE_TEXT,
    POST_ONLY_TEXT,
    accepted,
    delayed,
    refused,
)
from pmsim.venue.checks import dollar_refusal, rests
from pmsim.venue.matching import BookOrder, Placement, Refusal, UpLevel
from pmsim.venue.ports import (
    NewOrder,
    OrderStatus,
    PlaceResult,
    TimeInForce,
    TradeRecord,
    VenueOrder,
)

_REFUSALS = {
    Refusal.POST_ONLY_CROSSES: POST_ONLY_TEXT,
    Refusal.NOT_FILLABLE: NOT_FILLABLE_TEXT,
    Refusal.NO_MATCH: NO_MATCH_TEXT,
}
_NO_BALANCE = "CANCELED_NOT_ENOUGH_BALANCE"


class _Entry(msgspec.Struct, frozen=True):
    """An order on its way through one market."""

    owner: str
    order: NewOrder
    synthetic: SyntheticWindow
    outcome: Outcome

    def fresh(self) -> BookOrder:
        """The order as the book takes it."""
        order = self.order
        return BookOrder(
            order_id=order.order_hash,
            owner=self.owner,
            outcome=self.outcome,
            side=order.side,
            price_e4=order.price_e4,
            leaves_u6=0 if order.amount_u6 else order.size_u6,
            cash_u6=order.amount_u6,
        )


class OrderFlow:
    """The way of registered accounts' orders into the books of a synthetic world."""

    def __init__(
        self,
        accounts: Accounts,
        schedule: Scheduler,
        synthetic_of: Callable[[str], SyntheticWindow | None],
        delay_ms: int,
    ) -> None:
        self._accounts = accounts
        self._schedule = schedule
        self._synthetic_of = synthetic_of
        self._delay_ns = delay_ms * NS_PER_MS
        self._pending: dict[str, tuple[SyntheticWindow, list[UpLevel]]] = {}

    def place(self, owner: str, orders: Sequence[NewOrder], at_ns: int) -> list[PlaceResult]:
        """Let orders reach the engine at once, in their order."""
        answers = [self._place_one(owner, order, at_ns) for order in orders]
        for slug in list(self._pending):
            self._flush(slug, at_ns)
        return answers

    def _place_one(self, owner: str, order: NewOrder, at_ns: int) -> PlaceResult:
        synthetic = self._synthetic_of(order.token_id)
        outcome = synthetic.window.outcome_of(order.token_id) if synthetic else None
        if synthetic is None or outcome is None:
            return refused(order, NO_BOOK_TEXT, 404)
        text = self._accounts.refusal(order, synthetic.window, synthetic.market.tick_e4, at_ns)
        if text:
            return refused(order, text)
        entry = _Entry(owner, order, synthetic, outcome)
        taker = entry.fresh()
        takes = synthetic.market.book.crosses(taker)
        text = self._accounts.shortage(owner, order, takes=takes) or _book_refusal(
            order, takes=takes
        )
        if text:
            return refused(order, text)
        if takes and self._delay_ns:
            record = self._accounts.accept(
                owner, order, synthetic.window, at_ns, status=OrderStatus.DELAYED
            )
            self._schedule.at(
                at_ns + self._delay_ns, lambda now_ns: self._release(entry, record, now_ns)
            )
            return delayed(order)
        placed = _meet(entry, taker)
        if placed.refusal is not None:
            return refused(order, _REFUSALS[placed.refusal])
        record = self._accounts.accept(
            owner, order, synthetic.window, at_ns, original_u6=_size_u6(order, taker, placed)
        )
        return accepted(order, self._finish(entry, record, taker, placed, at_ns))

    def _release(self, entry: _Entry, record: VenueOrder, at_ns: int) -> None:
        """The delay is over: check the funds again, and match what is still there."""
        if record.status is not OrderStatus.DELAYED:
            return
        accounts, order = self._accounts, entry.order
        if accounts.shortage(entry.owner, order, takes=True, besides=record):
            accounts.close(record, OrderStatus.CANCELED, at_ns, text=_NO_BALANCE)
            return
        taker = entry.fresh()
        placed = _meet(entry, taker)
        if placed.refusal is not None:
            text = f"CANCELED_{_REFUSALS[placed.refusal]}"
            accounts.close(record, OrderStatus.CANCELED, at_ns, text=text)
            return
        record.status = OrderStatus.LIVE
        record.original_u6 = _size_u6(order, taker, placed)
        if self._finish(entry, record, taker, placed, at_ns) is None:
            accounts.tell_order(record, OrderUpdateKind.UPDATE, at_ns)
            self._flush(entry.synthetic.window.slug, at_ns)

    def _finish(
        self, entry: _Entry, record: VenueOrder, taker: BookOrder, placed: Placement, at_ns: int
    ) -> TradeRecord | None:
        synthetic = entry.synthetic
        if not placed.matches:
            pending = self._pending.setdefault(synthetic.window.slug, (synthetic, []))
            pending[1].extend(placed.levels)
            return None
        self._flush(synthetic.window.slug, at_ns)
        trade = synthetic.publish(taker, placed, at_ns)
        if 0 < record.leaves_u6 < QTY_GRID_U6:
            self._accounts.finish(record, at_ns)
        elif record.leaves_u6 and not rests(entry.order):
            self._accounts.close(record, OrderStatus.CANCELED, at_ns)
        return trade

    def _flush(self, slug: str, at_ns: int) -> None:
        if slug in self._pending:
            synthetic, levels = self._pending.pop(slug)
            synthetic.publish_levels(levels, at_ns, None)


def _book_refusal(order: NewOrder, *, takes: bool) -> str:
    """The text against an order that does the wrong thing at the book as it stands."""
    if takes and order.post_only:
        return POST_ONLY_TEXT
    if takes:
        return dollar_refusal(order)
    if rests(order):
        return ""
    return NOT_FILLABLE_TEXT if order.time_in_force is TimeInForce.FOK else NO_MATCH_TEXT


def _meet(entry: _Entry, taker: BookOrder) -> Placement:
    order, book = entry.order, entry.synthetic.market.book
    if rests(order):
        return book.place(taker, post_only=order.post_only)
    return book.take(taker, all_or_none=order.time_in_force is TimeInForce.FOK)


def _size_u6(order: NewOrder, taker: BookOrder, placed: Placement) -> int:
    """The order's size in shares; of one in dollars, what they came to."""
    if not order.amount_u6:
        return order.size_u6
    matched_u6 = sum(match.qty_u6 for match in placed.matches)
    return matched_u6 + taker.wants_u6(order.price_e4)
