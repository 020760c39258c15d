"""Tokens, links for one use, and sessions."""

from __future__ import annotations

from pmconsole.access import CODE_S, CODES_KEPT, SESSION_S, Access

NOW_S = 1_800_000_000.0


def test_the_token_opens_as_a_bearer_and_in_no_other_way() -> None:
    access = Access("right")
    assert access.is_bearer("Bearer right")
    assert access.is_bearer("bearer right")
    for wrong in ("", "right", "Basic right", "Bearer wrong", "Bearer ", "Bearer rightx"):
        assert not access.is_bearer(wrong)


def test_a_link_opens_once() -> None:
    access = Access("t")
    code = access.new_code(NOW_S)
    assert access.use_code(code, NOW_S)
    assert not access.use_code(code, NOW_S)
    assert not access.use_code("", NOW_S)


def test_a_link_is_good_for_some_minutes_only() -> None:
    access = Access("t")
    assert access.use_code(access.new_code(NOW_S), NOW_S + CODE_S - 1)
    assert not access.use_code(access.new_code(NOW_S), NOW_S + CODE_S)


def test_only_so_many_links_are_kept() -> None:
    access = Access("t")
    codes = [access.new_code(NOW_S) for _ in range(CODES_KEPT + 1)]
    assert [access.use_code(code, NOW_S) for code in codes] == [False, *[True] * CODES_KEPT]


def test_a_session_ends_by_its_time_and_with_the_token() -> None:
    session = Access("t").new_session(NOW_S)
    assert Access("t").is_session(session, NOW_S), "a restart ends no session"
    assert not Access("t").is_session(session, NOW_S + SESSION_S)
    assert not Access("another").is_session(session, NOW_S)


def test_a_session_cannot_be_made_up_or_prolonged() -> None:
    access = Access("t")
    until, salt, signature = access.new_session(NOW_S).split(".")
    for forged in (
        "",
        "..",
        f"{until}.{salt}.",
        f"{int(until) + 1}.{salt}.{signature}",
        f"{until}.{salt}x.{signature}",
        f"{until}.{salt}.{signature[:-1]}é",
        signature,
    ):
        assert not access.is_session(forged, NOW_S)
