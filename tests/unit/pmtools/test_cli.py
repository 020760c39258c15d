"""Arguments: help everywhere, one clear line and exit 2 for what is wrong, never a traceback."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from pmtools.cli import main
from support.small_recording import write_recording

COMMANDS = (
    "run",
    "replay",
    "status",
    "kill",
    "resume",
    "console",
    "positions",
    "orders",
    "fills",
    "pnl",
    "notify",
    "doctor",
)


def exit_code(*arguments: str) -> int:
    try:
        return main(arguments)
    except SystemExit as ended:
        return int(ended.code or 0)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(command, "--help") == 0
    assert f"usage: pm {command}" in capsys.readouterr().out


def test_the_list_of_commands_names_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("--help") == 0
    said = capsys.readouterr().out
    assert all(command in said for command in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "COMMAND"),
        (("fly",), "'fly'"),
        (("run", "--seconds", "soon"), "--seconds"),
        (("run", "--seconds", "0"), "whole number from 1"),
        (("run", "--seconds", "-5"), "--seconds"),
        (("run", "--seconds", "٣"), "--seconds"),
        (("run", "--window", "2"), "--window"),
        (("run", "--window", "999999"), "--window"),
        (("run", "--speed", "0.5"), "speed from 1 to 100"),
        (("run", "--speed", "nan"), "speed from 1 to 100"),
        (("run", "--speed", "2"), "--speed needs --recording"),
        (("run", "--venue", "moon"), "moon"),
        (("run", "--venue", "polymarket", "--seed", "3"), "--seed is for the simulator"),
        (("run", "--venue", "polymarket", "--window", "30"), "--window is for the simulator"),
        (("run", "--market", "BTC?"), "btc-updown-15m"),
        (("run", "--market", "btc-updown-5m-1790000100", "--window", "30"), "single window"),
        (("run", "--recording", "nowhere.jsonl"), "no such file: nowhere.jsonl"),
        (("run", "--recording", __file__), "cannot be used"),
        (("run", "--recording", __file__, "--market", "btc-updown-5m"), "brings its own"),
        (("replay",), "FILE"),
        (("replay", "nowhere.jsonl"), "no such file"),
        (("replay", __file__, "--bus", "air"), "air"),
        (("replay", __file__, "--market", __file__), "no market's metadata"),
        (("kill", "--reason"), "--reason"),
        (("status", "now"), "now"),
    ],
)
def test_a_wrong_argument_is_one_line_and_exit_2(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("pm")
    assert said in err


@pytest.mark.parametrize("command", ["run", "simulator"])
def test_a_directory_is_no_recording(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(command, "--recording", str(tmp_path)) == 2
    assert "no such file" in capsys.readouterr().err


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("--version") == 0
    assert capsys.readouterr().out == f"pm {version('pmcore')}\n"


@pytest.mark.parametrize(
    "arguments", [("replay",), ("run", "--recording"), ("simulator", "--recording")]
)
def test_a_file_of_no_known_format_names_those_that_are(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(*arguments, __file__) == 2
    said = capsys.readouterr().err
    assert all(name in said for name in (".jsonl", ".gz", ".zst", ";;", "books_1hz", "_orderbooks"))


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from pmtools.cli import build_parser; build_parser(); "
        "print([name for name in ('rich', 'httpx', 'redis', 'pydantic') if name in sys.modules])"
    )
    path = ":".join(entry for entry in sys.path if entry)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("command", ["run", "replay"])
def test_every_bad_variable_is_named_before_anything_is_started(
    command: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {
        "PM_BID_SIZE": "abc",
        "PM_PAIR_TARGET": "7",
        "PM_MAX_NET_DIFF": "-1",
        "PM_DATA_DIR": str(tmp_path / "var"),
    }.items():
        monkeypatch.setenv(name, value)
    path = write_recording(tmp_path / "window.jsonl", seconds=3)
    arguments = {"run": ("--seconds", "1"), "replay": (str(path),)}[command]
    assert exit_code(command, *arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    wanted = ["PM_BID_SIZE", "PM_MAX_NET_DIFF", "PM_PAIR_TARGET"]
    assert sorted(line.split(": ")[1] for line in err.splitlines()) == wanted
    assert all(line.startswith(f"pm {command}: ") for line in err.splitlines())
    assert not (tmp_path / "var").exists()
