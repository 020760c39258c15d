"""The dead-man switch: chained ids, one beat in flight, and no placing without it."""

from __future__ import annotations

import pytest

from pmcore.machines.dead_man_switch import DeadManSwitch
from pmcore.model.errors import InvariantError
from pmcore.model.units import NS_PER_S


def _armed(at_ns: int = 0) -> DeadManSwitch:
    heartbeat = DeadManSwitch()
    assert heartbeat.due(at_ns, healthy=True) == ""
    heartbeat.accepted("one")
    return heartbeat


def test_the_first_beat_is_empty_and_each_next_carries_the_last_id() -> None:
    heartbeat = _armed()
    assert heartbeat.due(5 * NS_PER_S - 1, healthy=True) is None
    assert heartbeat.due(5 * NS_PER_S, healthy=True) == "one"
    heartbeat.accepted("two")
    assert heartbeat.due(10 * NS_PER_S, healthy=True) == "two"


def test_no_beat_while_one_is_in_flight_or_while_unhealthy() -> None:
    heartbeat = DeadManSwitch()
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
    heartbeat = DeadManSwitch()
    for number in range(3):
        assert heartbeat.due(0, healthy=True) is not None
        heartbeat.refused(0, f"id{number}")
    assert heartbeat.failures == 1
    assert heartbeat.due(0, healthy=True) is None
    assert heartbeat.due(NS_PER_S, healthy=True) == "id2"


def test_placing_needs_a_fresh_beat() -> None:
    heartbeat = DeadManSwitch()
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
    heartbeat.accepted("two")
    assert heartbeat.placing_allowed(at_ns)


def test_an_answer_without_a_beat_is_our_mistake() -> None:
    with pytest.raises(InvariantError):
        DeadManSwitch().failed(0)


@pytest.mark.parametrize("healthy_again_s", [11, 30, 3600])
def test_a_chain_that_the_venue_dropped_begins_anew(healthy_again_s: int) -> None:
    """After a lapse the venue expects no id of ours: the empty one, and at once."""
    heartbeat = _armed()
    at_ns = healthy_again_s * NS_PER_S
    assert heartbeat.due(at_ns, healthy=True) == "one"
    heartbeat.refused(at_ns, "")
    assert heartbeat.due(at_ns, healthy=True) == ""
    heartbeat.accepted("two")
    assert heartbeat.placing_allowed(at_ns)


def test_an_old_id_is_not_sent_for_ever_whatever_the_failure() -> None:
    heartbeat, sent = _armed(), []
    for second in range(5, 60):
        if (beat := heartbeat.due(second * NS_PER_S, healthy=True)) is not None:
            sent.append(beat)
            heartbeat.failed(second * NS_PER_S)
    assert sent[0] == "one"
    assert set(sent[6:]) == {""}
    assert len(sent) == 55  # a second apart: the wait is bounded


def test_a_chain_that_lives_at_the_venue_is_found_again_after_a_new_begin() -> None:
    heartbeat = _armed()
    heartbeat.due(20 * NS_PER_S, healthy=True)
    heartbeat.failed(20 * NS_PER_S)
    assert heartbeat.due(21 * NS_PER_S, healthy=True) == ""
    heartbeat.refused(21 * NS_PER_S, "theirs")
    assert heartbeat.due(21 * NS_PER_S, healthy=True) == "theirs"


def test_a_venue_that_refuses_the_empty_id_too_is_not_flooded() -> None:
    heartbeat = DeadManSwitch()
    sent = 0
    for tenth in range(100):
        at_ns = tenth * NS_PER_S // 10
        while heartbeat.due(at_ns, healthy=True) is not None:
            sent += 1
            heartbeat.refused(at_ns, "")
    assert sent == 30


def test_a_beat_counts_from_when_it_was_sent() -> None:
    heartbeat = DeadManSwitch()
    heartbeat.due(0, healthy=True)
    heartbeat.accepted("one")  # the answer came at 4 s, and the venue's lapse began at 0
    assert heartbeat.age_ns(9 * NS_PER_S) == 9 * NS_PER_S
    assert heartbeat.due(5 * NS_PER_S, healthy=True) == "one"
    assert not heartbeat.placing_allowed(10 * NS_PER_S)
