"""`pm sweep` on small recordings of our own: rows, resuming, and windows that are kept back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pmcore.model.latency import DEFAULT_LATENCIES, parse_latencies
from pmcore.model.params import SeriesParams, StrategyParams
from pmsim.recordings.kept_back import is_test_window
from pmtools.cli import main
from pmtools.sweep import command, windows
from support.small_recording import SLUG, write_recording

GRID = """
[base]
PM_OFI_TOXICITY_THRESHOLD = 1000
[cells.idle]
PM_FIRST_LEG_WITHIN_S = 0
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("grid.toml").write_text(GRID)
    Path("recordings").mkdir()
    write_recording(Path("recordings/window.jsonl"))
    Path("recordings/winners.json").write_text(json.dumps({SLUG: "up"}))


def sweep(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert main(["sweep", "grid.toml", "recordings", "--json", "--jobs", "1", *arguments]) == 0
    figures: list[dict[str, Any]] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return figures


def rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("var/sweeps/grid/rows.jsonl").open()]


def test_a_sweep_is_what_replays_of_each_cell_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    base, idle = sweep(capsys, "--windows", "all")
    assert (base["cell"], idle["cell"], idle["shares"]) == ("base", "idle", 0)
    monkeypatch.setenv("PM_BID_SIZE", "5")
    monkeypatch.setenv("PM_OFI_TOXICITY_THRESHOLD", "1000")
    assert main(["replay", "recordings", "--json"]) == 0
    replayed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert base["profit"]["value"] == replayed["profit_settled"] != 0
    (row,) = [row for row in rows() if row["cell"] == "base"]
    result = replayed["results"][SLUG]
    assert row["shares"] == result["up"] + result["down"]
    assert row["fills"] == replayed["fills"]
    assert row["settled"] is True
    by_model = {model: told["profit"] for model, told in result["ledgers"].items()}
    assert row["ledgers"] == by_model
    assert {model: one["value"] for model, one in base["ledgers"].items()} == by_model
    assert set(by_model) == {"pessimistic", "central", "optimistic"}


def test_what_is_known_is_not_replayed_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []
    run = vars(command)["_run"]

    def noted(work: list[Any], **options: Any) -> Any:
        done.append(sum(len(cells) for _, cells, _ in work))
        return run(work, **options)

    monkeypatch.setattr(command, "_run", noted)
    first = sweep(capsys, "--windows", "all")
    assert sweep(capsys, "--windows", "all") == first
    path = Path("var/sweeps/grid/rows.jsonl")
    path.write_bytes(path.read_bytes()[:-20])  # killed while it wrote its last row
    assert sweep(capsys, "--windows", "all") == first
    Path("grid.toml").write_text(GRID.replace("idle", "renamed").replace("1000", "900"))
    sweep(capsys, "--windows", "all")
    assert done == [2, 0, 1, 2]


def test_a_key_changes_with_code_recording_and_parameters() -> None:
    params, plain = SeriesParams(StrategyParams()), DEFAULT_LATENCIES
    other = StrategyParams(pair_target_e4=9_800)
    keys = {
        windows.row_key("c", "f", params, plain),
        windows.row_key("d", "f", params, plain),
        windows.row_key("c", "g", params, plain),
        windows.row_key("c", "f", SeriesParams(other), plain),
        windows.row_key("c", "f", SeriesParams(StrategyParams(), {"btc-5m": other}), plain),
        windows.row_key("c", "f", params, parse_latencies("1/2/3")),
        windows.row_key("c", "f", params, parse_latencies("1/2/3", seed=2)),
    }
    assert len(keys) == 7
    assert windows.row_key("c", "f", SeriesParams(StrategyParams()), plain) in keys


def test_about_a_third_of_the_windows_is_kept_back_and_reading_it_is_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    slugs = [f"btc-updown-5m-{300 * n}" for n in range(3_000)]
    assert 900 < sum(map(is_test_window, slugs)) < 1_100
    own = "test" if is_test_window(SLUG) else "development"
    other = {"test": "development", "development": "test"}[own]
    arguments = ["sweep", "grid.toml", "recordings", "--jobs", "1"]
    assert main([*arguments, "--windows", other]) == 2
    assert f"none of the 1 recordings is in the {other} set" in capsys.readouterr().err
    for times in (1, 2):
        assert main([*arguments, "--windows", "all"]) == 0
        assert f"the test windows were read {times} times" in capsys.readouterr().out


def test_people_see_a_table_with_one_column_for_each_figure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["sweep", "grid.toml", "recordings", "--jobs", "1", "--windows", "all"]) == 0
    lines = capsys.readouterr().out.splitlines()
    header = next(line for line in lines if "profit" in line and "both rest" in line)
    named = [cell.strip() for cell in header.strip("┃ ").split("┃")]
    assert len(set(named)) == len(named) == 12
    row = next(line for line in lines if line.startswith("│ base"))
    assert len(row.strip("│ ").split("│")) == len(named)
    assert row.rstrip(" │").endswith("%")


def test_a_cell_may_change_one_series_alone(capsys: pytest.CaptureFixture[str]) -> None:
    size = "PM_BID_SIZE__BTC_UPDOWN_5M = 8"
    Path("grid.toml").write_text(f"[base]\n[cells.own]\n{size}\n[cells.all]\nPM_BID_SIZE = 8\n")
    base, own, every = sweep(capsys, "--windows", "all")
    assert {**own, "cell": ""} == {**every, "cell": ""} != {**base, "cell": ""}
    Path("grid.toml").write_text("[base]\nPM_BID_SIZE__BTC_UPDOWN_15M = 8\n")
    assert main(["sweep", "grid.toml", "recordings", "--windows", "all"]) == 2
    assert "these recordings have no window of it (btc-5m)" in capsys.readouterr().err
    Path("grid.toml").write_text("[base]\nPM_MAX_DAILY_LOSS__BTC_UPDOWN_5M = 8\n")
    assert main(["sweep", "grid.toml", "recordings", "--windows", "all"]) == 2
    assert "is not a variable of the strategy" in capsys.readouterr().err
