"""Samples to a figure."""

from __future__ import annotations

from pmtools.bench.figures import Round, Spread, measured, table


def test_a_figure_is_the_median_of_its_rounds() -> None:
    """One round beside other work does not decide."""
    rounds = [
        Round([2_000, 4_000, 90_000], [1_000, 2_000, 3_000]),
        Round([6_000] * 3, [2_000] * 3),
        Round([80_000] * 3, [1_000] * 3),
    ]
    figure = measured("a call", "ours", "bare", rounds)
    assert (figure.ratio, figure.ratio_least, figure.ratio_most) == (3.0, 2.0, 80.0)
    assert (figure.rounds, figure.samples) == (3, 9)
    assert figure.path_time == Spread(p50_us=6.0, p99_us=90.0)
    assert figure.floor_time == Spread(p50_us=2.0, p99_us=3.0)


def test_the_table_names_path_and_floor() -> None:
    text = table([measured("a call", "ours", "bare", [Round([2_000], [1_000])])])
    assert text.splitlines()[0] == "a call: 2 times the floor (2 to 2 in 1 rounds, 1 samples)"
    assert [line.split()[0] for line in text.splitlines()[1:]] == ["ours", "bare"]


def test_the_table_shows_the_parts_of_a_path_and_its_rate() -> None:
    parts = {"first": [1_000, 1_500, 9_000], "second": [500]}
    figure = measured(
        "a call", "ours", "bare", [Round([2_000], [1_000])], parts=parts, rate_per_s=9
    )
    assert figure.parts["first"] == Spread(p50_us=1.5, p99_us=9.0)
    first, *others = table([figure]).splitlines()
    assert first.endswith("1 samples), 9 a second and core")
    assert [line.split()[0] for line in others] == ["ours", "bare", "first", "second"]
