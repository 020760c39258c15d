"""Everybody else in a synthetic market: makers around the fair value, and takers of three kinds.

Noise takers are even-handed; informed takers hit quotes that the fair value has left behind;
bursts send takers of one direction for a few seconds while the underlying drifts their way, which
is what order flow must be watched for. The crowd only proposes orders; the venue executes them.
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
    floor_to_tick_e4,
)
from pmcore.sim.listed_market import ListedMarket
from pmcore.sim.matching import BookOrder
from pmcore.sim.ports import OrderSide


class CrowdParams(msgspec.Struct, frozen=True, kw_only=True):
    """Rates and sizes. With the defaults a market sends some 50 frames a second."""

    makers: int = 5
    levels: int = 6
    requote_ms: int = 110  # mean time between two makers' requotes, whoever's turn it is
    resize_percent: int = 8  # chance per resting level to change its size at a requote
    half_spread_e4: int = 100
    level_shares: int = 40
    noise_per_min: int = 40
    noise_shares: int = 8
    informed_per_min: int = 40
    informed_edge_e4: int = 200
    informed_shares: int = 15
    burst_every_s: int = 45
    burst_ms: int = 3_000
    burst_per_s: int = 6
    burst_shares: int = 25
    burst_drift: float = 0.5  # believed deviations of a second, per second


class Requote(msgspec.Struct, frozen=True):
    """One maker's event: what it takes out and what it puts in."""

    cancels: tuple[str, ...]
    orders: tuple[BookOrder, ...]


class Crowd:
    """The crowd of one market. All chance comes from `rng`."""

    def __init__(self, market: ListedMarket, params: CrowdParams, rng: Random, owner: str) -> None:
        self._market = market
        self._params = params
        self._rng = rng
        self._owner = owner
        self._made = 0
        self._quotes: list[dict[tuple[Outcome, int], str]] = [{} for _ in range(params.makers + 1)]
        self.burst_direction = 0
        self.burst_until_ns = 0

    def pause_ns(self, per_min: int) -> int:
        """Time to the next arrival of a Poisson stream."""
        return round(self._rng.expovariate(per_min / 60.0) * NS_PER_S)

    def requote_pause_ns(self) -> int:
        """Time to the next maker's turn."""
        return round(self._rng.expovariate(1.0 / self._params.requote_ms) * NS_PER_MS)

    def burst_pause_ns(self) -> int:
        """Time to the next burst."""
        return round(self._rng.expovariate(1.0 / self._params.burst_every_s) * NS_PER_S)

    def start_burst(self, at_ns: int) -> int:
        """Pick a direction for the next `burst_ms`; 1 buys Up."""
        self.burst_direction = self._rng.choice((-1, 1))
        self.burst_until_ns = at_ns + self._params.burst_ms * NS_PER_MS
        return self.burst_direction

    def requote(self, fair_e4: float, remaining_ns: int) -> Requote:
        """Let some maker follow the fair value; number 0 holds the far levels."""
        maker = self._rng.randrange(len(self._quotes))
        quotes = self._quotes[maker]
        targets = self._far(fair_e4) if maker == 0 else self._near(maker, fair_e4, remaining_ns)
        cancels: list[str] = []
        for key, order_id in list(quotes.items()):
            gone = self._market.book.order(order_id) is None
            resize = self._rng.randrange(100) < self._params.resize_percent
            if gone or key not in targets or resize:
                del quotes[key]
                if not gone:
                    cancels.append(order_id)
        orders = []
        for key in targets:
            if key not in quotes:
                order = self._order(key[0], OrderSide.BUY, key[1], self._level_u6(maker))
                quotes[key] = order.order_id
                orders.append(order)
        return Requote(tuple(cancels), tuple(orders))

    def noise(self) -> BookOrder | None:
        """A taker without a view."""
        outcome = self._rng.choice(tuple(Outcome))
        side = OrderSide.BUY if self._rng.randrange(10) < 7 else OrderSide.SELL
        return self._taker(outcome, side, self._size_u6(self._params.noise_shares))

    def informed(self, fair_e4: float) -> BookOrder | None:
        """A taker who knows the fair value, when a quote is left behind by it."""
        size_u6 = self._size_u6(self._params.informed_shares)
        for outcome in Outcome:
            own_fair_e4 = fair_e4 if outcome is Outcome.UP else PRICE_ONE_E4 - fair_e4
            _, ask_e4 = self._market.touch_e4(outcome)
            if ask_e4 is not None and own_fair_e4 - ask_e4 >= self._params.informed_edge_e4:
                return self._taker(outcome, OrderSide.BUY, size_u6)
        return None

    def burst(self) -> BookOrder | None:
        """A taker of the running burst."""
        outcome = Outcome.UP if self.burst_direction > 0 else Outcome.DOWN
        return self._taker(outcome, OrderSide.BUY, self._size_u6(self._params.burst_shares))

    def _near(
        self, maker: int, fair_e4: float, remaining_ns: int
    ) -> dict[tuple[Outcome, int], None]:
        """Levels of one maker on both tokens: wider near the end, a tick apart."""
        tick_e4 = self._market.tick_e4
        length_ns = self._market.window.length_ns
        late = max(0.0, 1.0 - max(remaining_ns, 0) / (0.15 * length_ns))
        half_e4 = self._params.half_spread_e4 + round(2 * late) * tick_e4
        bias_e4 = self._rng.uniform(-0.4, 0.4) * tick_e4 + (maker % 2) * 0.2 * tick_e4
        targets: dict[tuple[Outcome, int], None] = {}
        for outcome in Outcome:
            own_fair_e4 = fair_e4 if outcome is Outcome.UP else PRICE_ONE_E4 - fair_e4
            top_e4 = floor_to_tick_e4(round(own_fair_e4 + bias_e4) - half_e4, tick_e4)
            for depth in range(self._params.levels):
                price_e4 = top_e4 - depth * tick_e4
                if tick_e4 <= price_e4 <= PRICE_ONE_E4 - tick_e4:
                    targets[outcome, price_e4] = None
        return targets

    def _far(self, fair_e4: float) -> dict[tuple[Outcome, int], None]:
        targets: dict[tuple[Outcome, int], None] = {}
        for outcome in Outcome:
            own_fair_e4 = fair_e4 if outcome is Outcome.UP else PRICE_ONE_E4 - fair_e4
            price_e4 = 100
            while price_e4 < own_fair_e4 - 1_000:
                targets[outcome, price_e4] = None
                price_e4 += 100
        return targets

    def _taker(self, outcome: Outcome, side: OrderSide, size_u6: int) -> BookOrder | None:
        """An immediate order that reaches one tick beyond the touch."""
        tick_e4 = self._market.tick_e4
        bid_e4, ask_e4 = self._market.touch_e4(outcome)
        if side is OrderSide.BUY:
            if ask_e4 is None:
                return None
            price_e4 = min(ask_e4 + tick_e4, PRICE_ONE_E4 - tick_e4)
        else:
            if bid_e4 is None:
                return None
            price_e4 = max(bid_e4 - tick_e4, tick_e4)
        return self._order(outcome, side, price_e4, size_u6)

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

    def _level_u6(self, maker: int) -> int:
        scale = 20 if maker == 0 else 1
        return scale * self._size_u6(self._params.level_shares) + 5 * SHARE_U6

    def _size_u6(self, mean_shares: int) -> int:
        """Exponential with the given mean, at least one share, on the 0.01 grid."""
        shares = 1.0 + self._rng.expovariate(1.0 / mean_shares)
        return round(shares * SHARE_U6) // QTY_GRID_U6 * QTY_GRID_U6
