"""Charts: what is drawn, and that the same values give the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pmresearch.charts import bar_chart, line_chart
from support.tree import ROOT

TICKS = [(0.0, "0"), (1.0, "1")]
MAX_BYTES = 60_000
SVG = "{http://www.w3.org/2000/svg}"


def lines() -> str:
    points = [(0.0, 0.0), (0.5, 1.0), (9.0, 9.0)]
    return line_chart("a < b", {"x": points}, x_ticks=TICKS, y_ticks=TICKS)


def bars() -> str:
    return bar_chart("t", ["p", "q"], {"x": [1.0, None], "y": [2.0, 9.0]}, 4.0)


def words(chart: str) -> list[str]:
    found = ElementTree.fromstring(chart).iter(f"{SVG}text")
    return [element.text.strip() for element in found if element.text]


def parts(chart: str, prefix: str) -> int:
    """How many groups the drawing has whose id begins with this."""
    groups = ElementTree.fromstring(chart).iter(f"{SVG}g")
    return sum(group.get("id", "").startswith(prefix) for group in groups)


def test_a_line_chart_has_its_words_as_text() -> None:
    assert words(lines()) == ["0", "1", "0", "1", "a < b", "x"]


def test_a_missing_value_has_no_bar_and_a_high_one_keeps_its_number() -> None:
    assert [word for word in words(bars()) if word in ("1", "2", "9")] == ["1", "2", "9"]
    none = bar_chart("t", ["p", "q"], {"x": [None, None], "y": [None, None]}, 4.0)
    assert parts(bars(), "patch_") - parts(none, "patch_") == 3


def test_thousands_are_written_out() -> None:
    chart = bar_chart("t", ["p", "q"], {"x": [2343.01, 999.4]}, 6000.0)
    assert [word for word in words(chart) if word in ("2343", "999")] == ["2343", "999"]


def test_a_source_has_the_same_colour_whatever_stands_beside_it() -> None:
    alone = bar_chart("t", ["p"], {"synthetic": [1.0]}, 4.0)
    beside = bar_chart("t", ["p"], {"caio": [1.0], "synthetic": [1.0]}, 4.0)
    purple = "#9467bd"
    assert (alone.count(purple), beside.count(purple)) == (2, 2)


def test_a_chart_without_series_is_still_a_chart() -> None:
    assert words(bar_chart("nothing", ["p"], {}, 4.0))[-1] == "nothing"


def test_the_same_values_give_the_same_bytes_for_someone_with_other_settings(
    tmp_path: Path,
) -> None:
    (tmp_path / "matplotlibrc").write_text("axes.edgecolor: red\nxtick.labelsize: 20\n")
    program = (
        "import sys; from pmresearch.charts import *;"
        "sys.stdout.write(bar_chart('t', ['p', 'q'], {'x': [1.0, None], 'y': [2.0, 9.0]}, 4.0))"
    )
    other = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "MATPLOTLIBRC": str(tmp_path), "SOURCE_DATE_EPOCH": "1"},
    )
    assert other.stdout == bars()


@pytest.mark.parametrize("path", sorted((ROOT / "docs/plots").glob("*.svg")), ids=lambda p: p.stem)
def test_the_charts_of_the_documents_are_small_and_drawn_by_this_module(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text) < MAX_BYTES
    assert parts(text, "axes_") == 1
    assert "date>" not in text
