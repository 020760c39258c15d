"""Modes are entered by refusals and leave by themselves."""

from __future__ import annotations

import pytest

from pmcore.machines.venue_mode import MAX_NS, VenueModes, is_over
from pmcore.messages.execution import VenueMode
from pmcore.model.errors import Reason
from pmcore.model.units import NS_PER_S


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        (VenueMode.NORMAL, None),
        (VenueMode.POST_ONLY, None),
        (VenueMode.CANCEL_ONLY, Reason.CANCEL_ONLY),
        (VenueMode.DISABLED, Reason.TRADING_DISABLED),
        (VenueMode.RESTARTING, Reason.RESTARTING),
        (VenueMode.CLOSED_ONLY, Reason.CLOSED_ONLY),
    ],
)
def test_what_a_mode_refuses(mode: VenueMode, reason: Reason | None) -> None:
    modes = VenueModes()
    modes.learned(0, mode, None)
    assert modes.refusal() is reason


def test_a_mode_ends_after_the_time_the_venue_named() -> None:
    modes = VenueModes()
    assert modes.learned(0, VenueMode.CANCEL_ONLY, 2_000)
    assert not modes.advance(2 * NS_PER_S - 1)
    assert modes.advance(2 * NS_PER_S)
    assert modes.mode is VenueMode.NORMAL
    assert not modes.advance(3 * NS_PER_S)


def test_a_restart_is_followed_by_two_minutes_of_post_only() -> None:
    modes = VenueModes()
    modes.learned(0, VenueMode.RESTARTING, 1_000)
    assert modes.advance(NS_PER_S)
    assert modes.mode is VenueMode.POST_ONLY
    assert modes.refusal() is None
    assert modes.until_ns == 121 * NS_PER_S
    assert modes.advance(121 * NS_PER_S)
    assert modes.mode is VenueMode.NORMAL


def test_the_same_mode_again_is_no_news_but_lasts_longer() -> None:
    modes = VenueModes()
    modes.learned(0, VenueMode.DISABLED, 1_000)
    assert not modes.learned(NS_PER_S // 2, VenueMode.DISABLED, 1_000)
    assert modes.until_ns == NS_PER_S * 3 // 2


def test_an_absurd_retry_after_is_not_believed() -> None:
    modes = VenueModes()
    modes.learned(0, VenueMode.DISABLED, 10**9)
    assert modes.until_ns == MAX_NS


def test_an_accepted_order_ends_a_mode_that_refuses_orders() -> None:
    modes = VenueModes()
    assert not modes.accepted()
    modes.learned(0, VenueMode.CANCEL_ONLY, None)
    assert modes.accepted()
    assert modes.mode is VenueMode.NORMAL
    modes.learned(0, VenueMode.POST_ONLY, None)
    assert not modes.accepted()
    assert modes.mode is VenueMode.POST_ONLY


@pytest.mark.parametrize(
    ("at_ns", "until_ns", "over"), [(4, 5, False), (5, 5, True), (6, 5, True), (6, None, False)]
)
def test_a_mode_is_over_at_its_end_and_not_before(
    at_ns: int, until_ns: int | None, over: bool
) -> None:
    assert is_over(at_ns, until_ns) is over
