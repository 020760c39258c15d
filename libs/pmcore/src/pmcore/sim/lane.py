"""One synthetic window from the crowd's arrival to its resolution.

Its chance is its own, drawn from (seed, slug): what happens in one window does not move another.
Public frames go to `emit`, which may get frames of the near future; accounts are the desk's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import msgspec

from pmcore.model.market import Outcome, Window
from pmcore.model.units import NS_PER_MS, PRICE_ONE_E4, SHARE_U6
from pmcore.sim.crowd import Requote
from pmcore.sim.crowd_life import CrowdActions, CrowdLife
from pmcore.sim.desk import CROWD, Desk
from pmcore.sim.identity import digest_hex
from pmcore.sim.listed_market import ListedMarket
from pmcore.sim.matching import BookOrder, Placement, UpLevel
from pmcore.sim.ports import Listing, MakerFill, MarketFrame, OrderRecord, TradeRecord
from pmcore.sim.scheduler import Scheduler
from pmcore.sim.world_params import WorldParams

ENDOWMENT_U6 = 100_000 * SHARE_U6


class LaneParams(msgspec.Struct, frozen=True, kw_only=True):
    """What a window needs of the world's parameters."""

    seed: int
    resolve_delay_ms: int
    world: WorldParams


class Lane:
    """A window, its market, its crowd and what it is a bet on."""

    def __init__(
        self,
        window: Window,
        params: LaneParams,
        desk: Desk,
        schedule: Scheduler,
        emit: Callable[[Sequence[MarketFrame], int], None],
    ) -> None:
        self.window = window
        self.market = ListedMarket(window)
        self.winner: Outcome | None = None
        self._params = params
        self._desk = desk
        self._schedule = schedule
        self._emit = emit
        rng = Random(f"{params.seed}|{window.slug}")  # noqa: S311 - repeatable on purpose
        self._life = CrowdLife(
            self.market,
            params.world,
            rng,
            CROWD.owner,
            schedule,
            CrowdActions(self._take, self._requote),
        )
        self._trades = 0
        desk.ledger.split(CROWD.owner, window, ENDOWMENT_U6)

    def begin(self, at_ns: int) -> None:
        """Let the crowd in; to be called once."""
        self._life.begin(at_ns)
        self._schedule.at(self.window.close_ns, self._close)

    def listing(self, at_ns: int) -> Listing:
        """The window as Gamma lists it."""
        fair_e4 = self._life.underlying.fair_up_e4(at_ns)
        if self.market.resolved:
            fair_e4 = PRICE_ONE_E4 if self.winner is Outcome.UP else 0
        return Listing(
            window=self.window,
            accepting_orders=not self.market.resolved,
            closed=self.market.resolved,
            winner=self.winner if self.market.resolved else None,
            up_price_e4=round(fair_e4),
        )

    def publish_levels(self, levels: Sequence[UpLevel], at_ns: int, placed_on: Outcome) -> None:
        """Announce an event without a trade."""
        self._emit(self.market.publish(levels, at_ns, placed_on=placed_on), at_ns)

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
        return self._desk.trade(
            self.window, party, makers, at_ns, transaction_hash=transaction_hash
        )

    def _party(self, order: BookOrder, size_u6: int, price_e4: int) -> MakerFill:
        crowd = order.owner == CROWD.owner
        crowd_hash = digest_hex("order", self._params.seed, self.window.slug, order.order_id)
        return MakerFill(
            order_hash=crowd_hash if crowd else order.order_id,
            account=CROWD if crowd else self._desk.account(order.owner),
            token_id=self.window.token_id(order.outcome),
            outcome=order.outcome,
            side=order.side,
            price_e4=price_e4,
            size_u6=size_u6,
        )

    def _requote(self, requote: Requote, at_ns: int) -> None:
        levels: list[UpLevel] = []
        for order_id in requote.cancels:
            level = self.market.book.cancel(order_id)
            levels += [level] if level else []
        for order in requote.orders:
            levels += self.market.book.place(order, post_only=True).levels
        if levels:
            placed_on = requote.orders[0].outcome if requote.orders else Outcome.UP
            self.publish_levels(levels, at_ns, placed_on)

    def _take(self, taker: BookOrder, at_ns: int) -> None:
        if not self.market.resolved:
            placed = self.market.book.take(taker)
            if placed.matches:
                self.publish(taker, placed, at_ns)

    def _close(self, at_ns: int) -> None:
        self.winner = self._life.underlying.winner
        delay_ns = self._params.resolve_delay_ms * NS_PER_MS
        self._schedule.at(at_ns + delay_ns, self._resolve)

    def _resolve(self, at_ns: int) -> None:
        self.market.resolved = True
        self._desk.resolve(self.window, at_ns, self._pull)

    def _pull(self, record: OrderRecord) -> None:
        self.market.book.cancel(record.order_hash)
