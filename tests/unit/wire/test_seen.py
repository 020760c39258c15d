"""What a consumer has been given, by stream; the largest id counts."""

from __future__ import annotations

from pmcore.wire.ports import Incoming
from pmcore.wire.seen import Seen, forget_group


def given(*entries: tuple[str, str]) -> list[Incoming]:
    return [Incoming(stream, entry_id, None) for stream, entry_id in entries]


def test_nothing_is_seen_at_first() -> None:
    assert Seen().last_id("user") == "0-0"


def test_the_largest_id_of_each_stream_counts() -> None:
    seen = Seen()
    seen.note(given(("user", "9-1"), ("exe", "5-0"), ("user", "10-0"), ("user", "9-7")))
    assert (seen.last_id("user"), seen.last_id("exe")) == ("10-0", "5-0")
    seen.note(given(("user", "2-0")))  # pending ones that come again
    assert seen.last_id("user") == "10-0"


def test_a_group_that_was_set_back_has_seen_nothing_of_that_stream() -> None:
    seen = Seen()
    seen.note(given(("user", "9-1"), ("exe", "5-0")))
    seen.forget("user")
    seen.forget("never read")
    assert (seen.last_id("user"), seen.last_id("exe")) == ("0-0", "5-0")


def test_a_group_that_is_gone_from_a_stream_is_forgotten_there_and_not_on_others() -> None:
    seen = {("g", "one"): Seen(), ("g", "two"): Seen(), ("h", "one"): Seen()}
    for consumer in seen.values():
        consumer.note(given(("cmd", "1-0")))
    seen["g", "one"].note(given(("user", "2-0")))
    forget_group(seen, "g", ["cmd", "md"])
    assert list(seen) == [("g", "one"), ("h", "one")]
    assert seen["g", "one"].last_id("cmd") == "0-0"
    assert seen["g", "one"].last_id("user") == "2-0"
    assert seen["h", "one"].last_id("cmd") == "1-0"
