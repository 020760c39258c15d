"""When a person is told: waiting, grouping, rate, repeats, ends; and the bounds of a text."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pmconsole.alerts import (
    ALERTS_KEPT,
    BURST,
    ENDS_AFTER_S,
    GAP_S,
    GROUP_S,
    MAX_BODY,
    REFILL_S,
    RETRY_S,
    AlertBook,
    Notification,
)
from pmconsole.faults import CRITICAL, WARNING, FaultSeen

REPEAT_S = 3600.0


def fault(key: str, wait_s: float = 0.0, text: str = "", severity: str = WARNING) -> FaultSeen:
    words = text or f"{key} is wrong"
    return FaultSeen(key=key, severity=severity, text=words, runbook="dead-letters", wait_s=wait_s)


class World:
    """A book, a clock that goes on by seconds, and what was sent."""

    def __init__(self, repeat_s: float = REPEAT_S) -> None:
        self.book = AlertBook(repeat_s=repeat_s, secrets=["s3cret-token"])
        self.now_s = 0.0
        self.sent: list[tuple[float, Notification]] = []
        self.works = True

    def go(self, seconds: float, *faults: FaultSeen) -> list[Notification]:
        """The messages of these seconds."""
        first = len(self.sent)
        until_s = self.now_s + seconds
        while self.now_s < until_s:
            self.now_s += 1
            message = self.book.step(self.now_s, faults)
            if message is not None and self.works:
                self.sent.append((self.now_s, message))
                self.book.sent(self.now_s, message)
            elif message is not None:
                self.book.failed(self.now_s)
        return [message for _, message in self.sent[first:]]


def test_an_alert_begins_after_its_wait_and_is_told_once() -> None:
    world = World()
    assert world.go(30, fault("a", wait_s=30)) == []
    (message,) = world.go(30, fault("a", wait_s=30))
    assert message.body == "a is wrong (docs/runbook.md#dead-letters)"
    assert message.title == "pm-as-ofi: 1 new"
    assert world.go(600, fault("a", wait_s=30)) == []


def test_a_fault_that_goes_before_its_wait_is_never_told() -> None:
    world = World()
    for _ in range(20):
        assert world.go(20, fault("a", wait_s=30)) == []
        assert world.go(1) == []


def test_an_alert_that_flickers_is_one_and_its_end_is_told() -> None:
    world = World()
    assert len(world.go(5, fault("a"))) == 1
    for _ in range(5):
        assert world.go(ENDS_AFTER_S - 2) == []
        assert world.go(2, fault("a")) == []
    (message,) = world.go(60)
    assert (message.title, message.severity) == ("pm-as-ofi: 1 over", "over")
    assert message.body == "over: a is wrong"
    assert world.go(REPEAT_S * 2) == []


def test_what_begins_together_is_one_message_and_the_worst_stands_first() -> None:
    world = World()
    world.go(1, fault("a"))
    (message,) = world.go(10, fault("a"), fault("b", severity=CRITICAL))
    assert message.body.splitlines()[0].startswith("CRITICAL b is wrong")
    assert message.severity == CRITICAL
    assert message.title == "pm-as-ofi: 2 new"


def test_an_alert_that_lasts_is_repeated() -> None:
    world = World(repeat_s=100)
    world.go(5, fault("a"))
    told = world.go(305, fault("a"))
    assert [message.title for message in told] == ["pm-as-ofi: 1 still"] * 3
    assert "still: a is wrong" in told[0].body
    quiet = World(repeat_s=0)
    quiet.go(5, fault("a"))
    assert quiet.go(100_000, fault("a")) == []


def test_a_message_that_nobody_took_is_tried_again_later_each_time() -> None:
    world = World()
    world.works = False
    tries = []
    for _ in range(sum(map(int, RETRY_S)) + 20):
        world.now_s += 1
        if world.book.step(world.now_s, [fault("a")]) is not None:
            tries.append(world.now_s)
            world.book.failed(world.now_s)
    waits = [b - a for a, b in pairwise(tries)]
    assert waits[: len(RETRY_S)] == list(RETRY_S)
    world.works = True
    assert [m.title for m in world.go(400, fault("a"))] == ["pm-as-ofi: 1 new"]


def test_what_came_and_went_unsaid_is_counted() -> None:
    world = World()
    world.works = False
    world.go(20, fault("a"))
    world.go(30)
    world.works = True
    (message,) = world.go(400, fault("b"))
    assert message.body.splitlines()[-1] == "and 1 that came and went since the last message"


def test_a_storm_is_bounded_in_messages_and_in_size() -> None:
    world = World()
    for second in range(2000):
        world.go(1, *(fault(f"{second // 20} {n}", text="x" * 500) for n in range(20)))
    most = BURST + 2000 / REFILL_S + 1
    assert 2 < len(world.sent) <= most
    assert all(len(message.body) < MAX_BODY + 150 for _, message in world.sent)
    assert "more: see `pm status`" in world.sent[0][1].body
    gaps = [b - a for (a, _), (b, _) in pairwise(world.sent)]
    assert min(gaps) >= GAP_S


def test_the_memory_is_bounded() -> None:
    book = AlertBook(repeat_s=REPEAT_S)
    book.step(1.0, [fault(str(n)) for n in range(ALERTS_KEPT + 10)])
    assert len(book.lasting) == ALERTS_KEPT


def test_no_secret_is_in_a_text() -> None:
    world = World()
    text = "s3cret-token at https://bob:pass@host/x?key=1 0x" + "ab" * 20 + " " + "A1" * 20
    (message,) = world.go(10, fault("a", text=text + "\nnext"))
    for secret in ("s3cret", "bob", "pass", "key=1", "abab", "A1A1", "\n"):
        assert secret not in message.body
    assert "next" in message.body


@given(
    st.lists(st.tuples(st.sets(st.sampled_from("abcd")), st.booleans()), max_size=120),
    st.sampled_from([0.0, 3.0]),
)
def test_whatever_happens_the_last_word_is_true(
    seconds: list[tuple[set[str], bool]], wait_s: float
) -> None:
    """After any history a lasting fault is told, and one that is away is told as over or never."""
    world = World()
    for keys, works in seconds:
        world.works = works
        world.go(1, *(fault(key, wait_s) for key in sorted(keys)))
    world.works = True
    world.go(REFILL_S * BURST, fault("a", wait_s))
    said: dict[str, str] = {}
    for _, message in world.sent:
        said |= dict.fromkeys(message.lasting, "lasts") | dict.fromkeys(message.ended, "over")
    assert said.pop("a") == "lasts"
    assert set(said.values()) <= {"over"}
    assert GROUP_S < GAP_S
