"""One synthetic window from the crowd's arrival to its resolution.

Its chance is its own, drawn from (seed, slug): what happens in one window does not move another.
Public frames go to `emit`, which may get frames of the near future.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import msgspec

from pmcore.model.market import BookSide, Outcome, Window
from pmcore.model.units import NS_PER_MS, NS_PER_S, PRICE_ONE_E4, SHARE_U6
from pmcore.venue.encode import best_bid_ask_frame, market_resolved_frame
from pmsim.crowd.crowd import Requote
from pmsim.crowd.order_pipe import OrderPipe
from pmsim.crowd.schedule import CrowdActions, CrowdLife
from pmsim.crowd.underlying import Underlying
from pmsim.crowd.world_params import WorldParams
from pmsim.run.scheduler import Scheduler
from pmsim.venue.accounts import CROWD, Accounts
from pmsim.venue.custom_frames import new_market_frame
from pmsim.venue.identity import digest_hex
from pmsim.venue.listed_market import ListedMarket, PlacedOn, is_finer
from pmsim.venue.matching import BookOrder, Placement, UpLevel
from pmsim.venue.ports import (
    ListedWindow,
    MakerFill,
    MarketFrame,
    OrderSide,
    TradeRecord,
    VenueOrder,
)

ENDOWMENT_U6 = 100_000 * SHARE_U6
NEAR_LIMIT_E4 = 400
NEAR_LIMIT_TICK_E4 = 10
"""Beyond 0.96 or below 0.04 the tick was seen at 0.001 (docs/venue.md 4.7)."""
PICK_OFF_NS = 3 * NS_PER_MS
RETRY_NS = 20 * NS_PER_MS
NEAR_TOUCH_E4 = 500
"""How soon the rest of a left order is taken, and when that is tried again."""
SWEEP_AFTER_NS = 2 * NS_PER_S
"""When after the end the sweep of a fault plan comes."""


class SyntheticWindowParams(msgspec.Struct, frozen=True, kw_only=True):
    """What a window needs of the world's parameters."""

    seed: int
    resolve_delay_ms: int
    world: WorldParams
    taker_delay_ms: int = 0
    auto_tick: bool = False


