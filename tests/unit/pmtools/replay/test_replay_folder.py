"""`pm replay FOLDER`, and what a program that reads its output may rely on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from pmcore.engine.strategy.journal import JournalHeader, encode_line
from pmcore.model.params import StrategyParams
from pmcore.shell.journal import JournalWriter
from pmsim.recordings.reader import Recording
from pmtools.cli import main
from pmtools.errors import UsageError
from pmtools.replay.inputs import find_inputs
from support.small_recording import SLUG, market_object, recorded_window, write_recording
from support.tree import ROOT

SHIPPED = ROOT / "tests/recordings"


@pytest.fixture(autouse=True)
def _variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("PM_", "POLYMARKET_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def kept_run(tmp_path: Path) -> Path:
    """A folder as `pm run --keep` leaves it."""
    folder = tmp_path / "run-3"
    recordings = folder / "feed/recordings"
    recordings.mkdir(parents=True)
    write_recording(recordings / f"{SLUG}.jsonl")
    (recordings / f"{SLUG}.market.json").write_text(json.dumps(market_object()))
    writer = JournalWriter(folder / "strategy/journal", SLUG)
    header = JournalHeader(
        window=recorded_window(),
        params=StrategyParams(),
        run_id="r",
        warm_start={},
        prior_loss_u6=0,
    )
    writer.write(encode_line(header))
    writer.close()
    (folder / "feed.log").write_text('{"event":"started"}\n')
    (folder / ".hidden").write_text("not looked at")
    return folder


def summary(
    capsys: pytest.CaptureFixture[str], *arguments: object
) -> tuple[dict[str, object], str]:
    assert main(["replay", "--json", *map(str, arguments)]) == 0
    out, err = capsys.readouterr()
    found: dict[str, object] = json.loads(out)
    return found, err


def test_a_folder_replays_what_is_in_it(kept_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    of_folder, said = summary(capsys, kept_run)
    assert of_folder["windows"] == 2
    assert of_folder["inferred"] == {}
    assert "left out" in said
    assert "feed.log" in said
    assert "hidden" not in said
    assert "market.json" not in said
    one_by_one, _ = summary(
        capsys,
        kept_run / f"feed/recordings/{SLUG}.jsonl",
        kept_run / f"strategy/journal/{SLUG}.jsonl.zst",
    )
    assert of_folder == one_by_one


def test_metadata_for_one_file_of_a_folder_does_not_stop_the_others(
    kept_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    market = tmp_path / "market.json"
    market.write_text(
        json.dumps(
            {**market_object(), "slug": "btc-updown-5m-1790000400", "conditionId": "0x" + "ee" * 32}
        )
    )
    found, _ = summary(capsys, kept_run, "--market", market)
    assert found["windows"] == 2


def test_a_folder_with_nothing_to_replay_names_the_formats(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    assert main(["replay", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "nothing in this folder can be replayed" in err
    assert ".jsonl" in err


def test_a_later_part_alone_is_left_out_of_a_folder_and_refused_by_name(
    kept_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part = kept_run / "strategy/journal/other.0001.jsonl"
    part.write_text('["in",1,{}]\n')
    _, said = summary(capsys, kept_run)
    assert "later part of a journal" in said
    assert main(["replay", str(part)]) == 2


def test_a_later_part_of_a_recording_is_read_with_its_first_one(tmp_path: Path) -> None:
    whole = write_recording(tmp_path / f"{SLUG}.jsonl").read_bytes().splitlines(keepends=True)
    first, second = tmp_path / f"{SLUG}.jsonl.zst", tmp_path / f"{SLUG}.0001.jsonl.zst"
    (tmp_path / f"{SLUG}.jsonl").unlink()
    first.write_bytes(zstandard.compress(b"".join(whole[:20])))
    second.write_bytes(zstandard.compress(b"".join(whole[20:])))
    for named in ([tmp_path], [first], [first, second]):
        (found,) = find_inputs(named, None).found
        assert isinstance(found, Recording)
        assert found.parts == (first, second)
    with pytest.raises(UsageError, match="name its first part"):
        find_inputs([second], None)


def test_the_shipped_recording_is_small_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 300_000
    found, _ = summary(capsys, SHIPPED)
    assert found["windows"] == 1
    assert found["inferred"] == {}
    assert found["unusable"] == {}
    assert found["books_mismatched"] == 0
    assert found["books_verified"] == 280
    assert found["orders_placed"] != 0


def piped(*arguments: str, directory: Path) -> subprocess.CompletedProcess[str]:
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "COLUMNS": "40",
        "TERM": "dumb",
    }
    return subprocess.run(
        [sys.executable, "-m", "pmtools.cli", *arguments],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
        cwd=directory,
    )


def test_a_fingerprint_is_whole_when_piped(tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "window.jsonl", seconds=5)
    plain = piped("replay", str(recording), directory=tmp_path)
    with_json = piped("replay", str(recording), "--json", directory=tmp_path)
    fingerprint = json.loads(with_json.stdout)["fingerprint"]
    assert len(fingerprint) == 64
    assert ["fingerprint", fingerprint] in [line.split() for line in plain.stdout.splitlines()]
    assert ["fingerprint", fingerprint] in [line.split() for line in with_json.stderr.splitlines()]


@pytest.mark.parametrize("command", ["replay", "doctor"])
def test_json_is_all_that_is_on_stdout(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = write_recording(tmp_path / "window.jsonl", seconds=3)
    main([command, "--json", *([str(recording)] if command == "replay" else [])])
    out, err = capsys.readouterr()
    assert isinstance(json.loads(out), dict)
    assert len(out.splitlines()) == 1
    assert len(err.splitlines()) > 3
