"""`pm replay --tables` and `pmtools.study.load`: exact money, and a journal gives the same."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import polars
import pytest

from pmtools import study
from pmtools.cli import main
from pmtools.errors import UsageError
from pmtools.study.schema import PARTS, TABLES, ColumnKind
from support.replayed_journal import journal_of
from support.small_recording import SLUG, market_object, write_recording


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("PM_BID_SIZE", "5")
    monkeypatch.setenv("PM_OFI_TOXICITY_THRESHOLD", "1000")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "window.market.json").write_text(json.dumps(market_object()))
    return write_recording(tmp_path / "window.jsonl")


def replayed(*arguments: object) -> study.Tables:
    assert main(["replay", *map(str, arguments), "--tables", "tables"]) == 0
    return study.load("tables")


@pytest.mark.parametrize("arguments", [("--winner", "up"), ("--winner", "down"), ()])
@pytest.mark.parametrize("model", ["pessimistic", "central", "optimistic"])
def test_the_parts_of_the_fills_are_the_profit_to_the_last_digit(
    recording: Path, arguments: tuple[str, ...], model: str
) -> None:
    tables = replayed(recording, "--fill-model", model, *arguments)
    (window,) = tables.windows.rows(named=True)
    fills = tables.fills
    parts = sum(fills[f"{part}2_e4u6"].sum() for part in PARTS)
    cost = (fills["price_e4"] * fills["size_u6"]).sum()
    assert fills.height > 0
    assert (parts, cost) == (window["profit2_e4u6"], window["cost_e4u6"])
    worth = window["up_worth2_e4"]
    paid = window["up_u6"] * worth + window["down_u6"] * (20_000 - worth)
    assert paid - 2 * cost == parts
    acting = tables.ledgers.filter(fill_model=model).rows(named=True)[0]
    assert acting["profit2_e4u6"] == parts
    assert window["winner"] == (arguments[1] if arguments else None)


def test_intervals_are_without_gap_and_last_as_long_as_the_quoting_time(recording: Path) -> None:
    tables = replayed(recording)
    (window,) = tables.windows.rows(named=True)
    for outcome in ("up", "down"):
        own = tables.intervals.filter(outcome=outcome)
        assert own["from_ns"].to_list()[1:] == own["until_ns"].to_list()[:-1]
        assert (own["until_ns"] - own["from_ns"]).sum() == window["quoting_ns"]
        assert own.filter(polars.col("obstacle") == "none")["quote_e4"].null_count() == 0
    assert set((tables.seconds["at_ns"] // 1_000_000_000).diff().drop_nulls()) == {1}


def test_a_journal_gives_the_same_rows_and_no_ledgers(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, lines = journal_of(lambda: replayed(recording), monkeypatch)
    Path("journal.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    again = replayed("journal.jsonl")
    assert first.fills.height > 0
    assert again.fills.equals(first.fills)
    assert again.intervals.equals(first.intervals)
    assert again.seconds.equals(first.seconds)
    assert again.ledgers.height == 0
    assert again.windows["kind"].to_list() == ["journal"]
    with pytest.raises(UsageError, match="two of the files"):
        main_raising(recording, "journal.jsonl")


def main_raising(*paths: object) -> None:
    from pmtools.cli import build_parser
    from pmtools.replay.command import command

    command(build_parser().parse_args(["replay", *map(str, paths), "--tables", "both"]))


def test_the_schema_is_the_documented_one(recording: Path) -> None:
    tables = replayed(recording)
    kinds = {
        ColumnKind.TEXT: polars.String,
        ColumnKind.INTEGER: polars.Int64,
        ColumnKind.FLAG: polars.Boolean,
    }
    for name, columns in TABLES.items():
        schema = dict(getattr(tables, name).schema)
        assert schema == {
            **{one.name: kinds[one.kind] for one in columns},
            "day": polars.String,
            "series": polars.String,
        }
    golden = Path(__file__).with_name("schema.txt").read_text().splitlines()
    assert [f"{n}.{one.name} {one.kind}" for n, all_ in TABLES.items() for one in all_] == golden
    file = Path(f"tables/fills/day=2026-09-21/series=btc-5m/{SLUG}.parquet")
    assert file.is_file()
    assert list(Path("tables").rglob("*.part")) == []


def test_files_of_other_columns_and_other_folders_are_one_clear_line(recording: Path) -> None:
    replayed(recording)
    (file,) = Path("tables/fills").rglob("*.parquet")
    polars.DataFrame({"slug": ["x"]}).write_parquet(file)
    with pytest.raises(UsageError, match="fills"):
        study.load("tables")
    with pytest.raises(UsageError, match="holds no tables"):
        study.load(".")


def test_fills_are_csv_only(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(recording), "--fills", "fills.parquet"]) == 2
    told = capsys.readouterr().err
    assert told == "pm replay: --fills writes CSV: for Parquet use --tables FOLDER\n"
    assert not Path("fills.parquet").exists()


@pytest.mark.parametrize("command", [("replay", "--tables", "t"), ("report",)])
def test_without_its_packages_it_is_one_clear_line_and_plain_replay_works(
    recording: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
) -> None:
    for name in [n for n in sys.modules if n.startswith(("pmtools.study", "pmtools.replay"))]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("polars", "matplotlib", "numpy"):
        monkeypatch.setitem(sys.modules, name, None)
    assert main([command[0], str(recording), *command[1:]]) == 2
    told = f"pm {command[0]}: tables need packages that are not installed: pip install "
    assert capsys.readouterr().err == f"{told}'pmtools[study]'\n"
    assert main(["replay", str(recording)]) == 0


def test_tables_change_no_fingerprint(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    for more in ((), ("--tables", "tables")):
        assert main(["replay", str(recording), "--json", *more]) == 0
        told.append(json.loads(capsys.readouterr().out)["fingerprint"])
    assert told[0] == told[1]
    assert study.load("tables").windows["fingerprint"][0] != ""
