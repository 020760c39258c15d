"""Everybody else in a synthetic market: makers around the fair value, and takers of four kinds.

Noise takers follow the present lean; informed takers know the next seconds of the underlying, or
its present and act a while later, and hit quotes that are left behind; bursts and sweeps mostly
know its direction too; order flow is watched because of them. The crowd only proposes orders; the
venue executes them.
"""

from __future__ import annotations

from random import Random

import msgspec

from pmcore.model.market import Outcome
from pmcore.model.units import (
    NS_PER_MS,
    NS_PER_S,
    PRICE_ONE_E4,
    QTY_GRID_U6,
    SHARE_U6,
    complement_e4,
    floor_to_tick_e4,
)
from pmsim.crowd.activity import ActivityProcess
from pmsim.crowd.underlying import Underlying
from pmsim.crowd.world_params import CrowdParams
from pmsim.venue.listed_market import ListedMarket
from pmsim.venue.matching import BookOrder
from pmsim.venue.ports import OrderSide

_AHEAD_OF_BURST_NS = 6 * NS_PER_S
_FAR_E4 = 1_000
_LARGE = 2
_COVERED_E4 = 500
"""Beyond the first the far levels have their size, from the second on they have a quote at all, so
that a near level which its makers leave is seldom empty.
"""
_LATE_SHARE = 0.2
_BUYERS_PERCENT = 75
_QUIETEST = 0.05

Levels = dict[tuple[Outcome, int], None]


class Requote(msgspec.Struct, frozen=True):
    """What one maker does in turn: ids of orders to cancel, and orders to place."""

    ops: tuple[str | BookOrder, ...]


