"""All state of one market window in one object, and the views that decisions are made from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from pmcore.engine.strategy.conditions import (
    AccountTrust,
    ExecutorGate,
    FeedStatus,
    OperatorHalt,
    UserChannelStatus,
    VenueModeState,
    VenueRefusals,
)
from pmcore.engine.strategy.counters import EngineCounters
from pmcore.engine.strategy.orders import OrderBookkeeper
from pmcore.engine.strategy.progress import (
    BatchCause,
    FlatCheck,
    LastDecision,
    LossLimit,
    SideState,
)
from pmcore.engine.strategy.quoting_time import QuotingTime
from pmcore.engine.strategy.why import Obstacle, Why, as_one_line
from pmcore.machines.book import BookState, WindowBooks
from pmcore.machines.fair_value import FairValue
from pmcore.machines.first_leg import FirstLegGates
from pmcore.machines.inventory import Inventory, Position
from pmcore.machines.last_answer import LastAnswer
from pmcore.machines.markouts import Markouts
from pmcore.machines.merging import MergeSchedule
from pmcore.machines.ofi import OutcomeFlow
from pmcore.machines.ofi_threshold import ThresholdSource, WarmStart
from pmcore.machines.placement import SlotView
from pmcore.machines.positions_check import Believed, PositionsCheck
from pmcore.machines.quoting import QuoteMode, QuoteView, SideView, Targets
from pmcore.machines.risk import Exposure, Provisional, RiskRefusal, filled
from pmcore.machines.rotation import WindowClock
from pmcore.machines.underlying_moves import UnderlyingMoves
from pmcore.messages.execution import VenueMode
from pmcore.messages.market_data import FeedState, FeedStatusChanged, UnderlyingPriced
from pmcore.messages.rotation import WindowResolved
from pmcore.messages.user import PositionsRead, UserChannelChanged, UserChannelState
from pmcore.model.market import BookSide, Outcome, Window
from pmcore.model.params import StrategyParams
from pmcore.model.units import PRICE_ONE_E4, SHARE_U6, complement_e4, format_qty

OUTCOMES = (Outcome.UP, Outcome.DOWN)
LEVELS_SHOWN = 5


class MarketSession:
    """One window: books, flow, inventory, orders, clock, and what the others told us."""

    def __init__(
        self,
        window: Window,
        params: StrategyParams,
        *,
        warm_start: dict[Outcome, WarmStart] | None = None,
        prior_loss_u6: int = 0,
        gated: bool = True,
        books: WindowBooks | None = None,
    ) -> None:
        self.window = window
        self.params = params
        self.books = books or WindowBooks(window)
        self.flows = {
            outcome: OutcomeFlow(
                params.ofi,
                ThresholdSource(params.ofi, window.length_ns, (warm_start or {}).get(outcome)),
            )
            for outcome in OUTCOMES
        }
        self.first_leg = FirstLegGates(params.first_leg, window.open_ns)
        self.underlying = UnderlyingMoves(params.underlying)
        self.fair_value = FairValue(window, params.fair_value, params.underlying.stale_ns)
        self.inventory = Inventory()
        self.merging = MergeSchedule(params.merge_min_pairs_u6)
        self.orders = OrderBookkeeper(params)
        self.clock = WindowClock(window, params)
        self.sides = {outcome: SideState() for outcome in OUTCOMES}
        self.counters = EngineCounters()
        self.feed = FeedStatus()
        self.user = UserChannelStatus()
        self.gate = ExecutorGate(gated=gated)
        self.venue_mode = VenueModeState()
        self.halt = OperatorHalt()
        self.refusals = VenueRefusals(self._size_refusal(), params.failure_backoff_ns)
        self.trust = AccountTrust()
        self.positions = PositionsCheck(params.positions_stay_ns, params.positions_lag_ns)
        self.flat_check = FlatCheck()
        self.cause = BatchCause()
        self.loss_limit = LossLimit(prior_loss_u6)
        self.decision = LastDecision()
        self.last_targets = LastAnswer(Targets(QuoteMode.HOLD))
        self.last_pair_risk = LastAnswer[RiskRefusal | None](None)
        self._last_can_open = LastAnswer(answer=False)
        self.quoting_time = QuotingTime()
        self.markouts = Markouts(window.close_ns)
        self.winner: Outcome | None = None

    def _size_refusal(self) -> str:
        bid_u6, min_u6 = self.params.bid_size_u6, self.window.min_size_u6
        if bid_u6 >= min_u6:
            return ""
        return (
            f"PM_BID_SIZE={format_qty(bid_u6)} is below this market's minimum of "
            f"{format_qty(min_u6)} shares: set PM_BID_SIZE={format_qty(min_u6)} or more"
        )

    @property
    def tick_e4(self) -> int:
        """The grid we quote on: the market's own tick, or ours when coarser and on its grid.

        Ours off the market's grid (.0025 in a .001 market) gives the finest grid within both.
        """
        market_e4, ours_e4 = self.books.tick_e4, self.params.finest_tick_e4
        return market_e4 if market_e4 >= ours_e4 else math.lcm(market_e4, ours_e4)

    @property
    def toxic(self) -> bool:
        """Whether either outcome's flow is toxic."""
        return self.flows[Outcome.UP].toxic or self.flows[Outcome.DOWN].toxic

    @property
    def can_open(self) -> bool:
        """The user's gate, whichever of the matched and of the owed shares are taken back."""
        inventory, limits = self.inventory, self.params.limits
        asked = (inventory.working, inventory.settled, inventory.unsettled, self.orders.owed())
        if self._last_can_open.knows(asked):
            return self._last_can_open.answer
        opens = all(view.can_open(limits) for view in self.worst_views)
        return self._last_can_open.keep(asked, opens)

    @property
    def worst_views(self) -> tuple[Position, ...]:
        """What is held if everything stays, and where it is the worst that some does not."""
        if not self.inventory.unsettled and not self.orders.owed():
            return (self.inventory.working,)
        known = self.provisional
        maybe = Provisional(known.settled, (*known.fills, *self.orders.owed()))
        return (self.evidenced, *maybe.worst)

    @property
    def provisional(self) -> Provisional:
        """The ledger: what settled, and on top of it what matched and may be taken back."""
        matched = (Exposure(e.outcome, e.price_e4, e.size_u6) for e in self.inventory.unsettled)
        return Provisional(self.inventory.settled, tuple(matched))

    @property
    def evidenced(self) -> Position:
        """Working inventory and the shares that are proved to be matched but not told as trades."""
        return filled(self.inventory.working, self.orders.owed())

    @property
    def profit_u6(self) -> int:
        """Dollars (millionths) won; the worst case while the winner is not known."""
        working = self.inventory.working
        return working.profit_u6(self.winner) if self.winner else -working.worst_loss_u6

    @property
    def settled_profit_u6(self) -> int:
        """The same for what the chain has taken: what matched and never settled is left out."""
        settled = self.inventory.settled
        return settled.profit_u6(self.winner) if self.winner else -settled.worst_loss_u6

    @property
    def worst_profit_u6(self) -> int:
        """The same if those of the unsettled fills and of the owed shares settle that hurt most."""
        profits_u6, owed = self.inventory.worst_profit_u6, self.orders.owed()
        winners = (self.winner,) if self.winner else OUTCOMES
        return min(profits_u6[winner] - _paid_u6(owed, winner.complement) for winner in winners)

    def hear_feed(self, event: FeedStatusChanged) -> None:
        """Apply the feed's state.

        Books of before a new start are dropped, whole ones will follow.
        """
        if self.feed.hear(event):
            self.books.reset()

    def hear_user(self, event: UserChannelChanged) -> None:
        """Apply the state of the user channel."""
        self.user.hear(event)
        self.positions.doubt(event.doubted_ns)

    def hear_underlying(self, event: UnderlyingPriced) -> bool:
        """Give the underlying's price to the rules that are on, and say whether one is."""
        if self.underlying.is_on:
            self.underlying.note(event.ts_recv_ns, event.price_e8)
        if self.fair_value.is_on:
            self.fair_value.note(event.ts_recv_ns, event.price_e8)
        return self.underlying.is_on or self.fair_value.is_on

    def hear_positions(self, event: PositionsRead) -> None:
        """Compare the venue's positions with the ledger; after the result they may be redeemed."""
        if self.winner is not None:
            return
        told = {one.token_id: one.size_u6 for one in event.held}
        held_u6 = {o: told.get(self.window.token_id(o), 0) for o in OUTCOMES}
        shown_ns = event.asked_ns - self.params.positions_lag_ns
        merges = self.inventory.merges
        least_merged_u6 = merges.merged_by_u6(shown_ns)
        most_merged_u6 = merges.merged_u6 + merges.doubted_u6 + self.merging.under_way_u6
        believed = {
            o: Believed(
                max(self.inventory.settled_by_u6(o, shown_ns) - most_merged_u6, 0),
                self.evidenced.holding(o).qty_u6 - least_merged_u6,
            )
            for o in OUTCOMES
        }
        self.positions.compare(event.asked_ns, held_u6, believed)

    def resolve(self, at_ns: int, event: WindowResolved) -> None:
        """The venue named the winner."""
        self.winner = event.winner
        self.clock.resolved(at_ns)

    def hold(self, at_ns: int) -> str:
        """Why nothing may rest now, or ""."""
        why = self.holding(at_ns)
        return why.text if why else ""

    def holding(self, at_ns: int) -> Why | None:
        """The first obstacle for which nothing may rest now, None when bids may."""
        why: Why | None = None
        if self.halt.reason:
            why = Why(Obstacle.HALTED, f"halted: {self.halt.reason}")
        elif self.refusals.text:
            small = self.refusals.too_small
            why = Why(Obstacle.MIN_SIZE if small else Obstacle.VENUE_REFUSES, self.refusals.text)
        elif not self.flat_check.started_flat:
            text = "waiting until the venue says that no old order is open"
            why = Why(Obstacle.NOT_FLAT_YET, text)
        elif not self.clock.may_quote:
            why = Why(Obstacle.WINDOW_STATE, f"window {self.clock.state.value}")
        elif self.feed.state is not FeedState.LIVE:
            why = Why(Obstacle.FEED, f"market feed {self.feed.state.value}", self.feed.reason)
        elif self.user.state is not UserChannelState.UP:
            text = f"user channel {self.user.state.value}"
            why = Why(Obstacle.USER_CHANNEL, text, self.user.reason)
        elif self.trust.doubt:
            why = Why(Obstacle.UNACCOUNTED_FILLS, self.trust.doubt)
        elif self.positions.difference:
            text = "the venue's positions differ from the ledger"
            why = Why(Obstacle.POSITIONS, text, self.positions.difference)
        elif self.positions.unverified:
            text = "an own fill could not be read: waiting until the venue's positions agree"
            why = Why(Obstacle.POSITIONS, text)
        elif self.venue_mode.at(at_ns) is VenueMode.CLOSED_ONLY:
            why = Why(Obstacle.CLOSED_ONLY, "account is in closed-only mode")
        return why

    def placing_blocked(self, at_ns: int) -> str:
        """Why no new order may be placed now, or ""; what rests is left alone.

        The executor takes back what rests when its gate closes; until it opens again each order
        would be denied. The bound on orders stops new risk only: a hedge lowers it.
        """
        if not self.gate.open:
            return f"the executor does not place: {self.gate.reason}"
        if self.venue_mode.takes_no_orders(at_ns):
            return f"the venue is {self.venue_mode.at(at_ns).value}"
        most = self.params.max_orders_per_window
        if len(self.orders) >= most and self.decision.mode is not QuoteMode.HEDGE:
            return f"{most} orders were placed in this window: hedging only"
        return ""

    def side_views(self, at_ns: int) -> dict[Outcome, SideView]:
        """Both sides as a decision sees them."""
        return {outcome: self.side_view(at_ns, outcome) for outcome in OUTCOMES}

    def quote_view(self, seen: Mapping[Outcome, SideView]) -> QuoteView:
        """Freeze everything that the quotes depend on."""
        return QuoteView(
            up=seen[Outcome.UP],
            down=seen[Outcome.DOWN],
            position=self.inventory.working,
            can_open=self.can_open,
            toxic=self.toxic,
            scope=self.params.ofi.scope,
            tick_e4=self.tick_e4,
            pair_target_e4=self.params.pair_target_e4,
            bid_size_u6=self.params.bid_size_u6,
            min_size_u6=self.window.min_size_u6,
            new_risk=self.clock.may_open,
            gated=bool(self.first_leg.closed),
            unpaired=self.inventory.pairing.unpaired if self.params.hedge_by_unpaired_cost else (),
        )

    def look_at_first_leg(self, at_ns: int, mid2_e4: int | None) -> None:
        """Show the gates on the first leg Up's mid and depth, from whichever book is fresh."""
        if not self.first_leg.any_set:
            return
        depth_u6 = self.books.depth_u6(Outcome.UP)
        if not self.book_fresh(at_ns, Outcome.UP):
            ask_u6, bid_u6 = self.books.depth_u6(Outcome.DOWN)
            depth_u6 = bid_u6, ask_u6
        self.first_leg.advance(at_ns, mid2_e4, depth_u6)

    def side_view(self, at_ns: int, outcome: Outcome) -> SideView:
        """The touch of a live and fresh book; unknown otherwise.

        The two books are one merged book seen from two sides (docs/venue.md 4.4), so a fresh
        complement, mirrored, stands in for an own book of which no frame came.
        """
        extra = self.sides[outcome].extra_ticks
        if self.book_fresh(at_ns, outcome):
            touch = self.books.touch(outcome)
            return SideView(touch.bid_e4, touch.ask_e4, extra)
        if self.book_fresh(at_ns, outcome.complement):
            other = self.books.touch(outcome.complement)
            return SideView(_mirrored(other.ask_e4), _mirrored(other.bid_e4), extra)
        return SideView(None, None, extra)

    def book_fresh(self, at_ns: int, outcome: Outcome) -> bool:
        """Whether a book is LIVE and not older than the bound.

        See docs/strategy_guide.md#when-nothing-rests-at-all.
        """
        if self.books.state(outcome) is not BookState.LIVE:
            return False
        return at_ns - self.books.touch(outcome).ts_recv_ns <= self.params.stale_after_ns

    def displayed_u6(self, at_ns: int, outcome: Outcome, price_e4: int) -> int | None:
        """The shares bid at a price, by whichever book is fresh; None: none is."""
        if self.book_fresh(at_ns, outcome):
            levels, wanted_e4 = self.books.levels(outcome, BookSide.BID), price_e4
        elif self.book_fresh(at_ns, outcome.complement):
            levels = self.books.levels(outcome.complement, BookSide.ASK)
            wanted_e4 = complement_e4(price_e4)
        else:
            return None
        return next((size_u6 for level_e4, size_u6 in levels if level_e4 == wanted_e4), 0)

    def slot_view(self, at_ns: int, outcome: Outcome) -> SlotView:
        """One side's slot; a cancel that got no answer for long may be sent again."""
        side, order = self.sides[outcome], self.orders.slot(outcome)
        if order is None:
            return SlotView(
                last_placed_ns=side.last_placed_ns, blocked_until_ns=side.blocked_until_ns
            )
        asked_ns = order.cancel_requested_ns
        waiting = asked_ns is not None and at_ns - asked_ns < self.params.answer_timeout_ns
        return SlotView(
            price_e4=order.price_e4,
            leaves_u6=order.leaves_u6,
            occupied=True,
            cancelling=waiting,
            last_placed_ns=side.last_placed_ns,
        )

    def as_view(self, at_ns: int) -> dict[str, object]:
        """For /state and metrics: what a person wants to know, in dollars and shares.

        A profit is money won, negative when it is lost. `profit` is None until the winner is
        known; until then `worst_case_profit` is that if the outcome held less of wins. A cost is
        None where nothing is held that it could be the cost of.
        """
        working = self.inventory.working
        return {
            "slug": self.window.slug,
            "state": self.clock.state.value,
            "mode": self.decision.mode.value,
            "hold": self.decision.hold_reason,
            "both_rest_share": round(self.quoting_time.both_rest_share, 4),
            "why": as_one_line(self.decision.whys),
            "refused": self.refusals.text,
            "loss_limit": self.loss_limit.reached,
            "can_open": self.can_open,
            "net_diff": working.net_diff_u6 / SHARE_U6,
            "portfolio_cost": round(working.portfolio_cost_dollars, 6) or None,
            "worst_case_profit": None if self.winner else self.profit_u6 / SHARE_U6,
            "profit": self.profit_u6 / SHARE_U6 if self.winner else None,
            "unsettled": len(self.inventory.unsettled),
            "distrust": self.trust.doubt,
            "positions_differ": self.positions.difference,
            "winner": self.winner.value if self.winner else None,
            "venue_mode": self.venue_mode.at(at_ns).value,
            "tick": self.tick_e4 / 10_000,
            "inferred": list(self.window.inferred),
            "outcomes": {o.value: self._outcome_view(at_ns, o) for o in OUTCOMES},
        }

    def _outcome_view(self, at_ns: int, outcome: Outcome) -> dict[str, object]:
        touch, flow = self.books.touch(outcome), self.flows[outcome]
        holding = self.inventory.working.holding(outcome)
        settled = self.inventory.settled.holding(outcome)
        order = self.orders.slot(outcome)
        age_ns = at_ns - touch.ts_recv_ns if touch.ts_recv_ns else None
        return {
            "bid": touch.bid_e4 / 10_000 if touch.bid_e4 is not None else None,
            "ask": touch.ask_e4 / 10_000 if touch.ask_e4 is not None else None,
            "book": self.books.state(outcome).value,
            "levels": {side.value: self._levels_view(outcome, side) for side in BookSide},
            "book_age_ms": age_ns // 1_000_000 if age_ns is not None else None,
            "ofi": flow.flow.score_u6 / SHARE_U6,
            "threshold": flow.thresholds.enter_u6 / SHARE_U6,
            "flow": flow.state.value,
            "qty": holding.qty_u6 / SHARE_U6,
            "settled_qty": settled.qty_u6 / SHARE_U6,
            "avg_cost": round(holding.avg_cost_dollars, 6) or None,
            "capital_in_use": round(holding.in_use_e4u6 / PRICE_ONE_E4 / SHARE_U6, 6),
            "quote": order.price_e4 / 10_000 if order else None,
            "leaves": order.leaves_u6 / SHARE_U6 if order else None,
            "order_state": order.state.value if order else None,
            "why": self.decision.whys[outcome].sentence,
            "obstacle": self.decision.whys[outcome].obstacle.value,
        }

    def _levels_view(self, outcome: Outcome, side: BookSide) -> list[tuple[float, float]]:
        """(price, shares) of the best levels of an outcome's own book, best first."""
        levels = self.books.levels(outcome, side)[:LEVELS_SHOWN]
        return [(price_e4 / PRICE_ONE_E4, size_u6 / SHARE_U6) for price_e4, size_u6 in levels]


def _mirrored(price_e4: int | None) -> int | None:
    return None if price_e4 is None else complement_e4(price_e4)


def _paid_u6(exposures: Iterable[Exposure], outcome: Outcome) -> int:
    """Dollars (millionths, each rounded up) for the shares of one outcome."""
    return sum(-(-e.price_e4 * e.qty_u6 // PRICE_ONE_E4) for e in exposures if e.outcome is outcome)
