"""Latencies by quantile: what is drawn, by what name, and what cannot be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmcore.model.errors import MalformedInputError
from pmcore.model.latency import (
    DEFAULT_LATENCIES,
    Latencies,
    LatencyPoints,
    Travel,
    checked,
    parse_latencies,
)
from pmcore.model.units import NS_PER_MS

NAMES = [f"0x{n}" for n in range(4_000)]


def drawn_ms(latencies: Latencies, travel: Travel = Travel.ORDER) -> list[float]:
    return sorted(latencies.draw_ns(travel, name) / NS_PER_MS for name in NAMES)


def test_the_default_is_60_ms_for_requests_and_none_for_reports() -> None:
    assert parse_latencies("60") == DEFAULT_LATENCIES == Latencies()
    assert {travel: DEFAULT_LATENCIES.draw_ns(travel, "a") for travel in Travel} == {
        Travel.ORDER: 60 * NS_PER_MS,
        Travel.CANCEL: 60 * NS_PER_MS,
        Travel.QUERY: 60 * NS_PER_MS,
        Travel.REPORT: 0,
    }


def test_the_draws_have_the_quantiles_that_were_asked_for() -> None:
    drawn = drawn_ms(parse_latencies("40/90/250"))
    assert (drawn[0], drawn[1_500], drawn[-1]) == (40, 40, 250)
    assert drawn[3_600] == pytest.approx(90, rel=0.15)
    assert drawn[3_959] == pytest.approx(250, rel=0.1)
    assert drawn[2_800] == pytest.approx(65, rel=0.1)


def test_a_draw_depends_on_seed_kind_and_name_and_on_nothing_else() -> None:
    points = LatencyPoints(((0, 0), (10_000, 1_000_000_000)))
    one = Latencies(order=points, cancel=points, report=points)
    other = Latencies(order=points, cancel=points, report=points, seed=2)
    assert one.draw_ns(Travel.ORDER, "a") == one.draw_ns(Travel.ORDER, "a") == 819_710_592
    draws = {
        each.draw_ns(t, n)
        for each in (one, other)
        for t in (Travel.ORDER, Travel.REPORT)
        for n in ("a", "b")
    }
    assert len(draws) == 8


def test_each_kind_may_have_its_own() -> None:
    latencies = parse_latencies("order=40/90/250,cancel=30,report=5/20/80")
    assert latencies.query == latencies.order
    assert set(drawn_ms(latencies, Travel.CANCEL)) == {30}
    assert drawn_ms(latencies, Travel.REPORT)[-1] == 80
    assert parse_latencies("order=1,cancel=2,query=3").query == parse_latencies("3").order


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'' is neither milliseconds nor P50/P90/P99 of them"),
        ("-1", "'-1' is neither milliseconds nor"),
        ("1.5", "'1.5' is neither milliseconds nor"),
        ("40/90", "'40/90' is neither milliseconds nor"),
        ("40/30/90", "quantiles and their latencies must rise"),
        ("5001", "latencies are from 0 to 5000 ms"),
        ("order=5", "cancel= is missing"),
        ("order=5,cancel=5,fill=3", "'fill' is none of order, cancel, query, report"),
        ("order=5,order=5", "'order' is none of"),
    ],
)
def test_what_cannot_be_read_is_said(text: str, said: str) -> None:
    with pytest.raises(MalformedInputError) as raised:
        parse_latencies(text)
    assert said in raised.value.detail


@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 10**9)), min_size=1, max_size=6),
    st.integers(0, 10_000),
    st.integers(0, 10_000),
)
def test_a_larger_quantile_never_has_a_smaller_latency(
    rows: list[tuple[int, int]], low: int, high: int
) -> None:
    quantiles = sorted({quantile for quantile, _ in rows})
    latencies = sorted(latency for _, latency in rows)[: len(quantiles)]
    points = checked(LatencyPoints(tuple(zip(quantiles, latencies, strict=True))))
    low, high = min(low, high), max(low, high)
    assert latencies[0] <= points.at_ns(low) <= points.at_ns(high) <= latencies[-1]
    assert all(points.at_ns(quantile) == latency for quantile, latency in points.points)


@pytest.mark.parametrize(
    "points",
    [
        (),
        ((5_000, 2), (5_000, 3)),
        ((5_000, 2), (9_000, 1)),
        ((10_001, 1),),
        ((-1, 1),),
        ((1, -1),),
        ((1, 10**18),),
    ],
)
def test_points_that_do_not_rise_or_are_too_large(points: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(MalformedInputError, match="bad_latency"):
        checked(LatencyPoints(points))
