"""`pm replay` on small recordings of our own: figures, determinism, bad input, journals."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pmcore.engine.account.engine import AccountParams
from pmcore.engine.account.io import AccountEvent, AccountRead, ChannelAnswered, ChannelConnected
from pmcore.engine.account.journal import (
    ACCOUNT_JOURNAL,
    AccountJournalEntry,
    AccountJournalHeader,
)
from pmcore.engine.journal import JournalEnd
from pmcore.engine.strategy.journal import JournalEntry, JournalHeader, encode_line
from pmcore.messages.timers import BatchEnded, Tick
from pmcore.model.params import StrategyParams
from pmcore.shell.journal import JournalWriter
from pmtools.cli import main
from pmtools.replay.command import inferred_lines
from support.small_recording import SLUG, market_object, recorded_window, rows, write_recording

Replay = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def _variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("PM_", "POLYMARKET_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PM_BID_SIZE", "5")
    monkeypatch.setenv("PM_OFI_TOXICITY_THRESHOLD", "1000")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return write_recording(tmp_path / "window.jsonl")


@pytest.fixture
def replay(capsys: pytest.CaptureFixture[str]) -> Replay:
    def run(*arguments: object, code: int = 0) -> dict[str, Any]:
        assert main(["replay", "--json", *map(str, arguments)]) == code
        summary: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
        return summary

    return run


def test_quotes_fills_and_verifies_every_book(recording: Path, replay: Replay) -> None:
    summary = replay(recording)
    assert summary["frames"] == 96
    assert summary["books_verified"] == 80
    assert summary["books_mismatched"] == 0
    assert summary["trades"] == 16
    assert summary["orders_placed"] > 2
    assert summary["fills"] > 0
    assert summary["limit_violations"] == 0
    assert summary["windows"] == 1
    assert summary["unusable"] == {}


def test_says_what_it_inferred_and_believes_a_market_file(
    recording: Path, replay: Replay, tmp_path: Path
) -> None:
    assert "up_token_id" in replay(recording)["inferred"][SLUG]
    market = tmp_path / "market.json"
    market.write_text(json.dumps(market_object()))
    assert replay(recording, "--market", market)["inferred"] == {}


def test_what_was_inferred_is_said_once_and_not_again_in_the_table(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(recording)]) == 0
    said = capsys.readouterr()
    assert f"pm replay: {SLUG}: inferred up_token_id" in said.err
    assert "inferred" not in said.out


def test_what_was_inferred_of_several_windows_is_one_line() -> None:
    assert inferred_lines({"a": ["slug"], "b": ["tick_e4", "slug"], "c": ["slug"]}) == [
        "2 windows: inferred slug (see --market)",
        "b: inferred tick_e4, slug (see --market)",
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"slug": "btc-updown-5m-1790000400", "conditionId": "0x" + "ee" * 32},
            "describes no market of",
        ),
        ({"conditionId": "0x" + "ee" * 32}, "describes no market of"),
        ({"upTokenId": "1", "downTokenId": "2"}, "no frame of it can be used (foreign_token 96)"),
    ],
)
def test_metadata_of_another_market_is_an_error(
    change: dict[str, Any],
    said: str,
    recording: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    market = tmp_path / "market.json"
    market.write_text(json.dumps({**market_object(), **change}))
    assert main(["replay", str(recording), "--market", str(market)]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1


def test_an_override_is_as_if_it_were_set_for_all_and_another_series_is_refused(
    recording: Path,
    replay: Replay,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The executor's limit of one bid follows too: else each larger one would be denied."""
    plain = replay(recording)
    monkeypatch.setenv("PM_BID_SIZE__BTC_UPDOWN_5M", "8")
    own = replay(recording)
    monkeypatch.delenv("PM_BID_SIZE__BTC_UPDOWN_5M")
    monkeypatch.setenv("PM_BID_SIZE", "8")
    assert own == replay(recording)
    assert own["fingerprint"] != plain["fingerprint"]
    assert (own["orders_rejected"], own["fills"] > 0) == ({}, True)
    monkeypatch.setenv("PM_BID_SIZE__BTC_UPDOWN_15M", "8")
    assert main(["replay", str(recording)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "for btc-15m, and these recordings have no window of it (btc-5m)" in line


@pytest.mark.parametrize("bus", ["memory", pytest.param("redis", marks=pytest.mark.connected)])
def test_the_bus_changes_nothing(recording: Path, replay: Replay, bus: str) -> None:
    direct = replay(recording)
    assert replay(recording, "--bus", bus) == direct


def test_the_hash_seed_changes_nothing(recording: Path) -> None:
    def fingerprint(seed: str) -> str:
        path = os.pathsep.join(entry for entry in sys.path if entry)
        done = subprocess.run(
            [sys.executable, "-m", "pmtools.cli", "replay", str(recording), "--json"],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
            capture_output=True,
            check=True,
        )
        found: str = json.loads(done.stdout.splitlines()[-1])["fingerprint"]
        return found

    assert fingerprint("1") == fingerprint("2")


def test_another_parameter_gives_another_fingerprint(
    recording: Path, replay: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = replay(recording)["fingerprint"]
    monkeypatch.setenv("PM_PAIR_TARGET", "0.95")
    assert replay(recording)["fingerprint"] != before


def test_a_size_below_the_minimum_places_nothing(
    recording: Path, replay: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PM_BID_SIZE", "2")
    summary = replay(recording)
    assert summary["orders_placed"] == 0
    assert "PM_BID_SIZE=5" in summary["results"][SLUG]["refused"]


def test_outputs_are_written_line_by_line(recording: Path, replay: Replay, tmp_path: Path) -> None:
    summary = replay(recording, "--outputs", tmp_path / "out.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    submits = [line for line in lines if line["kind"] == "SubmitOrder"]
    assert len(submits) >= summary["orders_placed"] > 0
    assert [line["at_ns"] for line in lines] == sorted(line["at_ns"] for line in lines)


def test_a_truncated_gzip_is_read_as_far_as_it_goes(
    recording: Path, replay: Replay, tmp_path: Path
) -> None:
    packed = gzip.compress(recording.read_bytes())
    broken = tmp_path / "broken.jsonl.gz"
    broken.write_bytes(packed[: len(packed) * 2 // 3])
    summary = replay(broken)
    assert summary["unusable"]["truncated"] == 1
    assert 0 < summary["books_verified"] < 80


def _spoiled(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    lines = []
    for number, row in enumerate(rows()):
        frame = json.loads(row["raw"])
        if number == 20:
            change(frame)
        lines.append(json.dumps({**row, "raw": json.dumps(frame)}))
    path.write_text("\n".join(lines))
    return path


def _set_level(field: str, value: str) -> Callable[[dict[str, Any]], None]:
    return lambda frame: frame["bids"][0].update({field: value})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_set_level("size", "-5"), "bad_size"),
        (_set_level("price", "0.4951"), "off_grid"),
        (_set_level("price", "1.2"), "bad_price"),
        (lambda frame: frame.update(asset_id="77"), "foreign_token"),
        (lambda frame: frame.update(event_type="surprise"), "unknown_event"),
    ],
)
def test_a_frame_that_cannot_be_used_is_counted_by_reason(
    change: Callable[[dict[str, Any]], object], reason: str, replay: Replay, tmp_path: Path
) -> None:
    summary = replay(_spoiled(tmp_path / "spoiled.jsonl", change))
    assert summary["unusable"] == {reason: 1}
    assert summary["books_mismatched"] == 0
    assert summary["limit_violations"] == 0


def test_lines_that_are_no_json_are_counted(recording: Path, replay: Replay) -> None:
    recording.write_text(recording.read_text() + "{not json\n")
    assert sum(replay(recording)["unusable"].values()) == 1


def test_time_running_backwards_is_clamped_and_counted(replay: Replay, tmp_path: Path) -> None:
    lines = list(rows())
    lines[30]["recv"] -= 20
    path = tmp_path / "backwards.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    assert replay(path)["clamped"] == 1


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b"\x1f\x8b\x08", b"\x00" * 100, b"hello\n", b'{"a": 1}\n']
)
def test_an_unusable_file_is_one_line_and_exit_2(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "file.jsonl"
    path.write_bytes(content)
    assert main(["replay", str(path)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert "file.jsonl" in said.err


def _journal(path: Path, *, fingerprint: str | None = None) -> Path:
    header = JournalHeader(
        window=recorded_window(),
        params=StrategyParams(bid_size_u6=5_000_000),
        run_id="r1",
        warm_start={},
        prior_loss_u6=0,
    )
    engine = header.make_engine()
    lines = [encode_line(header)]
    for step in range(50):
        at_ns = recorded_window().open_ns + step * 100_000_000
        for event in (Tick(), BatchEnded()):
            engine.step(at_ns, event)
            lines.append(encode_line(JournalEntry(at_ns, event)))
    lines.append(encode_line(JournalEnd(fingerprint or engine.fingerprint)))
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def test_a_journal_is_stepped_again(replay: Replay, tmp_path: Path) -> None:
    summary = replay(_journal(tmp_path / "journal.jsonl"))
    assert summary["events"] == 100
    assert summary["journals_differ"] == 0


def test_a_journal_that_comes_out_differently_is_exit_1(replay: Replay, tmp_path: Path) -> None:
    summary = replay(_journal(tmp_path / "journal.jsonl", fingerprint="0" * 64), code=1)
    assert summary["journals_differ"] == 1


@pytest.mark.parametrize("same", [True, False])
def test_the_accounts_journal_is_stepped_again_too(
    replay: Replay, tmp_path: Path, *, same: bool
) -> None:
    params = AccountParams(lookback_s=60, reconcile_ns=1)
    header = AccountJournalHeader(account="main", run_id="r", params=params)
    engine, lines = header.make_engine(), [ACCOUNT_JOURNAL.encode(header)]
    events: list[AccountEvent] = [ChannelConnected(), ChannelAnswered(), AccountRead(1), Tick()]
    for at_ns, event in enumerate(events):
        engine.step(at_ns, event)
        lines.append(ACCOUNT_JOURNAL.encode(AccountJournalEntry(at_ns, event)))
    end = JournalEnd(engine.fingerprint if same else "0" * 64)
    path = tmp_path / "account.jsonl"
    path.write_bytes(b"\n".join([*lines, ACCOUNT_JOURNAL.encode(end), b""]))
    summary = replay(path, code=0 if same else 1)
    assert (summary["events"], summary["journals_differ"]) == (4, 0 if same else 1)


def test_the_strategys_parts_are_found_by_the_first(replay: Replay, tmp_path: Path) -> None:
    """Named as the strategy names them: `<slug>.<run id>`, with a dot inside the stem."""
    lines = _journal(tmp_path / "whole").read_bytes().splitlines()
    writer = JournalWriter(tmp_path, "btc-updown-15m-1790766900.1a2b", part_bytes=1)
    for start in range(0, len(lines), 40):
        for line in lines[start : start + 40]:
            writer.write(line)
        writer.flush()
    writer.close()
    parts = sorted(tmp_path.glob("*.zst"))
    assert len(parts) > 2
    summary = replay(tmp_path / "btc-updown-15m-1790766900.1a2b.jsonl.zst")
    assert (summary["events"], summary["journals_differ"]) == (100, 0)


def test_a_later_part_of_a_journal_needs_its_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, _, rest = _journal(tmp_path / "journal.jsonl").read_bytes().partition(b"\n")
    assert first.startswith(b'{"type":"header"')
    part = tmp_path / "journal.0001.jsonl"
    part.write_bytes(rest)
    assert main(["replay", str(part)]) == 2
    assert "name its first part" in capsys.readouterr().err


def test_bad_variables_are_all_named(
    recording: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PM_PAIR_TARGET", "7")
    monkeypatch.setenv("PM_DEBOUNCE_MS", "soon")
    assert main(["replay", str(recording)]) == 2
    said = capsys.readouterr().err
    assert "PM_PAIR_TARGET" in said
    assert "PM_DEBOUNCE_MS" in said
