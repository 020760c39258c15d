"""Token buckets of docs/venue.md 2.2."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pmcore.machines.rate_budget import RATE_TIERS, RateTier
from pmcore.model.units import NS_PER_S
from pmsimulator.answers import VenueError
from pmsimulator.rate_limits import RateLimits, Tier

T0 = 1_790_000_000 * NS_PER_S


def refused_for_s(admit: Callable[[str, int, int], object], cost: int) -> int:
    with pytest.raises(VenueError) as refused:
        admit("a", cost, T0)
    assert refused.value.status == 429
    assert refused.value.headers is not None
    return int(refused.value.headers["Retry-After"])


def test_a_batch_is_all_or_nothing() -> None:
    limits = RateLimits(Tier.STANDARD)
    assert limits.admit_orders("a", 50, T0)["Poly-RateLimit-Remaining"] == "10"
    assert refused_for_s(limits.admit_orders, 11) == 1
    assert limits.admit_orders("a", 10, T0)["Poly-RateLimit-Remaining"] == "0"
    assert limits.admit_orders("b", 60, T0)
    assert limits.admit_orders("a", 40, T0 + NS_PER_S)


def test_orders_and_cancels_do_not_share() -> None:
    limits = RateLimits(Tier.STANDARD)
    limits.admit_orders("a", 60, T0)
    headers = limits.admit_cancels("a", 120, T0)
    assert headers["Poly-RateLimit-Tier"] == "Standard"
    assert headers["Poly-RateLimit-Reset"] == str(1_790_000_000 + 2)


def test_cancel_all_may_leave_a_debt_which_platinum_forgives() -> None:
    limits = RateLimits(Tier.STANDARD)
    limits.admit_cancels("a", 1, T0)
    assert limits.debit_cancels("a", 200, T0)["Poly-RateLimit-Remaining"] == "-81"
    assert refused_for_s(limits.admit_cancels, 1) == 2
    platinum = RateLimits(Tier.PLATINUM)
    platinum.admit_cancels("a", 1, T0)
    assert platinum.debit_cancels("a", 9_999, T0)["Poly-RateLimit-Remaining"] == "0"


def test_off_admits_everything_without_a_word() -> None:
    limits = RateLimits(Tier.OFF)
    assert limits.admit_orders("a", 10_000, T0) == {}
    assert limits.admit_cancels("a", 10_000, T0) == {}
    assert limits.debit_cancels("a", 10_000, T0) == {}


@pytest.mark.parametrize(
    ("tier", "orders_per_s"),
    list(zip(RateTier, (40, 60, 80, 200, 400, 450, 525, 600), strict=True)),
)
def test_every_tier_has_the_documented_figures(tier: RateTier, orders_per_s: int) -> None:
    """docs/venue.md 2.2: a burst of one and a half seconds; twice as much for cancels."""
    assert RateLimits(Tier(tier.value)).tier_row() == {
        "tier": tier.value.capitalize(),
        "orders": {"per_second": orders_per_s, "burst": orders_per_s * 3 // 2},
        "cancels": {"per_second": orders_per_s * 2, "burst": orders_per_s * 3},
    }
    assert RATE_TIERS[tier][:2] == (orders_per_s, orders_per_s * 3 // 2)


def test_the_simulator_knows_the_engines_tiers_and_off() -> None:
    assert {tier.value for tier in Tier} == {"off", *(tier.value for tier in RateTier)}