class Crowd:
    """The crowd of one market. All chance comes from `rng`."""

    def __init__(self, market: ListedMarket, params: CrowdParams, rng: Random, owner: str) -> None:
        window = market.window
        self._market = market
        self._params = params
        self._rng = rng
        self._owner = owner
        self._made = 0
        self._quotes: list[dict[tuple[Outcome, int], BookOrder]] = [
            {} for _ in range(params.makers + 1)
        ]
        self._burst_direction = 0
        before_s = min(60, window.length_ns // NS_PER_S)
        begin_ns = window.open_ns - before_s * NS_PER_S
        seconds = (window.close_ns - begin_ns) // NS_PER_S + 1
        self.activity = ActivityProcess(params, rng, begin_ns, seconds)
        self.burst_until_ns = 0

    def pause_ns(self, per_min: float, at_ns: int) -> int:
        """Time to the next arrival of a stream whose rate follows the activity."""
        per_s = max(per_min, 1e-6) / 60.0 * max(self.activity.activity_at(at_ns), _QUIETEST)
        return max(1, round(self._rng.expovariate(per_s) * NS_PER_S))

    def requote_pause_ns(self) -> int:
        """Time to the next maker's turn."""
        return round(self._rng.expovariate(1.0 / self._params.requote_ms) * NS_PER_MS)

    def start_burst(self, underlying: Underlying, at_ns: int) -> None:
        """Pick a direction for the next `burst_ms`."""
        self._burst_direction = self._foreseen(underlying, at_ns)
        self.burst_until_ns = at_ns + self._params.burst_ms * NS_PER_MS

    def requote(self, fair_e4: float, remaining_ns: int) -> Requote:
        """Let some maker follow the fair value; number 0 holds the far levels.

        What was traded away comes back with a chance, what was refused for crossing at once. A new
        size comes before the old one goes.
        """
        maker = self._rng.randrange(len(self._quotes))
        quotes = self._quotes[maker]
        late = self._late(remaining_ns)
        targets = self._far(fair_e4) if maker == 0 else self._near(maker, fair_e4, late)
        cancels: list[str] = []
        old: dict[tuple[Outcome, int], str] = {}
        for key, order in list(quotes.items()):
            rests = self._market.book.order(order.order_id) is not None
            if rests:
                leaves = key not in targets or self._chance(self._params.resize_percent)
                leaves = leaves or (maker == 0 and self._is_too_large(fair_e4, key, order))
                if leaves and key in targets:
                    old[key] = order.order_id
                elif leaves:
                    cancels.append(order.order_id)
            else:
                refused = order.leaves_u6 > 0
                refills = refused or self._chance(self._params.refill_percent)
                leaves = key not in targets or refills
            if leaves:
                del quotes[key]
        orders: list[str | BookOrder] = []
        for key in targets:
            if key not in quotes:
                size_u6 = self._level_u6(late, far=maker == 0 and self._is_far(fair_e4, key))
                order = self._quote(key[0], key[1], size_u6)
                quotes[key] = order
                orders += [order, old[key]] if key in old else [order]
        return Requote((*cancels, *orders))

    def noise(self, at_ns: int) -> BookOrder | None:
        """A taker without information, who follows the present lean."""
        up = self._rng.random() < 0.5 + 0.5 * self.activity.lean_at(at_ns)
        return self._push(1 if up else -1, self._take_u6(), 1)

    def informed(self, underlying: Underlying, at_ns: int) -> BookOrder | None:
        """A taker who knows the next seconds, when a quote will be left behind by them."""
        ahead_ns = self._rng.randrange(1 + self._params.informed_ahead_ms) * NS_PER_MS
        return self.hit(underlying.fair_up_e4(at_ns + ahead_ns))

    def looks_now(self, at_ns: int, step_ns: int) -> bool:
        """Whether an informed taker looks at this step of the price; their rate stays as it is."""
        per_s = self._params.informed_per_min / 60.0 * self.activity.activity_at(at_ns)
        return self._rng.random() < per_s * step_ns / NS_PER_S

    def reaction_ns(self, latency_ms: int) -> int:
        """How long this one takes to act: between half and one and a half of the latency."""
        return round(self._rng.uniform(0.5, 1.5) * latency_ms * NS_PER_MS)

    def hit(self, fair_e4: float) -> BookOrder | None:
        """An order for a quote that is worse than a fair value by the edge, None without one."""
        size_u6 = 2 * self._take_u6()
        for outcome in Outcome:
            own_fair_e4 = fair_e4 if outcome is Outcome.UP else PRICE_ONE_E4 - fair_e4
            _, ask_e4 = self._market.touch_e4(outcome)
            if ask_e4 is not None and own_fair_e4 - ask_e4 >= self._params.informed_edge_e4:
                limit_e4 = round(own_fair_e4) - self._params.informed_edge_e4
                limit_e4 = max(ask_e4, floor_to_tick_e4(limit_e4, self._market.tick_e4))
                return self._order(outcome, OrderSide.BUY, limit_e4, size_u6)
        return None

    def burst(self) -> BookOrder | None:
        """A taker of the running burst."""
        return self._push(self._burst_direction, self._take_u6(), 1)

    def sweep(self, underlying: Underlying, at_ns: int) -> BookOrder | None:
        """One large taker through several levels."""
        shares = self._params.sweep_shares * (0.5 + self._rng.expovariate(2.0))
        direction = self._foreseen(underlying, at_ns)
        return self._push(direction, _grid_u6(shares), self._params.sweep_ticks)

    def _foreseen(self, underlying: Underlying, at_ns: int) -> int:
        """The direction of the price in the next seconds, or a random one."""
        later_e8 = underlying.price_e8(at_ns + _AHEAD_OF_BURST_NS)
        rises = later_e8 >= underlying.price_e8(at_ns)
        right = self._chance(self._params.burst_right_percent)
        return 1 if rises is right else -1

    def _near(self, maker: int, fair_e4: float, late: float) -> Levels:
        """Levels of one maker on both tokens, a tick apart: wider near the end."""
        params, tick_e4 = self._params, self._market.tick_e4
        half_e4 = params.half_spread_e4 + (maker - 1) * params.maker_step_e4
        half_e4 += round(late * params.late_half_spread_e4)
        view_e4 = fair_e4 + self._rng.gauss(0.0, params.view_e4)
        targets: Levels = {}
        for outcome in Outcome:
            own_fair_e4 = view_e4 if outcome is Outcome.UP else PRICE_ONE_E4 - view_e4
            top_e4 = floor_to_tick_e4(round(own_fair_e4) - half_e4, tick_e4)
            top_e4 = min(top_e4, PRICE_ONE_E4 - tick_e4)
            for depth in range(params.levels):
                price_e4 = top_e4 - depth * tick_e4
                if price_e4 >= tick_e4:
                    targets[outcome, price_e4] = None
        return targets

    def _late(self, remaining_ns: int) -> float:
        """From 0 to 1 as the close comes near."""
        late_ns = min(self._params.late_s * NS_PER_S, _LATE_SHARE * self._market.window.length_ns)
        return max(0.0, 1.0 - max(remaining_ns, 0) / late_ns)

    def _far(self, fair_e4: float) -> Levels:
        targets: Levels = {}
        for outcome in Outcome:
            own_fair_e4 = fair_e4 if outcome is Outcome.UP else PRICE_ONE_E4 - fair_e4
            for price_e4 in range(100, max(100, round(own_fair_e4) - _COVERED_E4), 100):
                targets[outcome, price_e4] = None
        return targets

    def _push(self, direction: int, size_u6: int, beyond_ticks: int) -> BookOrder | None:
        """An immediate order that reaches `beyond_ticks` beyond the touch.

        Most takers who push Up buy Up; the others sell Down, which is the same side of the book.
        """
        tick_e4 = self._market.tick_e4
        buys = self._chance(_BUYERS_PERCENT)
        outcome = Outcome.UP if (direction > 0) is buys else Outcome.DOWN
        bid_e4, ask_e4 = self._market.touch_e4(outcome)
        if buys:
            if ask_e4 is None:
                return None
            limit_e4 = min(ask_e4 + beyond_ticks * tick_e4, complement_e4(tick_e4))
            return self._order(outcome, OrderSide.BUY, limit_e4, size_u6)
        if bid_e4 is None:
            return None
        limit_e4 = max(bid_e4 - beyond_ticks * tick_e4, tick_e4)
        return self._order(outcome, OrderSide.SELL, limit_e4, size_u6)

    def _quote(self, outcome: Outcome, price_e4: int, size_u6: int) -> BookOrder:
        """A bid, or now and then the same liquidity as an offer of the complement."""
        if self._chance(self._params.sell_percent):
            complement = complement_e4(price_e4)
            return self._order(outcome.complement, OrderSide.SELL, complement, size_u6)
        return self._order(outcome, OrderSide.BUY, price_e4, size_u6)

    def _order(self, outcome: Outcome, side: OrderSide, price_e4: int, size_u6: int) -> BookOrder:
        self._made += 1
        return BookOrder(
            order_id=f"{self._owner}-{self._made}",
            owner=self._owner,
            outcome=outcome,
            side=side,
            price_e4=price_e4,
            leaves_u6=size_u6,
        )

    def _is_far(self, fair_e4: float, key: tuple[Outcome, int]) -> bool:
        own_fair_e4 = fair_e4 if key[0] is Outcome.UP else PRICE_ONE_E4 - fair_e4
        return own_fair_e4 - key[1] > _FAR_E4

    def _is_too_large(self, fair_e4: float, key: tuple[Outcome, int], order: BookOrder) -> bool:
        """Whether an order of the far levels stands too near for its size."""
        most_u6 = round(_LARGE * self._params.level_shares * SHARE_U6)
        return not self._is_far(fair_e4, key) and order.leaves_u6 > most_u6

    def _level_u6(self, late: float, *, far: bool) -> int:
        mean = self._params.far_shares if far else self._params.level_shares
        mean *= 1.0 - late * (1.0 - self._params.late_size_percent / 100)
        return 5 * SHARE_U6 + _grid_u6(self._rng.expovariate(1.0 / mean))

    def pick_off(self, order: BookOrder) -> BookOrder:
        """The taker who takes the rest of an order that its maker leaves behind."""
        buys = order.side is OrderSide.SELL
        side = OrderSide.BUY if buys else OrderSide.SELL
        return self._order(order.outcome, side, order.price_e4, order.leaves_u6)

    def rest_u6(self, leaves_u6: int) -> int:
        """What stays of an order whose maker leaves: no more than a taker's size."""
        return min(leaves_u6, self._take_u6())

    def _take_u6(self) -> int:
        shares = self._params.take_p50_shares * self._rng.lognormvariate(
            0.0, self._params.take_log_sigma
        )
        size_u6 = round(max(1.0, shares) * SHARE_U6)
        if self._chance(self._params.fine_percent):
            return size_u6
        return size_u6 // QTY_GRID_U6 * QTY_GRID_U6

    def _chance(self, percent: int) -> bool:
        return self._rng.randrange(100) < percent


def _grid_u6(shares: float) -> int:
    """Shares on the 0.01 grid."""
    return round(shares * SHARE_U6) // QTY_GRID_U6 * QTY_GRID_U6
