"""`pm replay` says of each fill what it earned; the parts add up to the profit."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pmtools.cli import main
from pmtools.replay.attribution import COLUMNS
from support.small_recording import SLUG, market_object, write_recording

Replay = Callable[..., dict[str, Any]]


@pytest.fixture
def replay(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Replay:
    monkeypatch.setenv("PM_BID_SIZE", "5")
    monkeypatch.setenv("PM_OFI_TOXICITY_THRESHOLD", "1000")
    monkeypatch.chdir(tmp_path)
    path = write_recording(tmp_path / "window.jsonl")
    (tmp_path / "window.market.json").write_text(json.dumps(market_object()))

    def run(*arguments: object) -> dict[str, Any]:
        assert main(["replay", "--json", str(path), *map(str, arguments)]) == 0
        summary: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
        return summary

    return run


@pytest.mark.parametrize("winner", ["up", "down"])
def test_parts_of_all_fills_add_up_to_the_profit(replay: Replay, winner: str) -> None:
    summary = replay("--winner", winner)
    profit, rows = summary["results"][SLUG]["profit"], summary["fill_rows"]
    assert len(rows) == summary["fills"] > 0
    assert sum(row["profit_dollars"] for row in rows) == pytest.approx(profit)
    for told in (summary["profit_parts"][SLUG], summary["profit_parts"]["all"]):
        assert told["profit"] == pytest.approx(profit)
        parts = ("profit_spread", "profit_adverse", "profit_residual", "profit_unknown")
        assert sum(told[part] for part in parts) == pytest.approx(profit)
    for row in rows:
        paid = 1 if row["outcome"] == winner else 0
        cents = 100 * (paid - row["price_dollars"])
        assert row["markout_settlement_cents"] == pytest.approx(cents)


def test_unsettled_fills_are_marked_and_have_no_settlement(replay: Replay) -> None:
    summary = replay()
    marked = summary["results"][SLUG]["profit_marked"]
    assert summary["profit_parts"][SLUG]["profit"] == pytest.approx(marked)
    assert all("markout_settlement_cents" not in row for row in summary["fill_rows"])


def test_the_csv_file_holds_the_same_rows(replay: Replay, tmp_path: Path) -> None:
    file = tmp_path / "fills.csv"
    rows = replay("--winner", "up", "--fills", file)["fill_rows"]
    with file.open(newline="") as text:
        reader = csv.DictReader(text)
        told = list(reader)
    assert tuple(reader.fieldnames or ()) == COLUMNS
    assert [line["trade_id"] for line in told] == [row["trade_id"] for row in rows]
    assert [float(line["profit_dollars"]) for line in told] == [
        row["profit_dollars"] for row in rows
    ]


def test_a_file_that_cannot_be_written_is_one_clear_line(
    replay: Replay, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AssertionError):
        replay("--fills", "no/such/folder.csv")
    assert "--fills no/such/folder.csv" in capsys.readouterr().err


def test_what_was_decided_does_not_depend_on_it(replay: Replay, tmp_path: Path) -> None:
    plain = replay()["fingerprint"]
    assert replay("--fills", tmp_path / "fills.csv", "--winner", "up")["fingerprint"] == plain
