from __future__ import annotations

from pmcore.machines.lease import MARGIN_NS, TTL_MS, Lease, LeaseHolder
from pmcore.model.units import NS_PER_MS

_GOOD_NS = TTL_MS * NS_PER_MS - MARGIN_NS


def test_nobody_writes_before_it_has_the_lease() -> None:
    lease = Lease("a", "1")
    assert not lease.valid(0)
    assert lease.refuses(0) == "no lease yet"
    assert lease.may_take(None)


def test_a_lease_ends_before_the_store_forgets_it() -> None:
    lease = Lease("a", "1")
    lease.taken(lease.next_holder(4), asked_ns=1_000)
    assert lease.token == 5
    assert lease.refuses(1_000 + _GOOD_NS - 1) == ""
    assert "renewed" in lease.refuses(1_000 + _GOOD_NS)
    lease.taken(LeaseHolder("a", "1", 5), asked_ns=2_000)
    assert lease.valid(1_000 + _GOOD_NS)


def test_of_another_deployment_nothing_is_taken() -> None:
    lease = Lease("a", "1")
    other = LeaseHolder("b", "9", 7)
    assert not lease.may_take(other)
    assert not lease.is_own(other)
    lease.lost(other)
    assert "b, token 7" in lease.refuses(0)


def test_a_restart_takes_what_its_earlier_start_held() -> None:
    lease = Lease("a", "2")
    assert lease.may_take(LeaseHolder("a", "1", 7))
    lease.taken(lease.next_holder(7), asked_ns=0)
    assert lease.is_own(LeaseHolder("a", "2", 8))
    assert not lease.is_own(LeaseHolder("a", "2", 7))
    assert not lease.may_take(LeaseHolder("a", "3", 9))  # a later start: this one has lost


def test_a_token_is_higher_than_all_before_it_even_if_the_store_forgot() -> None:
    lease = Lease("a", "1")
    lease.taken(lease.next_holder(7), asked_ns=0)
    lease.lost(None)
    assert not lease.valid(0)
    assert lease.next_holder(0).token == 9


def test_a_taking_whose_answer_was_lost_is_own_and_an_older_one_is_taken_anew() -> None:
    lease = Lease("a", "1")
    assert lease.is_own(LeaseHolder("a", "1", 5))
    assert not lease.is_own(LeaseHolder("b", "1", 5))
    lease.taken(LeaseHolder("a", "1", 5), asked_ns=0)
    older = LeaseHolder("a", "1", 4)
    assert not lease.is_own(older)
    assert lease.may_take(older)
    assert lease.next_holder(4).token == 6
