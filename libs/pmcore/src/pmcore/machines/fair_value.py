"""The probability that Up wins, from the underlying's price alone, and the bids that it forbids.

A window settles on averages (docs/venue.md 7.3): Up wins if the average A over the last `twap` of
the window is at or above the average B over the `twap` before its opening. The model is a Brownian
motion without drift (Bachelier): from the last price on, A − B is normal around what it would be
if the price stayed, and P(Up) = Φ(ahead / sqrt(variance)). Decision 25 derives the variance.

Prices are integers in 1e-8 dollars, times are those of their receipt, sums are exact. Floats begin
where probability begins; a rule compares its value in 1/10 000, an integer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from pmcore.model.market import Outcome, Window
from pmcore.model.params import FairValueParams
from pmcore.model.units import DOLLAR_E8, NS_PER_MS, NS_PER_S, PRICE_ONE_E4, complement_e4

SAMPLE_NS = NS_PER_S
"""Least time between two prices of a return; over shorter ones the spread's noise counts more."""
MIN_SAMPLES = 30
"""With n returns the volatility is known to about 1 / sqrt(2n) of itself: here to 13 %."""
SHORTEST_IN_TWAPS = 5
"""A window that is shorter than this many averages has a shorter average, as in the simulator."""


def chance_of_up(ahead: float, variance: float) -> float:
    """P(A − B ≥ 0) for a normal law of this mean and variance, 0 to 1; a tie is Up's."""
    if variance <= 0:
        return 1.0 if ahead >= 0 else 0.0
    return 0.5 * (1.0 + math.erf(ahead / math.sqrt(2.0 * variance)))


def variance_span_s(left_s: float, twap_s: float) -> float:
    """The variance of the average over the last `twap_s`, in seconds of the price's own variance.

    Before it begins: the time until then, and a third of its length. Within it: only what is left
    of it, weighted by its part of the whole.
    """
    if left_s >= twap_s:
        return left_s - twap_s + twap_s / 3
    return left_s**3 / (3 * twap_s**2)


class SpanAverage:
    """The time-weighted average of a price over a span, of which a part is known."""

    def __init__(self, begin_ns: int, end_ns: int) -> None:
        self._begin_ns, self._end_ns = begin_ns, end_ns
        self._sum = 0  # 1e-8 dollars times nanoseconds
        self._known_ns = 0
        self.longest_gap_ns = 0

    def note(self, from_ns: int, to_ns: int, price_e8: int) -> None:
        """The price stayed from one time to another, as far as anybody was told."""
        held_ns = min(to_ns, self._end_ns) - max(from_ns, self._begin_ns)
        if held_ns > 0:
            self._sum += price_e8 * held_ns
            self._known_ns += held_ns
            self.longest_gap_ns = max(self.longest_gap_ns, to_ns - from_ns)

    def filled_e8(self, price_e8: int) -> float:
        """The average if the price was this one where nothing is known."""
        span_ns = self._end_ns - self._begin_ns
        return (self._sum + price_e8 * (span_ns - self._known_ns)) / span_ns


