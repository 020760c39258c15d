"""What an order states as its expiration."""

from __future__ import annotations

import pytest

from pmcore.machines.order_life import OrderLife, expiration_s
from pmcore.model.units import NS_PER_S

QUOTING_END_NS = 1_000 * NS_PER_S


@pytest.mark.parametrize(
    ("at_s", "second"),
    [
        (0, 1_060),
        (865, 1_060),
        (866, 1_061),
        (990, 1_185),
    ],
)
def test_it_dies_at_the_end_of_quoting_or_as_soon_as_the_venue_allows(
    at_s: int, second: int
) -> None:
    assert expiration_s(OrderLife.GTD, at_s * NS_PER_S, QUOTING_END_NS) == second


def test_parts_of_a_second_are_rounded_up() -> None:
    assert expiration_s(OrderLife.GTD, 0, QUOTING_END_NS + 1) == 1_061
    assert expiration_s(OrderLife.GTD, 865 * NS_PER_S + 1, QUOTING_END_NS) == 1_061


def test_without_a_life_it_states_none() -> None:
    assert expiration_s(OrderLife.GTC, 0, QUOTING_END_NS) == 0
