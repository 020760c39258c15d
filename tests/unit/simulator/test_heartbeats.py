"""The chain of ids and the lapse (docs/venue.md 8)."""

from __future__ import annotations

from pmcore.model.units import NS_PER_S
from pmsimulator.heartbeats import LAPSE_NS, HeartbeatReply, Heartbeats

T0 = 1_790_000_000 * NS_PER_S


def test_each_beat_names_the_next_and_a_wrong_one_the_expected() -> None:
    beats = Heartbeats()
    first = beats.beat("key", "", T0)
    second = beats.beat("key", first.heartbeat_id, T0 + 1)
    assert first.accepted
    assert second.accepted
    assert first.heartbeat_id != second.heartbeat_id
    refused = beats.beat("key", "wrong", T0 + 2)
    assert refused == HeartbeatReply(accepted=False, heartbeat_id=second.heartbeat_id)
    assert not beats.beat("key", "", T0 + 2).accepted
    assert beats.beat("key", refused.heartbeat_id, T0 + 3).accepted


def test_a_key_lapses_once_after_ten_seconds_without_an_accepted_beat() -> None:
    beats = Heartbeats()
    assert not beats.armed("a")
    beats.beat("a", "", T0)
    beats.beat("b", "", T0 + 5)
    beats.beat("a", "wrong", T0 + LAPSE_NS - 1)
    assert beats.lapse(T0 + LAPSE_NS - 1) == []
    assert beats.armed("a")
    assert beats.lapse(T0 + LAPSE_NS) == ["a"]
    assert not beats.armed("a")
    assert beats.lapse(T0 + LAPSE_NS + 1) == []
    assert beats.lapse(T0 + LAPSE_NS + 5) == ["b"]


def test_a_lapsed_key_arms_again_with_its_last_id_or_from_nothing() -> None:
    for resume_with_last in (True, False):
        beats = Heartbeats()
        last = beats.beat("a", "", T0).heartbeat_id
        assert beats.lapse(T0 + LAPSE_NS) == ["a"]
        again = beats.beat("a", last if resume_with_last else "", T0 + LAPSE_NS + 1)
        assert again.accepted
        assert beats.lapse(T0 + 2 * LAPSE_NS) == []
        assert beats.lapse(T0 + 2 * LAPSE_NS + 1) == ["a"]


def test_an_unknown_id_of_an_unknown_key_is_told_to_start_from_nothing() -> None:
    assert Heartbeats().beat("a", "stale", T0) == HeartbeatReply(accepted=False, heartbeat_id="")
