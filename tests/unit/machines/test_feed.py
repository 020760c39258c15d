from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmcore.machines.feed import (
    ASK_FIRST_NS,
    ASK_MOST_NS,
    DUMP_WAIT_NS,
    MUTE_SILENCES,
    AskBooks,
    DropSocket,
    FeedAction,
    FeedSession,
    SetStatus,
)
from pmcore.messages.market_data import FeedState
from pmcore.model.units import NS_PER_MS, NS_PER_S

OPEN_NS = 1_000 * NS_PER_S
CLOSE_NS = OPEN_NS + 300 * NS_PER_S
SILENT_NS = 3 * NS_PER_S
T = OPEN_NS + 10 * NS_PER_S


@pytest.fixture
def session() -> FeedSession:
    return FeedSession(open_ns=OPEN_NS, close_ns=CLOSE_NS, silent_ns=SILENT_NS)


@pytest.fixture
def live(session: FeedSession) -> FeedSession:
    session.on_connected(T)
    session.on_data(T, usable=True)
    assert session.state is FeedState.LIVE
    return session


def _states(actions: list[FeedAction]) -> list[FeedState]:
    return [action.state for action in actions if isinstance(action, SetStatus)]


def test_a_new_session_is_down(session: FeedSession) -> None:
    assert session.state is FeedState.DOWN
    assert session.on_tick(T) == []


def test_the_first_connection_waits_for_the_dump_of_its_subscription(session: FeedSession) -> None:
    assert session.on_connected(T) == [SetStatus(FeedState.RESYNCING, "connected")]
    assert session.on_data(T, usable=False) == []
    assert session.on_data(T, usable=True) == [SetStatus(FeedState.LIVE, "")]


def test_rest_is_asked_when_the_dump_does_not_come(session: FeedSession) -> None:
    session.on_connected(T)
    assert session.on_tick(T + DUMP_WAIT_NS - 1) == []
    assert session.on_tick(T + DUMP_WAIT_NS) == [AskBooks()]
    assert session.on_tick(T + DUMP_WAIT_NS + 1) == []
    actions = session.on_books(T + DUMP_WAIT_NS + 2, usable=True, missed=True)
    assert _states(actions) == [FeedState.LIVE]


def test_a_reconnect_is_live_only_after_rest(live: FeedSession) -> None:
    assert _states(live.on_disconnected("closed")) == [FeedState.DOWN]
    actions = live.on_connected(T + 1)
    assert actions == [SetStatus(FeedState.RESYNCING, "connected"), AskBooks()]
    assert live.on_data(T + 2, usable=True) == []
    assert _states(live.on_books(T + 3, usable=True, missed=False)) == [FeedState.LIVE]


def test_failing_connections_are_one_status(session: FeedSession) -> None:
    session.on_disconnected("refused")
    assert session.on_disconnected("refused again") == []
    assert session.reason == "refused again"


def test_a_gap_asks_rest_at_once(live: FeedSession) -> None:
    actions = live.on_gap(T + 1, "gap: book_hash")
    assert actions == [SetStatus(FeedState.RESYNCING, "gap: book_hash"), AskBooks()]
    assert live.on_gap(T + 2, "gap: book_hash") == []
    assert _states(live.on_books(T + 3, usable=True, missed=True)) == [FeedState.LIVE]


def test_a_gap_also_ends_with_a_good_frame(live: FeedSession) -> None:
    live.on_gap(T + 1, "gap")
    assert _states(live.on_data(T + 2, usable=True)) == [FeedState.LIVE]
    assert live.on_books(T + 3, usable=True, missed=False) == []


def test_rest_is_asked_again_with_a_growing_delay(live: FeedSession) -> None:
    live.on_gap(T, "gap")
    at_ns, delay_ns, delays = T, ASK_FIRST_NS, []
    for _ in range(7):
        live.on_books_failed(at_ns)
        assert live.on_tick(at_ns + delay_ns - 1) == []
        at_ns += delay_ns
        assert live.on_tick(at_ns) == [AskBooks()]
        delays.append(delay_ns)
        delay_ns = min(2 * delay_ns, ASK_MOST_NS)
    assert delays[-1] == ASK_MOST_NS


