"""The own bids of a journal: what the venue filled of them, and what each model of fills would.

The journal holds the market data and the account's events in the order in which the strategy
consumed them, so both are of one clock. A bid is in the queues of the models from the moment that
the strategy knew it to rest. A cancelled bid leaves them when the strategy hears of it; a filled
one stays for LINGER_NS, because the print of its trade may come after the trade's report.
"""

from __future__ import annotations

import msgspec

from pmcore.engine.strategy.engine import WindowEngine
from pmcore.engine.strategy.journal import STRATEGY_JOURNAL, JournalEntry, JournalHeader
from pmcore.machines.order_lifecycle import OrderState, OwnOrder
from pmcore.machines.rotation import WindowState
from pmcore.messages.market_data import MarketDataMessage
from pmcore.messages.orders import SubmitOrder
from pmcore.messages.user import FillReported
from pmcore.model.market import Outcome
from pmsim.queue.line import PRINT_LAG_NS, FillModel
from pmsim.queue.model import QueueModel
from pmsim.queue.paper_reports import order_hash_of
from pmtools.calibrate.own_size import without_own
from pmtools.errors import UsageError
from pmtools.replay.journals import JournalParts, header_of, journal_steps

LINGER_NS = PRINT_LAG_NS


class Filled(msgspec.Struct):
    """Shares filled of one bid, and when the first of them was."""

    qty_u6: int = 0
    first_ns: int | None = None

    def add(self, at_ns: int, qty_u6: int) -> None:
        """One more fill."""
        self.qty_u6 += qty_u6
        self.first_ns = at_ns if self.first_ns is None else self.first_ns


class OwnBid(msgspec.Struct, kw_only=True):
    """One bid that was known to rest. `phase` is the window's when it was first known."""

    slug: str
    order_id: str
    size_u6: int
    phase: WindowState
    rests_ns: int
    ended_ns: int | None = None
    venue: Filled = msgspec.field(default_factory=Filled)
    models: dict[FillModel, Filled] = msgspec.field(
        default_factory=lambda: {model: Filled() for model in FillModel}
    )


class JournalBids(msgspec.Struct):
    """What a journal tells: its bids; and how many were filled before they were known to rest."""

    bids: list[OwnBid] = msgspec.field(default_factory=list)
    filled_at_once: int = 0
    unread_lines: int = 0


def read_bids(journal: JournalParts) -> JournalBids:
    """Step a strategy's journal again, its bids in the queues of all models.

    Raise `UsageError` for a journal of another engine, and for one of a run on paper.
    """
    header = header_of(journal)
    if journal.format is not STRATEGY_JOURNAL or not isinstance(header, JournalHeader):
        raise UsageError(f"{journal.paths[0]} is no journal of a strategy")
    told = JournalBids()
    reader = _Reader(header.make_engine(), told)
    for line in journal_steps(journal):
        if isinstance(line, JournalEntry):
            reader.step(line)
        elif isinstance(line, Exception):
            told.unread_lines += 1
    if reader.paper:
        raise UsageError(
            f"{journal.paths[0]} is of a run on paper: its fills are a model's own. Use one of the "
            "real venue or of the simulator (pm run --keep)"
        )
    return told


class _Reader:
    def __init__(self, engine: WindowEngine, told: JournalBids) -> None:
        self._engine = engine
        self._told = told
        self._queues = {model: QueueModel(engine.session.window, model) for model in FillModel}
        self._known: dict[str, OwnBid] = {}
        self._queued: set[str] = set()
        self._hashes: dict[str, str] = {}
        self._trades: set[tuple[str, str]] = set()
        self.paper = False

    def step(self, line: JournalEntry) -> None:
        at_ns, event = line.at_ns, line.event
        own_u6 = self._own_sizes()
        for output in self._engine.step(at_ns, event):
            if isinstance(output, SubmitOrder):
                self._hashes[output.client_order_id] = order_hash_of(output)
        if isinstance(event, FillReported):
            self._fill(at_ns, event)
        elif isinstance(event, MarketDataMessage):
            unseen_e4 = self._engine.session.cause.unseen_trade_e4
            message = without_own(event, own_u6)
            for model, queue in self._queues.items():
                for fill in queue.on_market(message, unseen_trade_e4=unseen_e4):
                    self._known[fill.order_id].models[model].add(at_ns, fill.qty_u6)
        self._follow(at_ns)

    def _own_sizes(self) -> dict[tuple[Outcome, int], int]:
        resting = [o for o in self._engine.session.orders.alive() if _rests(o)]
        return {(order.outcome, order.price_e4): order.leaves_u6 for order in resting}

    def _fill(self, at_ns: int, fill: FillReported) -> None:
        trade = (fill.trade_id, fill.order_hash)
        order = self._engine.session.orders.by_hash(fill.order_hash)
        if order is None or trade in self._trades:
            return
        self._trades.add(trade)
        self.paper |= self._hashes.get(order.client_order_id) == fill.order_hash
        bid = self._known.get(order.client_order_id)
        if bid is None:
            self._told.filled_at_once += 1
        else:
            bid.venue.add(at_ns, fill.size_u6)

    def _follow(self, at_ns: int) -> None:
        """Rest what the strategy knows to rest; take out what ended."""
        session = self._engine.session
        for order in session.orders.alive():
            if _rests(order) and order.client_order_id not in self._known:
                self._rest(at_ns, order)
        for order_id in list(self._queued):
            bid, held = self._known[order_id], session.orders.get(order_id)
            if held is not None and _rests(held):
                continue
            bid.ended_ns = at_ns if bid.ended_ns is None else bid.ended_ns
            if held is None or not _matched(held) or at_ns - bid.ended_ns >= LINGER_NS:
                self._queued.discard(order_id)
                for queue in self._queues.values():
                    queue.remove(order_id)

    def _rest(self, at_ns: int, order: OwnOrder) -> None:
        session, order_id = self._engine.session, order.client_order_id
        self._known[order_id] = bid = OwnBid(
            slug=session.window.slug,
            order_id=order_id,
            size_u6=order.leaves_u6,
            phase=session.clock.state,
            rests_ns=at_ns,
        )
        self._told.bids.append(bid)
        self._queued.add(order_id)
        for queue in self._queues.values():
            queue.add(order_id, order.outcome, order.price_e4, order.leaves_u6, at_ns)


def _matched(order: OwnOrder) -> bool:
    """Whether all of it was filled; the order's own event may say so before the trade does."""
    return max(order.filled_u6, order.claimed_u6) >= order.size_u6


def _rests(order: OwnOrder) -> bool:
    """Whether the venue is known to have it; a cancel on its way changes nothing yet."""
    return order.state is OrderState.RESTING and bool(order.client_order_id)
