"""Steps of many series as figures."""

from __future__ import annotations

from pmtools.bench.scale import Step, figure


def step(series: int, p50_ms: float) -> Step:
    return Step(
        series=series,
        hops_ms={"feed_parse": (p50_ms, 9.0)},
        quantities={"feed, resident MB": 90.0 + series},
    )


def test_a_figure_is_the_feeds_time_beside_that_of_one_series_round_by_round() -> None:
    found = figure([step(4, 3.0), step(4, 8.0)], [step(1, 2.0), step(1, 2.0)])
    assert found.name == "scale, 4 series"
    assert (found.ratio_least, found.ratio_most, found.rounds) == (1.5, 4.0, 2)
    assert found.quantities["feed_parse, p50 ms"] == 8.0
    assert found.quantities["feed_parse, p99 ms"] == 9.0
    assert found.quantities["feed, resident MB"] == 94.0