def test_books_that_cannot_be_used_are_asked_for_again(live: FeedSession) -> None:
    live.on_gap(T, "gap")
    assert live.on_books(T + 1, usable=False, missed=False) == []
    assert live.state is FeedState.RESYNCING
    assert live.on_tick(T + 1 + ASK_FIRST_NS) == [AskBooks()]


def test_a_quiet_market_is_confirmed_by_rest_and_stays_live(live: FeedSession) -> None:
    at_ns = T
    for _ in range(20):
        at_ns += SILENT_NS // 2
        assert live.on_tick(at_ns) == [AskBooks()]
        assert live.on_books(at_ns, usable=True, missed=False) == []
    assert live.state is FeedState.LIVE


def test_silence_without_an_answer_is_silent(live: FeedSession) -> None:
    assert live.on_tick(T + SILENT_NS // 2) == [AskBooks()]
    actions = live.on_tick(T + SILENT_NS)
    assert actions == [SetStatus(FeedState.SILENT, "no market data for 3000 ms")]
    assert live.on_data(T + SILENT_NS + 1, usable=True) == []
    assert _states(live.on_books(T + SILENT_NS + 2, usable=True, missed=False)) == [FeedState.LIVE]


def test_after_a_failed_confirmation_silence_asks_again(live: FeedSession) -> None:
    live.on_tick(T + SILENT_NS // 2)
    live.on_books_failed(T + SILENT_NS // 2)
    assert live.on_tick(T + SILENT_NS // 2 + ASK_FIRST_NS) == [AskBooks()]
    live.on_books_failed(T + SILENT_NS - 1)
    assert _states(live.on_tick(T + SILENT_NS)) == [FeedState.SILENT]
    assert live.on_tick(T + SILENT_NS + 2 * ASK_FIRST_NS) == [AskBooks()]


def test_a_socket_that_missed_what_rest_shows_is_dropped(live: FeedSession) -> None:
    live.on_tick(T + SILENT_NS // 2)
    actions = live.on_books(T + SILENT_NS // 2 + 1, usable=True, missed=True)
    assert _states(actions) == [FeedState.SILENT]
    assert isinstance(actions[-1], DropSocket)
    assert live.on_tick(T + SILENT_NS) == []
    assert _states(live.on_disconnected("dropped")) == [FeedState.DOWN]


def test_a_change_that_the_socket_told_meanwhile_was_not_missed(live: FeedSession) -> None:
    live.on_tick(T + SILENT_NS // 2)
    live.on_data(T + SILENT_NS // 2 + 1, usable=True)
    assert live.on_books(T + SILENT_NS // 2 + 2, usable=True, missed=True) == []


def test_a_socket_silent_for_too_long_is_dropped(live: FeedSession) -> None:
    live.on_tick(T + SILENT_NS)
    end_ns = T + SILENT_NS * (1 + MUTE_SILENCES)
    assert not any(isinstance(action, DropSocket) for action in live.on_tick(end_ns - 1))
    assert live.on_tick(end_ns) == [DropSocket("silent for too long")]
    assert live.on_tick(end_ns + 1) == []


@pytest.mark.parametrize("start_ns", [OPEN_NS - 60 * NS_PER_S, CLOSE_NS])
def test_outside_of_the_window_silence_is_ordinary(session: FeedSession, start_ns: int) -> None:
    session.on_connected(start_ns)
    session.on_data(start_ns, usable=True)
    for seconds in range(1, 59):
        assert session.on_tick(start_ns + seconds * NS_PER_S) == []


def test_at_the_close_silence_is_ordinary(session: FeedSession) -> None:
    session.on_connected(CLOSE_NS - SILENT_NS)
    session.on_data(CLOSE_NS - SILENT_NS, usable=True)
    assert session.on_tick(CLOSE_NS) == []


def test_data_and_answers_confirm_the_books(live: FeedSession) -> None:
    live.on_data(T + 1, usable=True)
    assert live.last_data_ns == T + 1
    live.on_tick(T + SILENT_NS)
    live.on_books(T + SILENT_NS + 1, usable=True, missed=False)
    assert live.last_data_ns == T + SILENT_NS + 1


def test_silence_counts_from_the_opening(session: FeedSession) -> None:
    before_ns = OPEN_NS - 20 * NS_PER_S
    session.on_connected(before_ns)
    session.on_data(before_ns, usable=True)
    session.on_tick(OPEN_NS - 1)
    assert session.on_tick(OPEN_NS) == []
    assert session.on_tick(OPEN_NS + SILENT_NS // 2) == [AskBooks()]


def test_an_answer_after_the_connection_ended_changes_nothing(live: FeedSession) -> None:
    live.on_gap(T, "gap")
    live.on_disconnected("closed")
    assert live.on_books(T + 1, usable=True, missed=True) == []
    assert live.state is FeedState.DOWN


LATE_NS = 6 * NS_PER_S


def _late(session: FeedSession, at_ns: int) -> list[FeedAction]:
    return session.on_data(at_ns, usable=True, event_ns=at_ns - LATE_NS)


def test_frames_that_come_late_are_not_believed_until_one_comes_in_time(live: FeedSession) -> None:
    just_ns = T + SILENT_NS - 1
    assert live.on_data(just_ns, usable=True, event_ns=T) == []
    at_ns = T + LATE_NS
    text = "market data arrives 6000 ms late, or this clock is ahead"
    assert _late(live, at_ns) == [SetStatus(FeedState.LATE, text), AskBooks()]
    assert live.last_data_ns == at_ns - LATE_NS
    assert _late(live, at_ns + 1) == []
    actions = live.on_data(at_ns + 2, usable=True, event_ns=at_ns)
    assert actions == [SetStatus(FeedState.LIVE, "")]


def test_an_event_as_old_as_the_bound_is_late(live: FeedSession) -> None:
    assert _states(live.on_data(T + SILENT_NS, usable=True, event_ns=T)) == [FeedState.LATE]


def test_the_delay_is_that_of_the_newest_event_by_both_clocks(live: FeedSession) -> None:
    assert live.delay_ns is None
    live.on_data(T + 5, usable=True, event_ns=None)
    assert live.delay_ns is None, "a book that was asked for has the stamp of its last change"
    live.on_data(T + 30, usable=True, event_ns=T + 10)
    assert live.delay_ns == 20
    live.on_data(T + 40, usable=True, event_ns=T + 50)
    assert live.delay_ns == -10, "our clock is behind the venue's"


def test_a_new_socket_is_not_excused_by_what_the_one_before_brought(live: FeedSession) -> None:
    live.on_data(T, usable=True, event_ns=T)
    live.on_disconnected("closed")
    live.on_connected(T + 1)
    assert _states(_late(live, T + 2)) == [FeedState.LATE]


def test_what_a_dropped_socket_still_brings_changes_nothing(live: FeedSession) -> None:
    live.on_tick(T + SILENT_NS // 2)
    live.on_books(T + SILENT_NS // 2 + 1, usable=True, missed=True)
    assert _late(live, T + SILENT_NS // 2 + 2) == []
    assert live.state is FeedState.SILENT


def test_data_in_time_does_not_end_a_silence_without_rest(live: FeedSession) -> None:
    live.on_tick(T + SILENT_NS)
    assert live.on_data(T + SILENT_NS + 1, usable=True, event_ns=T + SILENT_NS + 1) == []
    assert live.state is FeedState.SILENT


def test_an_older_stamp_after_a_new_one_is_no_lateness(live: FeedSession) -> None:
    live.on_data(T, usable=True, event_ns=T)
    assert live.on_data(T + 1, usable=True, event_ns=T - LATE_NS) == []


def test_a_book_that_was_asked_for_says_nothing_about_lateness(live: FeedSession) -> None:
    assert live.on_data(T + 1, usable=True, event_ns=None) == []
    _late(live, T + 2)
    assert live.on_data(T + 3, usable=True, event_ns=None) == []
    assert live.state is FeedState.LATE


def test_rest_ends_lateness_only_when_the_socket_has_nothing_more(live: FeedSession) -> None:
    _late(live, T)
    _late(live, T + 1)
    assert live.on_books(T + 2, usable=True, missed=True) == []
    assert live.on_tick(T + 2 + ASK_FIRST_NS) == [AskBooks()]
    actions = live.on_books(T + 3 + ASK_FIRST_NS, usable=True, missed=False)
    assert _states(actions) == [FeedState.LIVE]


def test_a_socket_that_stays_late_is_dropped_and_the_next_is_judged_anew(live: FeedSession) -> None:
    _late(live, T)
    _late(live, T + NS_PER_S)
    end_ns = T + MUTE_SILENCES * SILENT_NS
    assert not any(isinstance(action, DropSocket) for action in live.on_tick(end_ns - 1))
    assert live.on_tick(end_ns) == [DropSocket("late for too long")]
    live.on_disconnected("dropped")
    live.on_connected(end_ns + 1)
    assert _late(live, end_ns + 2) != []


def test_data_in_time_on_a_book_that_cannot_be_used_asks_rest(live: FeedSession) -> None:
    _late(live, T)
    live.on_books_failed(T + 1)
    actions = live.on_data(T + 2, usable=False, event_ns=T + 2)
    assert actions == [SetStatus(FeedState.RESYNCING, "data is in time"), AskBooks()]


def test_after_a_silence_data_in_time_does_not_do_without_rest(live: FeedSession) -> None:
    live.on_tick(T + SILENT_NS)
    _late(live, T + SILENT_NS + 1)
    actions = live.on_data(T + SILENT_NS + 2, usable=True, event_ns=T + SILENT_NS + 2)
    assert _states(actions) == [FeedState.RESYNCING]
    actions = live.on_books(T + SILENT_NS + 3, usable=True, missed=False)
    assert _states(actions) == [FeedState.LIVE]


_EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["up", "down", "data", "late", "gap", "books", "failed", "tick"]),
        st.booleans(),
        st.booleans(),
        st.integers(min_value=0, max_value=5000),
    ),
    max_size=60,
)


@given(events=_EVENTS)
def test_laws_of_any_story(events: list[tuple[str, bool, bool, int]]) -> None:
    session = FeedSession(open_ns=OPEN_NS, close_ns=CLOSE_NS, silent_ns=SILENT_NS)
    now_ns, connected, asking = T, False, False
    for kind, usable, missed, step_ms in events:
        now_ns += step_ms * NS_PER_MS
        before = session.state
        match kind:
            case "up":
                connected = True
                actions = session.on_connected(now_ns)
            case "down":
                connected = False
                actions = session.on_disconnected("x")
            case "data":
                actions = session.on_data(now_ns, usable=usable)
            case "late":
                actions = session.on_data(now_ns, usable=usable, event_ns=T - LATE_NS)
                if connected:
                    assert session.state is not FeedState.LIVE
            case "gap":
                actions = session.on_gap(now_ns, "g")
            case "books":
                if not asking:
                    continue
                asking = False
                actions = session.on_books(now_ns, usable=usable, missed=missed)
            case "failed":
                if not asking:
                    continue
                asking = False
                actions = session.on_books_failed(now_ns)
            case _:
                actions = session.on_tick(now_ns)
        for action in actions:
            if isinstance(action, AskBooks):
                assert not asking, "one question at a time"
                asking = True
        states = _states(actions)
        assert len(states) <= 1
        assert session.state is (states[0] if states else before), "every change is told"
        if FeedState.LIVE in states:
            assert connected
            assert usable, "never live on books that cannot be used"


def test_silence_that_began_before_the_open_counts_from_the_open(session: FeedSession) -> None:
    session.on_connected(OPEN_NS - SILENT_NS)
    session.on_data(OPEN_NS - SILENT_NS, usable=True)
    assert _states(session.on_tick(OPEN_NS)) == [FeedState.SILENT]
    session = FeedSession(open_ns=OPEN_NS, close_ns=CLOSE_NS, silent_ns=SILENT_NS)
    session.on_connected(OPEN_NS - SILENT_NS)
    session.on_data(OPEN_NS - SILENT_NS, usable=True)
    assert session.on_tick(OPEN_NS - 1) == []
    assert session.on_tick(OPEN_NS) == []
