"""`pm report --day` and `pm report RUN`: tables of runs, made from their journals when missing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import zstandard

from pmcore.model.units import NS_PER_S
from pmcore.shell.journal import JournalWriter
from pmtools import study
from pmtools.cli import main
from pmtools.study import journals
from pmtools.study.journals import write_run_tables
from support.control_ports import FakeCheckout
from support.replayed_journal import journal_of
from support.small_recording import SLUG, market_object, write_recording
from unit.pmtools.control.conftest import checkout, stack

__all__ = ["checkout", "stack"]
DAY = "2026-09-21"


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, checkout: FakeCheckout) -> list[bytes]:
    """What a strategy would have written in its journal of one window with fills."""
    del checkout
    monkeypatch.setenv("PM_BID_SIZE", "5")
    monkeypatch.setenv("PM_OFI_TOXICITY_THRESHOLD", "1000")
    (tmp_path / "one.market.json").write_text(json.dumps(market_object()))
    recording = write_recording(tmp_path / "one.jsonl")
    code, written = journal_of(lambda: main(["replay", str(recording), "--json"]), monkeypatch)
    assert code == 0
    return written


def write_journal(folder: Path, lines: list[bytes], run_id: str = "aa") -> Path:
    writer = JournalWriter(folder, f"{SLUG}.{run_id}")
    for line in lines:
        writer.write(line)
    writer.close()
    return writer.path


def of_run(lines: list[bytes], run_id: str) -> list[bytes]:
    return [lines[0].replace(b'"run_id":"replay"', b'"run_id":"%s"' % run_id.encode()), *lines[1:]]


def keep_run(root: Path, number: int, lines: list[bytes], mode: str = "sim") -> Path:
    run = root / f"run-{number}"
    write_journal(run / "strategy/journal", lines)
    (run / "strategy.log").write_text(json.dumps({"event": "starting", "mode": mode}) + "\n")
    return run


def reported(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[dict[str, Any], str]:
    capsys.readouterr()
    assert main(["report", *arguments, "--json"]) == 0
    said = capsys.readouterr()
    return json.loads(said.out), said.err


def test_the_windows_of_a_day_are_those_of_every_run(
    lines: list[bytes], checkout: FakeCheckout, capsys: pytest.CaptureFixture[str]
) -> None:
    keep_run(checkout.root / "var", 1, lines)
    keep_run(checkout.root / "var", 2, lines, "dry")
    (checkout.root / "var/run-3/strategy").mkdir(parents=True)
    one, _ = reported(capsys, "1")
    both, said = reported(capsys, "--day", DAY)
    assert one["fills"] > 0
    assert (both["windows"], both["fills"]) == (2, 2 * one["fills"])
    assert {point["slug"] for point in both["equity"]} == {f"{SLUG} (run-1)", f"{SLUG} (run-2)"}
    page = Path("report.html").read_text()
    for note in ("run-1 (sim): 1 window", "run-2 (dry): 1 window", "run-3: neither tables nor"):
        assert note in said
        assert note in page
    assert "no Compose stack of this checkout runs" in said
    assert f"What the windows of {DAY} earned" in page


def test_what_is_not_there_is_said(
    lines: list[bytes], checkout: FakeCheckout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.docker_says(absent=True)
    assert main(["report", "--day", DAY]) == 2
    said = capsys.readouterr().err
    assert "there is no window to report" in said
    assert "no run is kept in var" in said
    run = keep_run(checkout.root / "var", 1, lines)
    (run / "strategy/journal/empty.aa.jsonl.zst").touch()
    assert main(["report", "--day", "2026-09-20"]) == 2
    said = capsys.readouterr().err
    assert "run-1: no window of 2026-09-20" in said
    assert "empty.aa.jsonl.zst is left out: it has no whole line yet" in said
    for arguments in (["7"], ["1", str(checkout.root)], ["--day", DAY, "."], []):
        assert main(["report", *arguments]) == 2


def test_tables_are_made_once_and_anew_when_the_journal_grew(
    lines: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = keep_run(tmp_path, 1, lines[:-900])
    stepped: list[Path] = []
    step = vars(journals)["_step"]

    def noted(out: Path, journal: Any) -> Any:
        stepped.append(journal.paths[0])
        return step(out, journal)

    monkeypatch.setattr(journals, "_step", noted)
    for _ in range(2):
        write_run_tables(run)
    assert len(stepped) == 1
    (path,) = (run / "strategy/journal").iterdir()
    path.unlink()
    write_journal(path.parent, lines)
    table = next((run / "tables/seconds").rglob("*.parquet"))
    os.utime(path, ns=(table.stat().st_mtime_ns + NS_PER_S,) * 2)
    before = study.load(run / "tables").seconds.height
    write_run_tables(run)
    assert len(stepped) == 2
    assert study.load(run / "tables").seconds.height > before
    next((run / "tables/intervals").rglob("*.parquet")).unlink()
    write_run_tables(run)
    assert len(stepped) == 3


@pytest.mark.parametrize("cut", [1, 7, 500])
def test_a_journal_that_is_being_written_is_read_up_to_its_last_whole_line(
    lines: list[bytes], tmp_path: Path, cut: int
) -> None:
    half = len(lines) // 2
    text = b"\n".join(lines[:half]) + b"\n"
    torn = zstandard.compress(b"\n".join(lines[half:]) + b"\n")[:cut]
    for name, data in (("torn", zstandard.compress(text) + torn), ("whole", text)):
        folder = tmp_path / name / "strategy/journal"
        folder.mkdir(parents=True)
        (folder / f"{SLUG}.aa.jsonl.zst").write_bytes(data)
        write_run_tables(tmp_path / name)
    torn_tables, whole = (study.load(tmp_path / name / "tables") for name in ("torn", "whole"))
    assert whole.seconds.height > 5
    assert torn_tables.seconds.equals(whole.seconds)
    assert torn_tables.fills.equals(whole.fills)


def test_of_two_journals_of_a_window_the_newest_is_read(lines: list[bytes], tmp_path: Path) -> None:
    for run_id, own in (("ff", lines[:-900]), ("100", lines)):
        write_journal(tmp_path / "strategy/journal", of_run(own, run_id), run_id)
    notes = write_run_tables(tmp_path)
    assert any("several journals" in note for note in notes)
    assert study.load(tmp_path / "tables").windows["source"].to_list() == [f"{SLUG}.100.jsonl.zst"]


def test_the_journals_of_a_stack_are_copied_out_of_its_container(
    lines: list[bytes], checkout: FakeCheckout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.compose(checkout.engine("t"), project="p")
    volume = checkout.volume("p", "strategy")
    assert main(["report", "--day", DAY]) == 2
    assert "compose p: no window" in capsys.readouterr().err
    write_journal(volume, lines)
    (volume / "btc-updown-5m-1700000100.aa.jsonl.zst").write_text("of another day: never read")
    told, said = reported(capsys, "--day", DAY)
    assert told["windows"] == 1
    assert told["fills"] > 0
    assert "compose p (mode not known): 1 window" in said
    assert "left out" not in said
    checkout.copies.unlink()
    assert reported(capsys, "--day", DAY)[0] == told
    assert not checkout.copies.exists(), "what has its tables is not copied again"
