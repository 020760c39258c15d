from __future__ import annotations

import pytest

from pmcore.machines.positions_check import Believed, PositionsCheck
from pmcore.model.market import Outcome
from pmcore.model.units import NS_PER_S

UP, DOWN = Outcome.UP, Outcome.DOWN
STAYS_NS, LAG_NS = 10 * NS_PER_S, 180 * NS_PER_S
START_NS = 1_000 * NS_PER_S
NOTHING = Believed(0, 0)


class Checked:
    def __init__(self) -> None:
        self.check = PositionsCheck(STAYS_NS, LAG_NS)

    def read(self, at_s: float, up_u6: int, believed: Believed = NOTHING) -> str:
        """The difference that is believed after a reading."""
        held = {UP: up_u6, DOWN: 0}
        asked_ns = START_NS + int(at_s * NS_PER_S)
        self.check.compare(asked_ns, held, {UP: believed, DOWN: NOTHING})
        return self.check.difference


@pytest.mark.parametrize(
    ("shown_u6", "least_u6", "most_u6", "differs"),
    [
        (5_000_000, 5_000_000, 5_000_000, False),
        (0, 0, 5_000_000, False),
        (99_999, 0, 0, False),
        (100_000, 0, 0, True),
        (0, 99_999, 5_000_000, False),
        (0, 100_000, 5_000_000, True),
        (5_100_000, 5_000_000, 5_000_000, True),
        (4_900_000, 5_000_000, 5_000_000, True),
    ],
)
def test_shares_beyond_what_may_be_held_differ(
    shown_u6: int, least_u6: int, most_u6: int, *, differs: bool
) -> None:
    checked = Checked()
    checked.read(0, shown_u6, Believed(least_u6, most_u6))
    assert bool(checked.read(10, shown_u6, Believed(least_u6, most_u6))) is differs


def test_a_difference_is_believed_once_it_stayed() -> None:
    checked = Checked()
    assert checked.read(0, 5_000_000) == ""
    assert checked.read(9.9, 5_000_000) == ""
    assert checked.read(10, 5_000_000) == "5 up shares at the venue, 0 believed"
    assert checked.read(11, 0, Believed(0, 5_000_000)) == ""


def test_a_reading_that_agrees_begins_the_waiting_anew() -> None:
    checked = Checked()
    checked.read(0, 5_000_000)
    checked.read(9, 0)
    assert checked.read(12, 5_000_000) == ""
    assert checked.read(22, 5_000_000)


def test_a_range_is_told_as_one() -> None:
    checked = Checked()
    for at_s in (0, 10):
        checked.read(at_s, 9_000_000, Believed(0, 5_000_000))
    assert checked.check.difference == "9 up shares at the venue, 0 to 5 believed"


def test_a_doubt_ends_with_positions_that_cannot_be_of_before_it() -> None:
    checked = Checked()
    assert not checked.check.unverified
    checked.check.doubt(START_NS)
    assert checked.check.unverified
    checked.read(179, 0)
    assert checked.check.unverified
    checked.read(180, 5_000_000)
    assert checked.check.unverified
    checked.read(181, 0)
    assert not checked.check.unverified


def test_the_same_doubt_does_not_begin_again() -> None:
    checked = Checked()
    checked.check.doubt(START_NS)
    checked.read(180, 0)
    checked.check.doubt(START_NS)
    checked.check.doubt(0)
    assert not checked.check.unverified
    checked.check.doubt(START_NS + 1)
    assert checked.check.unverified