class FairValue:
    """One window's model and rule. Without a margin the rule forbids nothing.

    `chance` says nothing while it does not know: no price of before the opening, too few returns,
    an old price, a gap in an average. Then the rule forbids both bids of a new pair.
    """

    def __init__(self, window: Window, params: FairValueParams, stale_ns: int) -> None:
        self._params = params
        self._stale_ns = stale_ns
        self._open_ns, self._close_ns = window.open_ns, window.close_ns
        self._twap_ns = min(params.twap_ns, window.length_ns // SHORTEST_IN_TWAPS)
        self._opening = SpanAverage(self._open_ns - self._twap_ns, self._open_ns)
        self._closing = SpanAverage(self._close_ns - self._twap_ns, self._close_ns)
        self._first: tuple[int, int] | None = None  # (time, price)
        self._last: tuple[int, int] | None = None
        self._sampled: tuple[int, int] | None = None
        self._squares = 0  # of the returns, (1e-8 dollars) squared
        self._sampled_ns = 0
        self._samples = 0

    @property
    def is_on(self) -> bool:
        """Whether the rule has its margin."""
        return self._params.margin_e4 is not None

    def note(self, received_ns: int, price_e8: int) -> None:
        """Take a price; one of before the newest is dropped."""
        now = (received_ns, price_e8)
        if self._last is None or self._sampled is None:
            self._first = self._last = self._sampled = now
            return
        last_ns, last_e8 = self._last
        if received_ns < last_ns:
            return
        for average in (self._opening, self._closing):
            average.note(last_ns, received_ns, last_e8)
        self._last = now
        sampled_ns, sampled_e8 = self._sampled
        if received_ns - sampled_ns >= SAMPLE_NS:
            self._squares += (price_e8 - sampled_e8) ** 2
            self._sampled_ns += received_ns - sampled_ns
            self._samples += 1
            self._sampled = now

    def chance(self, at_ns: int) -> float | None:
        """The probability of Up, 0 to 1; None when it is not known (`unknown` says why)."""
        if self.unknown(at_ns) or self._first is None or self._last is None:
            return None
        (first_ns, first_e8), (last_ns, last_e8) = self._first, self._last
        ahead = self._closing.filled_e8(last_e8) - self._opening.filled_e8(first_e8)
        twap_s = self._twap_ns / NS_PER_S
        left_s = max(self._close_ns - last_ns, 0) / NS_PER_S
        # the beginning of the opening's average that nobody saw: the same law, backwards in time
        unseen_s = max(first_ns - (self._open_ns - self._twap_ns), 0) / NS_PER_S
        span_s = variance_span_s(left_s, twap_s) + variance_span_s(unseen_s, twap_s)
        return chance_of_up(ahead, self._squares / (self._sampled_ns / NS_PER_S) * span_s)

    def worth_e4(self, at_ns: int, outcome: Outcome) -> int | None:
        """What a share of an outcome is worth, in 1/10 000 dollars; None when it is not known."""
        chance = self.chance(at_ns)
        if chance is None:
            return None
        up_e4 = round(chance * PRICE_ONE_E4)
        return up_e4 if outcome is Outcome.UP else complement_e4(up_e4)

    def overpriced(self, at_ns: int, bids_e4: Mapping[Outcome, int]) -> tuple[Outcome, ...]:
        """Which of these bids for a new pair stand above what they are worth, less the margin."""
        margin_e4 = self._params.margin_e4
        if margin_e4 is None:
            return ()
        up_e4 = self.worth_e4(at_ns, Outcome.UP)
        if up_e4 is None:
            return tuple(bids_e4)
        worth_e4 = {Outcome.UP: up_e4, Outcome.DOWN: complement_e4(up_e4)}
        return tuple(o for o, bid_e4 in bids_e4.items() if bid_e4 > worth_e4[o] - margin_e4)

    def unknown(self, at_ns: int) -> str:
        """Why no probability is known, for a person; "" when one is."""
        if self._first is None or self._last is None:
            return "no price of the underlying yet: is PM_UNDERLYING_URL set and reachable"
        age_ns = at_ns - self._last[0]
        if age_ns > self._stale_ns:
            age_ms = age_ns // NS_PER_MS
            return f"the underlying's price is {age_ms} ms old (PM_UNDERLYING_STALE_MS)"
        if self._first[0] > self._open_ns:
            return "the first price came after the opening: the price to beat is not known"
        if self._last[0] < self._open_ns:
            return "no price since the opening yet"
        if max(self._opening.longest_gap_ns, self._closing.longest_gap_ns) > self._stale_ns:
            return "a part of the settlement's average was not seen (PM_UNDERLYING_STALE_MS)"
        if self._samples < MIN_SAMPLES:
            return f"{self._samples} of {MIN_SAMPLES} returns for the volatility were seen"
        if not self._squares:
            return "the underlying's price never moved: no volatility is known"
        return ""

    def as_view(self, at_ns: int) -> dict[str, object]:
        """For /state: the chance of Up, and the price to beat and the price in dollars."""
        chance = self.chance(at_ns)
        to_beat = None
        if self._first is not None and self._first[0] <= self._open_ns:
            to_beat = round(self._opening.filled_e8(self._first[1]) / DOLLAR_E8, 8)
        return {
            "up": None if chance is None else round(chance, 4),
            "unknown": self.unknown(at_ns),
            "price_to_beat": to_beat,
            "price": None if self._last is None else self._last[1] / DOLLAR_E8,
        }

    def reason(self, at_ns: int, outcome: Outcome) -> str:
        """Why a bid is withdrawn, for a person; the variables are named."""
        worth_e4, margin_e4 = self.worth_e4(at_ns, outcome), self._params.margin_e4 or 0
        if worth_e4 is None:
            return self.unknown(at_ns)
        margin = f"PM_FAIR_VALUE_MARGIN={margin_e4 / PRICE_ONE_E4:g}"
        return f"{outcome.value} is worth {worth_e4 / PRICE_ONE_E4:g}, less {margin}"