class SyntheticWindow:
    """A window, its market, its crowd and what it is a bet on."""

    def __init__(
        self,
        window: Window,
        params: SyntheticWindowParams,
        accounts: Accounts,
        schedule: Scheduler,
        emit: Callable[[Sequence[MarketFrame], int], None],
    ) -> None:
        self.window = window
        frames_rng = Random(f"{params.seed}|{window.slug}|frames")  # noqa: S311 - repeatable
        self.market = ListedMarket(window, frames_rng)
        self.winner: Outcome | None = None
        self._params = params
        self._accounts = accounts
        self._schedule = schedule
        self._emit = emit
        rng = Random(f"{params.seed}|{window.slug}")  # noqa: S311 - repeatable on purpose
        self._pipe = OrderPipe(
            Random(f"{params.seed}|{window.slug}|pipe"),  # noqa: S311 - repeatable on purpose
            schedule,
            self._work,
        )
        self._arrived: list[UpLevel] | None = None
        self._life = CrowdLife(
            self.market,
            params.world,
            rng,
            CROWD.owner,
            schedule,
            CrowdActions(self._take, self._requote, lambda: self._pipe.busy),
        )
        self._trades = 0
        self._touches = [self.market.touch_e4(outcome) for outcome in Outcome]
        accounts.ledger.split(CROWD.owner, window, ENDOWMENT_U6)

    @property
    def underlying(self) -> Underlying:
        """The price that it is a bet on."""
        return self._life.underlying

    @property
    def settled_winner(self) -> Outcome | None:
        """Who won, once that is known to all."""
        return self.winner if self.market.resolved else None

    def announce(self, at_ns: int) -> None:
        """Tell everybody that the market exists."""
        frame = new_market_frame(self.window, ts_event_ns=at_ns)
        self._emit([self.market.custom(frame, at_ns, token_ids=())], at_ns)

    def begin(self, at_ns: int) -> None:
        """Let the crowd in; to be called once. Its first quotes stand at once, in whole books."""
        arrived = self._arrived = []
        self._life.begin(at_ns)
        self._arrived = None
        self._emit(self.market.arrive(arrived, at_ns), at_ns)
        self._follow_touch(at_ns)
        self._schedule.at(self.window.close_ns, self._close)

    def stop_crowd(self) -> None:
        """See `SyntheticVenue.stop_crowd`."""
        self._life.stop()

    def listing(self, at_ns: int) -> ListedWindow:
        """The window as Gamma lists it."""
        fair_e4 = self._life.underlying.fair_up_e4(at_ns)
        if self.market.resolved:
            fair_e4 = PRICE_ONE_E4 if self.winner is Outcome.UP else 0
        return ListedWindow(
            window=self.window,
            accepting_orders=not self.market.resolved,
            closed=self.market.resolved,
            winner=self.settled_winner,
            up_price_e4=round(fair_e4),
        )

    def publish_levels(self, levels: Sequence[UpLevel], at_ns: int, placed_on: PlacedOn) -> None:
        """Announce an event without a trade."""
        self._emit(self.market.publish(levels, at_ns, placed_on=placed_on), at_ns)
        self._follow_touch(at_ns)

    def change_tick(self, tick_e4: int, at_ns: int) -> None:
        """Make the grid finer."""
        self._emit(self.market.change_tick(tick_e4, at_ns), at_ns)

    def publish(self, taker: BookOrder, placed: Placement, at_ns: int) -> TradeRecord | None:
        """Announce what an order did and book its matches; the trade, if an account took part."""
        if not placed.matches:
            self.publish_levels(placed.levels, at_ns, taker.outcome)
            return None
        self._trades += 1
        transaction_hash = digest_hex("tx", self._params.seed, self.window.slug, self._trades)
        makers = tuple(
            self._party(match.maker, match.qty_u6, match.price_e4) for match in placed.matches
        )
        party = self._party(taker, sum(maker.size_u6 for maker in makers), taker.price_e4)
        frames = self.market.publish_trade(
            taker, placed.matches, placed.levels, at_ns, transaction_hash=transaction_hash
        )
        self._emit(frames, at_ns)
        self._follow_touch(at_ns)
        return self._accounts.trade(
            self.window, party, makers, at_ns, transaction_hash=transaction_hash
        )

    def _follow_touch(self, at_ns: int) -> None:
        """What a moved touch brings with it: `best_bid_ask`, and near a limit a finer grid."""
        for number, outcome in enumerate(Outcome):
            touch = self.market.touch_e4(outcome)
            if touch == self._touches[number]:
                continue
            self._touches[number] = touch
            frame = best_bid_ask_frame(
                self.window,
                outcome,
                best_bid_e4=touch[0],
                best_ask_e4=touch[1],
                ts_event_ns=at_ns,
            )
            self._emit([self.market.custom(frame, at_ns, outcome=outcome)], at_ns)
        tick_e4 = self.market.tick_e4
        if not self._params.auto_tick or not is_finer(tick_e4, NEAR_LIMIT_TICK_E4):
            return
        bid_e4, ask_e4 = self.market.touch_e4(Outcome.UP)
        if (bid_e4 or 0) >= PRICE_ONE_E4 - NEAR_LIMIT_E4 or (
            ask_e4 is not None and ask_e4 <= NEAR_LIMIT_E4
        ):
            self.change_tick(NEAR_LIMIT_TICK_E4, at_ns)

    def _party(self, order: BookOrder, size_u6: int, price_e4: int) -> MakerFill:
        crowd = order.owner == CROWD.owner
        crowd_hash = digest_hex("order", self._params.seed, self.window.slug, order.order_id)
        return MakerFill(
            order_hash=crowd_hash if crowd else order.order_id,
            account=CROWD if crowd else self._accounts.account(order.owner),
            token_id=self.window.token_id(order.outcome),
            outcome=order.outcome,
            side=order.side,
            price_e4=price_e4,
            size_u6=size_u6,
        )

    def _requote(self, requote: Requote, at_ns: int) -> None:
        if self._arrived is not None:
            for op in requote.ops:
                self._arrived += self._carry_out(op, at_ns)
            return
        self._pipe.start(requote.ops, at_ns)

    def _work(self, ops: Sequence[str | BookOrder], at_ns: int) -> None:
        """Let some of the makers' orders and cancels reach the book, as one event."""
        if self.market.resolved:
            return
        levels: list[UpLevel] = []
        placed_on: dict[tuple[BookSide, int], Outcome] = {}
        for op in ops:
            order = self.market.book.order(op) if isinstance(op, str) else op
            for level in self._carry_out(op, at_ns):
                levels.append(level)
                if order is not None:
                    placed_on[level.side, level.price_e4] = order.outcome
        if levels:
            self.publish_levels(levels, at_ns, placed_on)

    def _carry_out(self, op: str | BookOrder, at_ns: int) -> Sequence[UpLevel]:
        if isinstance(op, BookOrder):
            return self.market.book.place(op, post_only=True).levels
        if self._arrived is None and self._leaves_the_touch(op):
            return self._leave_rest(op, at_ns)
        level = self.market.book.cancel(op)
        return [level] if level else []

    def _leaves_the_touch(self, order_id: str) -> bool:
        """Whether a cancel would empty the best level of a side, or one of those next to it."""
        book = self.market.book
        order = book.order(order_id)
        if order is None or not book.is_alone(order_id):
            return False
        best_e4 = book.best_e4(order.up_side) or 0
        return abs(best_e4 - order.up_price_e4) <= NEAR_TOUCH_E4

    def _leave_rest(self, order_id: str, at_ns: int) -> Sequence[UpLevel]:
        """The last maker at the touch goes, and a taker takes what he could not pull in time.

        So most levels are emptied by trades, as recorded.
        """
        order = self.market.book.order(order_id)
        if order is None:
            return ()
        rest_u6 = self._life.crowd.rest_u6(order.leaves_u6)
        self._schedule.at(at_ns + PICK_OFF_NS, lambda now_ns: self._pick_off(order_id, now_ns))
        if rest_u6 == order.leaves_u6:
            return ()
        return [self.market.book.shrink(order_id, rest_u6)]

    def _pick_off(self, order_id: str, at_ns: int) -> None:
        order = self.market.book.order(order_id)
        if order is None or self.market.resolved:
            return
        if self.market.book.best_e4(order.up_side) == order.up_price_e4:
            self._execute(self._life.crowd.pick_off(order), at_ns)
        else:  # a better one stands before it: later
            self._schedule.at(at_ns + RETRY_NS, lambda now_ns: self._pick_off(order_id, now_ns))

    def _take(self, taker: BookOrder, at_ns: int) -> None:
        if not self._params.taker_delay_ms:
            self._execute(taker, at_ns)
            return
        due_ns = at_ns + self._params.taker_delay_ms * NS_PER_MS
        self._schedule.at(due_ns, lambda now_ns: self._execute(taker, now_ns))

    def _execute(self, taker: BookOrder, at_ns: int) -> None:
        if self.market.resolved:
            return
        placed = self.market.book.take(taker)
        if placed.matches:
            self.publish(taker, placed, at_ns)

    def _sweep(self, at_ns: int) -> None:
        """Takers who know the end already, when a fault plan asks for them."""
        for outcome in Outcome if self._accounts.plan.end_sweep_shares else ():
            taker = BookOrder(
                order_id=f"sweep-{outcome.value}",
                owner=CROWD.owner,
                outcome=outcome,
                side=OrderSide.SELL,
                price_e4=self.market.tick_e4,
                leaves_u6=self._accounts.plan.end_sweep_shares * SHARE_U6,
            )
            self._execute(taker, at_ns)

    def _close(self, at_ns: int) -> None:
        self.winner = self._life.underlying.winner
        self._schedule.at(at_ns + SWEEP_AFTER_NS, self._sweep)
        self._schedule.at(self._resolve_ns(), self._resolve)

    def _resolve_ns(self) -> int:
        delay_ms = self._params.resolve_delay_ms + self._accounts.plan.resolve_delay_ms
        return self.window.close_ns + delay_ms * NS_PER_MS

    def _resolve(self, at_ns: int) -> None:
        if self._resolve_ns() > at_ns:
            self._schedule.at(self._resolve_ns(), self._resolve)
            return
        self.market.resolved = True
        self._accounts.resolve(self.window, at_ns, self._pull)
        frame = market_resolved_frame(self.window, self.winner or Outcome.UP, ts_event_ns=at_ns)
        self._emit([self.market.custom(frame, at_ns)], at_ns)

    def _pull(self, record: VenueOrder) -> None:
        self.market.book.cancel(record.order_hash)
