"""Samples of the midpoint."""

from __future__ import annotations

from pmcore.model.units import NS_PER_S
from pmsimulator.history import PriceHistory, interval_start_s


def test_rows_are_of_the_time_and_apart() -> None:
    history = PriceHistory()
    for second in range(0, 300, 10):
        history.add("up", second * NS_PER_S, 50_000 + second)
    assert [row["t"] for row in history.rows("up", 0, 300, 1)] == [0, 60, 120, 180, 240]
    assert history.rows("up", 15, 25, 0) == [{"t": 20, "p": 0.5002}]
    assert history.rows("down", 0, 300, 1) == []
    history.keep_only({"down"})
    assert history.rows("up", 0, 300, 1) == []


def test_intervals_have_a_beginning() -> None:
    assert interval_start_s("1h", 10_000) == 6_400
    assert interval_start_s("max", 10_000) == 0
    assert interval_start_s("1x", 10_000) is None
