"""Which bids a move of the underlying's price endangers, before the book shows it.

See docs/strategy_guide.md#the-underlyings-move. When the price rises, Down loses value, and a bid
for Down is what an informed taker sells into; when it falls, a bid for Up is. Prices are integers
in 1e-8 dollars, times are those of their receipt.
"""

from __future__ import annotations

from collections import deque

from pmcore.model.market import Outcome
from pmcore.model.params import UnderlyingMoveParams
from pmcore.model.units import DOLLAR_E8, NS_PER_MS, PPM_PER_BP

MAX_PRICES = 4096
_MILLION = 1_000_000


class ExtremePrices:
    """Lowest and highest price over a span; the present one is always among them.

    At `MAX_PRICES` the two oldest of a side become one that is remembered for longer, so no
    extreme is lost.
    """

    def __init__(self, span_ns: int) -> None:
        self._span_ns = span_ns
        self._lowest: deque[tuple[int, int]] = deque()  # (time, price), prices strictly rise
        self._highest: deque[tuple[int, int]] = deque()  # the same, prices strictly fall

    def note(self, at_ns: int, price_e8: int) -> None:
        """Take a price at a time that does not run backwards."""
        while self._lowest and self._lowest[-1][1] >= price_e8:
            self._lowest.pop()
        while self._highest and self._highest[-1][1] <= price_e8:
            self._highest.pop()
        for kept in (self._lowest, self._highest):
            kept.append((at_ns, price_e8))
            while kept[0][0] < at_ns - self._span_ns:
                kept.popleft()
            if len(kept) > MAX_PRICES:
                _, extreme_e8 = kept.popleft()
                kept[0] = (kept[0][0], extreme_e8)

    @property
    def lowest_e8(self) -> int:
        """The lowest price of the span; there must be one."""
        return self._lowest[0][1]

    @property
    def highest_e8(self) -> int:
        """The highest price of the span; there must be one."""
        return self._highest[0][1]


class UnderlyingMoves:
    """The rule of one window; without a threshold it endangers nothing.

    A price that is missing, or older than `stale_ns`, endangers both outcomes: the rule was asked
    for, and nobody knows whether it would act.
    """

    def __init__(self, params: UnderlyingMoveParams) -> None:
        self._params = params
        self._prices = ExtremePrices(params.span_ns)
        self._until_ns: dict[Outcome, int] = {}
        self.price_e8: int | None = None
        self.received_ns = 0

    @property
    def is_on(self) -> bool:
        """Whether a threshold is set."""
        return self._params.move_ppm > 0

    def note(self, received_ns: int, price_e8: int) -> None:
        """Take a price; one of before the newest is dropped, for a move needs an order."""
        if not self.is_on or received_ns < self.received_ns:
            return
        self.price_e8, self.received_ns = price_e8, received_ns
        prices, move_ppm = self._prices, self._params.move_ppm
        prices.note(received_ns, price_e8)
        until_ns = received_ns + self._params.pause_ns
        if (price_e8 - prices.lowest_e8) * _MILLION >= move_ppm * prices.lowest_e8:
            self._until_ns[Outcome.DOWN] = until_ns
        if (prices.highest_e8 - price_e8) * _MILLION >= move_ppm * prices.highest_e8:
            self._until_ns[Outcome.UP] = until_ns

    def endangered(self, at_ns: int) -> tuple[Outcome, ...]:
        """The outcomes whose bids must not rest now."""
        if not self.is_on:
            return ()
        if self.is_stale(at_ns):
            return tuple(Outcome)
        return tuple(o for o in Outcome if at_ns < self._until_ns.get(o, 0))

    def is_stale(self, at_ns: int) -> bool:
        """Whether no price is known, or none that is young enough."""
        return self.price_e8 is None or at_ns - self.received_ns > self._params.stale_ns

    def as_view(self, at_ns: int) -> dict[str, object]:
        """For /state: price in dollars, its age, and the outcomes in danger."""
        price_e8 = self.price_e8
        return {
            "price": None if price_e8 is None else price_e8 / DOLLAR_E8,
            "age_ms": None if price_e8 is None else (at_ns - self.received_ns) // NS_PER_MS,
            "endangered": [outcome.value for outcome in self.endangered(at_ns)],
        }

    def reason(self, at_ns: int) -> str:
        """Why bids are withdrawn, for a person; the variables are named."""
        if self.price_e8 is None:
            return "no price of the underlying yet: is PM_UNDERLYING_URL set and reachable"
        if self.is_stale(at_ns):
            age_ms = (at_ns - self.received_ns) // NS_PER_MS
            return f"the underlying's price is {age_ms} ms old (PM_UNDERLYING_STALE_MS)"
        params = self._params
        move = f"PM_UNDERLYING_MOVE_BP={params.move_ppm / PPM_PER_BP:g}"
        span = f"PM_UNDERLYING_SPAN_MS={params.span_ns // NS_PER_MS}"
        pause = f"PM_UNDERLYING_PAUSE_MS={params.pause_ns // NS_PER_MS}"
        return f"the underlying moved by {move} within {span}: {pause}"
