"""The page and the Parquet file of `pm sweep`, and a sweep that was killed."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import msgspec
import polars
import pytest

from pmcore.model.market import window_times_ns
from pmtools.cli import main
from pmtools.progress import followed
from pmtools.sweep.compare import Figures, compare
from pmtools.sweep.grid import read_grid
from pmtools.sweep.page import heat_maps, page
from pmtools.sweep.result import SweepResult, said_of
from pmtools.sweep.windows import Row
from support.small_recording import OPEN_S, SLUG, write_recording

GRID = """
[base]
PM_OFI_TOXICITY_THRESHOLD = 1000
[vary]
PM_PAIR_TARGET = [0.99, 0.97]
PM_BID_SIZE = [5, 6]
PM_REPRICE_THRESHOLD = [0.005, 0.01]
[cells.idle]
PM_FIRST_LEG_WITHIN_S = 0
"""
OUT = Path("var/sweeps/grid")
ALL = ("sweep", "grid.toml", "recordings", "--windows", "all", "--jobs", "1")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("grid.toml").write_text(GRID)
    Path("recordings").mkdir()
    write_recording(Path("recordings/window.jsonl"))


def result_of(rows: list[Row]) -> SweepResult:
    return SweepResult(
        grid="grid.toml",
        cells=read_grid(Path("grid.toml")),
        figures=compare(rows),
        rows=rows,
        windows_set="development",
        test_reads=2,
        others=3,
    )


def made_up_rows() -> list[Row]:
    """Two windows of each cell; its profit and fills grow with its place in the grid."""
    return [
        Row(
            key="",
            cell=cell.name,
            slug=slug,
            profit=float(place),
            settled=slug == "a",
            fills=2 * place,
            shares=10.0,
            paired=0.0,
            pair_cost=0.0,
            residual=0.0,
            orders=1,
            both_rest_share=0.25,
            ledgers={"pessimistic": 0.0, "central": 0.0, "optimistic": 0.0},
            markouts_5s=((1.5, 10.0),),
        )
        for place, cell in enumerate(read_grid(Path("grid.toml")))
        for slug in ("a", "b")
    ]


def test_a_heat_map_is_made_of_each_pair_of_variables() -> None:
    result = result_of(made_up_rows())
    text = page(result)
    assert re.findall(r"<h2>(PM_\w+ and PM_\w+)</h2>", text) == [
        "PM_BID_SIZE and PM_PAIR_TARGET",
        "PM_REPRICE_THRESHOLD and PM_PAIR_TARGET",
        "PM_REPRICE_THRESHOLD and PM_BID_SIZE",
    ]
    assert text.count("<img") == 3 * 4 + 1
    profit, markout, fills, both = heat_maps(result, "PM_BID_SIZE", "PM_PAIR_TARGET")
    # places 1..8: target, size, threshold; the mean over the two thresholds
    assert (profit.rows, profit.columns) == (["0.99", "0.97"], ["5", "6"])
    assert profit.tiles == [[1.5, 3.5], [5.5, 7.5]]
    assert fills.tiles == [[3, 7], [11, 15]]
    assert markout.tiles == [[1.5, 1.5], [1.5, 1.5]]
    assert both.tiles == [[25, 25], [25, 25]]


def test_a_reader_is_warned_by_the_number_of_cells_and_of_reads() -> None:
    result = result_of(made_up_rows())
    said = said_of(result)
    assert said[0] == (
        "9 cells were compared with the base: of so many, about 0.5 differ by chance alone at "
        "95 %; the intervals of 9 leave out 0"
    )
    assert said[1].startswith("2 windows (development set), 1 of them without a winner")
    assert "were read 2 times" in said[2]
    assert "rows of 3 cells of other grids" in said[3]
    text = page(result)
    assert all(sentence in text for sentence in said)


def test_the_page_asks_for_nothing_and_gives_the_same_bytes() -> None:
    result = result_of(made_up_rows())
    text = page(result)
    assert text == page(result)
    assert not re.search(r"<script|<link|url\(|@import|refresh", text, re.IGNORECASE)
    for data in re.findall(r'src="data:image/svg\+xml;base64,([^"]*)"', text):
        svg = base64.b64decode(data).decode()
        assert svg.startswith("<svg")
        assert "<script" not in svg
        assert not re.findall(r"url\((?!#)", svg)


def test_without_a_pair_of_variables_or_a_second_cell_the_page_says_so() -> None:
    Path("grid.toml").write_text("[base]\n")
    text = page(result_of(made_up_rows()))
    assert "A heat map needs two variables in [vary]" in text
    assert "The grid has no cell but the base" in text


def test_the_parquet_file_has_a_row_for_each_cell_and_window(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*ALL, "--json"]) == 0
    said = capsys.readouterr()
    figures = msgspec.json.decode(said.out, type=list[Figures])
    assert "recordings replayed: 1 of 1" in said.err
    assert f"page: {OUT / 'sweep.html'}" in said.err
    frame = polars.read_parquet(OUT / "rows.parquet")
    assert frame.height == len(figures) == 10
    for row in frame.iter_rows(named=True):
        one = next(one for one in figures if one.cell == row["cell"])
        assert row["slug"] == SLUG
        assert row["profit_u6"] == round(one.profit.value * 1e6)
        assert row["shares_u6"] == round(one.shares * 1e6)
        assert row["pessimistic_profit_u6"] == round(one.ledgers["pessimistic"].value * 1e6)
        if row["marked_5s_u6"]:
            cents = row["markout_5s_2_e4u6"] / row["marked_5s_u6"] / 200
            assert cents == pytest.approx(one.cents_at_5s.value)
    base = frame.filter(cell="base").row(0, named=True)
    assert (base["PM_BID_SIZE"], base["fills"] > 0) == (None, True)
    varied = frame.filter(PM_BID_SIZE="6", PM_PAIR_TARGET="0.97")
    assert varied["PM_REPRICE_THRESHOLD"].to_list() == ["0.005", "0.01"]


def test_a_sweep_that_was_killed_goes_on_and_comes_to_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = Path("recordings/window.jsonl").read_text()
    assert window_times_ns(SLUG) is not None
    for number in range(1, 6):  # other bytes, so that each is a recording of its own
        other = text.replace(str(OPEN_S), str(OPEN_S + 300 * number))
        Path(f"recordings/{number}.jsonl").write_text(other)
    rows = OUT / "rows.jsonl"
    command = [sys.executable, "-m", "pmtools.cli", *ALL]
    killed = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        while killed.poll() is None and not (rows.exists() and rows.stat().st_size):
            with suppress(subprocess.TimeoutExpired):
                killed.wait(0.02)
    finally:
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait()
    kept = rows.read_bytes()
    assert 0 < kept.count(b"\n") < 60, "it was killed in the middle"
    rows.write_bytes(kept + kept[:50])  # and half a line
    capsys.readouterr()
    assert main([*ALL, "--json"]) == 0
    resumed = capsys.readouterr()
    assert main([*ALL, "--json", "--out", "whole"]) == 0
    assert capsys.readouterr().out == resumed.out
    lines = rows.read_bytes().splitlines()
    assert len(lines) == 60
    assert all(json.loads(line)["cell"] for line in lines)
    left = int(re.findall(r"recordings replayed: \d+ of (\d+)", resumed.err)[0])
    assert left < 6


def test_a_recording_of_which_a_window_is_missing_is_run_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*ALL, "--json"]) == 0
    whole = capsys.readouterr().out
    rows = OUT / "rows.jsonl"
    lines = [json.loads(line) for line in rows.read_bytes().splitlines()]
    lines[0]["of"] = 2
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert main([*ALL, "--json"]) == 0
    again = capsys.readouterr()
    assert again.out == whole
    assert "recordings replayed: 1 of 1" in again.err


def test_progress_is_at_most_ten_lines_without_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert list(followed(range(250), 250, "items")) == list(range(250))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert lines[-1] == "items: 250 of 250"
