"""Token buckets per signer, as the venue keeps them (docs/venue.md 2.2). Pure over given time.

An order costs 1, a batch its length, all or nothing; orders and cancels have buckets of their own.
`cancel-all` and `cancel-market-orders` cost 1 plus what they cancelled, debited afterwards: the
bucket may then be negative, except from Platinum on.
"""

from __future__ import annotations

import math
from enum import StrEnum

import msgspec

from pmcore.machines.rate_budget import RATE_TIERS, RateTier, TierRates
from pmcore.model.units import NS_PER_S
from pmsimulator.answers import VenueError


class Tier(StrEnum):
    """Those of `RateTier`, and `OFF`, which admits everything and sends no headers."""

    OFF = "off"
    STANDARD = "standard"
    COPPER = "copper"
    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"
    PLATINUM = "platinum"
    DIAMOND = "diamond"
    ELITE = "elite"


_NO_RATES = TierRates(0, 0, 0, 0)
_NEVER_NEGATIVE = (Tier.PLATINUM, Tier.DIAMOND, Tier.ELITE)


class Bucket(msgspec.Struct):
    """Refills at `per_s` up to `burst`. Written apart from the engine's own, as its check."""

    per_s: int
    burst: int
    level: float
    at_ns: int

    def refill(self, at_ns: int) -> None:
        """Bring the level up to date."""
        elapsed_s = max(at_ns - self.at_ns, 0) / NS_PER_S
        self.level = min(self.level + elapsed_s * self.per_s, float(self.burst))
        self.at_ns = max(at_ns, self.at_ns)

    def wait_s(self, cost: int) -> float:
        """Seconds until a cost can be paid."""
        return max(cost - self.level, 0.0) / self.per_s


class RateLimits:
    """The buckets of all signers in one tier. Raises `VenueError` 429 with `Retry-After`."""

    def __init__(self, tier: Tier) -> None:
        self._tier = tier
        self._orders: dict[str, Bucket] = {}
        self._cancels: dict[str, Bucket] = {}

    def tier_row(self) -> dict[str, object]:
        """The answer of `GET /v1/user/rate-limit-tier`; its exact form is not established."""
        rates = _NO_RATES if self._tier is Tier.OFF else RATE_TIERS[RateTier(self._tier.value)]
        return {
            "tier": self._tier.value.capitalize(),
            "orders": {"per_second": rates.orders_per_s, "burst": rates.order_burst},
            "cancels": {"per_second": rates.cancels_per_s, "burst": rates.cancel_burst},
        }

    def admit_orders(self, signer: str, cost: int, at_ns: int) -> dict[str, str]:
        """Pay for orders; return the headers of the answer."""
        return self._pay(self._orders, signer, cost, at_ns, cancels=False)

    def admit_cancels(self, signer: str, cost: int, at_ns: int) -> dict[str, str]:
        """Pay for cancels; return the headers of the answer."""
        return self._pay(self._cancels, signer, cost, at_ns, cancels=True)

    def debit_cancels(self, signer: str, cost: int, at_ns: int) -> dict[str, str]:
        """Debit what a cancel of many turned out to cost; return the headers of the answer."""
        if self._tier is Tier.OFF:
            return {}
        bucket = self._cancels[signer]
        bucket.level -= cost
        if self._tier in _NEVER_NEGATIVE:
            bucket.level = max(bucket.level, 0.0)
        return self._headers(bucket, at_ns)

    def _pay(
        self, buckets: dict[str, Bucket], signer: str, cost: int, at_ns: int, *, cancels: bool
    ) -> dict[str, str]:
        if self._tier is Tier.OFF:
            return {}
        bucket = buckets.get(signer)
        if bucket is None:
            per_s, burst = _rate_of(RATE_TIERS[RateTier(self._tier.value)], cancels=cancels)
            bucket = buckets[signer] = Bucket(per_s, burst, burst, at_ns)
        bucket.refill(at_ns)
        wait_s = bucket.wait_s(cost)
        if wait_s > 0:
            headers = self._headers(bucket, at_ns) | {"Retry-After": str(math.ceil(wait_s))}
            raise VenueError(429, "Too Many Requests", headers=headers)
        bucket.level -= cost
        return self._headers(bucket, at_ns)

    def _headers(self, bucket: Bucket, at_ns: int) -> dict[str, str]:
        full_s = at_ns / NS_PER_S + bucket.wait_s(bucket.burst)
        return {
            "Poly-RateLimit-Remaining": str(math.floor(bucket.level)),
            "Poly-RateLimit-Reset": str(math.ceil(full_s)),
            "Poly-RateLimit-Tier": self._tier.value.capitalize(),
        }


def _rate_of(rates: TierRates, *, cancels: bool) -> tuple[int, int]:
    """Tokens per second and burst of one kind of request."""
    if cancels:
        return rates.cancels_per_s, rates.cancel_burst
    return rates.orders_per_s, rates.order_burst
