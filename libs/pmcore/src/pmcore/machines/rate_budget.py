"""Our own count of the venue's token buckets (docs/venue.md 2.2), so that a 429 is the exception.

Orders and cancels have a bucket each. Quotes wait when the order bucket is empty, or when the
cancel bucket could not pay for taking back all that rests plus a reserve; cancels are never
delayed by our count, only by the venue's answer (429 with Retry-After).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from pmcore.model.check import invariant
from pmcore.model.units import NS_PER_S

RESET_TRUST_NS = 60 * NS_PER_S
"""A Poly-RateLimit-Reset further away than this is ignored (another clock, or another unit)."""


class RateTier(StrEnum):
    """Tiers by 30-day maker volume (docs/venue.md 2.2)."""

    STANDARD = "standard"
    COPPER = "copper"
    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"
    PLATINUM = "platinum"
    DIAMOND = "diamond"
    ELITE = "elite"


class TierRates(NamedTuple):
    """The two buckets of a tier: tokens per second, and the most that each holds."""

    orders_per_s: int
    order_burst: int
    cancels_per_s: int
    cancel_burst: int


RATE_TIERS: Mapping[RateTier, TierRates] = {
    RateTier.STANDARD: TierRates(40, 60, 80, 120),
    RateTier.COPPER: TierRates(60, 90, 120, 180),
    RateTier.BRONZE: TierRates(80, 120, 160, 240),
    RateTier.SILVER: TierRates(200, 300, 400, 600),
    RateTier.GOLD: TierRates(400, 600, 800, 1200),
    RateTier.PLATINUM: TierRates(450, 675, 900, 1350),
    RateTier.DIAMOND: TierRates(525, 787, 1050, 1575),
    RateTier.ELITE: TierRates(600, 900, 1200, 1800),
}
"""The figures of docs/venue.md 2.2; the simulator enforces the same, with buckets of its own."""

MAX_IDS_PER_CANCEL = 1000
"""`DELETE /orders` takes at most this many ids (docs/venue.md 1.5)."""


class TokenBucket:
    """Tokens in billionths, so that `rate_per_s * elapsed_ns` is exact. May be negative."""

    def __init__(self, rate_per_s: int, burst: int) -> None:
        invariant(rate_per_s > 0 and burst > 0, "a bucket needs a rate and a burst")
        self.rate_per_s = rate_per_s
        self.burst = burst
        self._level_e9 = burst * NS_PER_S
        self._at_ns: int | None = None
        self._blocked_until_ns = 0

    def _refill(self, at_ns: int) -> None:
        if self._at_ns is not None and at_ns > self._at_ns:
            gained_e9 = (at_ns - self._at_ns) * self.rate_per_s
            self._level_e9 = min(self.burst * NS_PER_S, self._level_e9 + gained_e9)
        self._at_ns = at_ns if self._at_ns is None else max(self._at_ns, at_ns)

    def tokens(self, at_ns: int) -> int:
        """Whole tokens now, rounded down; negative after an overdraft."""
        self._refill(at_ns)
        return self._level_e9 // NS_PER_S

    def take(self, at_ns: int, count: int) -> None:
        """Spend `count`, below zero if need be."""
        self._refill(at_ns)
        self._level_e9 -= count * NS_PER_S

    def correct(self, at_ns: int, remaining: int) -> None:
        """Use the venue's figure when it is lower than ours; never when it is higher."""
        self._refill(at_ns)
        self._level_e9 = min(self._level_e9, remaining * NS_PER_S)

    def block(self, until_ns: int) -> None:
        """The venue said 429: nothing before this time."""
        self._blocked_until_ns = max(self._blocked_until_ns, until_ns)

    def blocked(self, at_ns: int) -> bool:
        """Whether a 429 still holds."""
        return at_ns < self._blocked_until_ns


class RateBudget:
    """The two buckets of one signer."""

    def __init__(self, tier: RateTier, cancel_reserve: int) -> None:
        rates = RATE_TIERS[tier]
        self.orders = TokenBucket(rates.orders_per_s, rates.order_burst)
        self.cancels = TokenBucket(rates.cancels_per_s, rates.cancel_burst)
        invariant(0 <= cancel_reserve < self.cancels.burst, "cancel reserve must fit the burst")
        self.cancel_reserve = cancel_reserve

    def may_place(self, at_ns: int, open_orders: int) -> bool:
        """Whether one order may go out now and leave enough for cancels."""
        needed = min(self.cancel_reserve + open_orders, self.cancels.burst)
        return (
            not self.orders.blocked(at_ns)
            and self.orders.tokens(at_ns) >= 1
            and self.cancels.tokens(at_ns) >= needed
        )

    @property
    def max_cancel_batch(self) -> int:
        """The venue can never admit a larger batch (docs/venue.md 2.2)."""
        return min(self.cancels.burst, MAX_IDS_PER_CANCEL)
