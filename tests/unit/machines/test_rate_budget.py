"""Token buckets count as the venue's do, and cancels keep what they need."""

from __future__ import annotations

import pytest

from pmcore.machines.rate_budget import RateBudget, RateTier, TokenBucket
from pmcore.model.errors import InvariantError
from pmcore.model.units import NS_PER_MS, NS_PER_S


def test_a_bucket_starts_full_and_refills_at_its_rate_up_to_its_burst() -> None:
    bucket = TokenBucket(40, 60)
    assert bucket.tokens(0) == 60
    bucket.take(0, 60)
    assert bucket.tokens(0) == 0
    assert bucket.tokens(25 * NS_PER_MS) == 1
    assert bucket.tokens(NS_PER_S) == 40
    assert bucket.tokens(10 * NS_PER_S) == 60


def test_a_bucket_may_be_overdrawn_and_recovers() -> None:
    bucket = TokenBucket(80, 120)
    bucket.take(0, 200)
    assert bucket.tokens(0) == -80
    assert bucket.tokens(NS_PER_S) == 0


def test_time_that_runs_backwards_gives_nothing() -> None:
    bucket = TokenBucket(40, 60)
    bucket.take(NS_PER_S, 60)
    assert bucket.tokens(0) == 0
    assert bucket.tokens(NS_PER_S) == 0


def test_the_venues_count_is_believed_downward_only() -> None:
    bucket = TokenBucket(40, 60)
    bucket.correct(0, 7)
    assert bucket.tokens(0) == 7
    bucket.correct(0, 50)
    assert bucket.tokens(0) == 7


def test_a_block_holds_until_its_end_and_a_shorter_one_does_not_shorten_it() -> None:
    bucket = TokenBucket(40, 60)
    bucket.block(5)
    bucket.block(3)
    assert bucket.blocked(4)
    assert not bucket.blocked(5)


def test_placing_stops_when_orders_or_the_reserve_for_cancels_run_out() -> None:
    budget = RateBudget(RateTier.STANDARD, cancel_reserve=20)
    assert budget.may_place(0, open_orders=0)
    budget.cancels.take(0, 95)
    assert budget.may_place(0, open_orders=5)
    assert not budget.may_place(0, open_orders=6)
    budget.orders.take(0, 60)
    assert not budget.may_place(0, open_orders=0)


def test_placing_stops_while_the_venue_said_no() -> None:
    budget = RateBudget(RateTier.ELITE, cancel_reserve=0)
    budget.orders.block(NS_PER_S)
    assert not budget.may_place(0, open_orders=0)
    assert budget.may_place(NS_PER_S, open_orders=0)


def test_a_batch_of_cancels_fits_the_burst_and_the_venues_limit_of_ids() -> None:
    assert RateBudget(RateTier.STANDARD, 0).max_cancel_batch == 120
    assert RateBudget(RateTier.ELITE, 0).max_cancel_batch == 1000


def test_a_reserve_beyond_the_burst_is_our_mistake() -> None:
    with pytest.raises(InvariantError):
        RateBudget(RateTier.STANDARD, cancel_reserve=120)
