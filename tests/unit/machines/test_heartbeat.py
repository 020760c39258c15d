"""The dead-man switch: chained ids, one beat in flight, and no placing without it."""

from __future__ import annotations

import pytest

from pmcore.machines.heartbeat import Heartbeat
from pmcore.model.errors import InvariantError
from pmcore.model.units import NS_PER_S


def _armed(at_ns: int = 0) -> Heartbeat:
    heartbeat = Heartbeat()
    assert heartbeat.due(at_ns, healthy=True) == ""
    heartbeat.accepted(at_ns, "one")
    return heartbeat


def test_the_first_beat_is_empty_and_each_next_carries_the_last_id() -> None:
    heartbeat = _armed()
    assert heartbeat.due(5 * NS_PER_S - 1, healthy=True) is None
    assert heartbeat.due(5 * NS_PER_S, healthy=True) == "one"
    heartbeat.accepted(5 * NS_PER_S, "two")
    assert heartbeat.due(10 * NS_PER_S, healthy=True) == "two"


def test_no_beat_while_one_is_in_flight_or_while_unhealthy() -> None:
    heartbeat = Heartbeat()
    assert heartbeat.due(0, healthy=False) is None
    assert heartbeat.due(0, healthy=True) == ""
    assert heartbeat.due(NS_PER_S, healthy=True) is None


def test_a_wrong_id_is_followed_at_once_by_the_expected_one() -> None:
    heartbeat = _armed()
    heartbeat.due(5 * NS_PER_S, healthy=True)
    heartbeat.refused(5 * NS_PER_S, "expected")
    assert heartbeat.failures == 0
    assert heartbeat.due(5 * NS_PER_S, healthy=True) == "expected"


def test_endless_wrong_ids_count_as_failures_and_slow_down() -> None:
    heartbeat = Heartbeat()
    for number in range(3):
        assert heartbeat.due(0, healthy=True) is not None
        heartbeat.refused(0, f"id{number}")
    assert heartbeat.failures == 1
    assert heartbeat.due(0, healthy=True) is None
    assert heartbeat.due(NS_PER_S, healthy=True) == "id2"


def test_placing_needs_a_fresh_beat() -> None:
    heartbeat = Heartbeat()
    assert not heartbeat.placing_allowed(0)
    assert heartbeat.age_ns(0) is None
    heartbeat = _armed()
    assert heartbeat.placing_allowed(0)
    assert heartbeat.age_ns(NS_PER_S) == NS_PER_S
    assert not heartbeat.placing_allowed(10 * NS_PER_S)


def test_three_failures_stop_placing_and_one_success_allows_it_again() -> None:
    heartbeat = _armed()
    at_ns = 5 * NS_PER_S
    for _ in range(3):
        assert heartbeat.due(at_ns, healthy=True) == "one"
        heartbeat.failed(at_ns)
        at_ns += NS_PER_S
    assert not heartbeat.placing_allowed(at_ns)
    assert heartbeat.due(at_ns, healthy=True) == "one"
    heartbeat.accepted(at_ns, "two")
    assert heartbeat.placing_allowed(at_ns)


def test_an_answer_without_a_beat_is_our_mistake() -> None:
    with pytest.raises(InvariantError):
        Heartbeat().failed(0)
