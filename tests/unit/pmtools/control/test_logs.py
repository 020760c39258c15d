"""`pm logs`: lines of every service in the order of their times, of runs and of Compose."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pmcore.shell.clock import real_now_ns
from pmcore.shell.service.logs import configure_logs
from pmtools.cli import main
from pmtools.control import logs
from pmtools.control.logs import choose, parse_lines
from support.control_ports import FakeCheckout

AT_S = 1_800_000_000.0
TRACEBACK = "Traceback (most recent call last):\n  File x\nValueError: no\n"


def line(at_s: float, event: str, level: str = "info", **fields: Any) -> str:
    """As `pmcore.shell.service.logs` writes it."""
    at = datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds")
    given = {"ts": at, "level": level, "service": "x", "event": event, **fields}
    return json.dumps(given) + "\n"


@pytest.fixture
def run(checkout: FakeCheckout) -> Path:
    """A run whose feed and executor wrote, in turns."""
    directory = checkout.run(checkout.engine("t"))
    (directory / "feed.log").write_text(line(AT_S, "first") + line(AT_S + 2, "third", slug="a-1"))
    (directory / "executor.log").write_text(line(AT_S + 1, "second", "warning") + TRACEBACK)
    for name in ("strategy", "userws"):
        (directory / f"{name}.log").write_text("")
    return directory


def events(capsys: pytest.CaptureFixture[str], argv: Sequence[str], engine: str) -> list[str]:
    assert main(["logs", "--json", *argv]) == 0
    return [row["event"] for row in json.loads(capsys.readouterr().out)[engine]]


@pytest.mark.usefixtures("run")
def test_lines_of_all_services_stand_in_the_order_of_their_times(
    capsys: pytest.CaptureFixture[str],
) -> None:
    traceback = TRACEBACK.splitlines()
    assert events(capsys, [], "run-1") == [
        *("first", "second"),
        *(text.strip() for text in traceback),
        "third",
    ]
    assert events(capsys, ["--level", "warning"], "run-1") == [
        "second",
        *(text.strip() for text in traceback),
    ]
    assert events(capsys, ["--service", "feed", "--lines", "1"], "run-1") == ["third"]


@pytest.mark.usefixtures("run")
def test_people_get_a_line_each_and_programs_every_field(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["logs", "--service", "feed"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "run-1 (sim, process 4711)",
        "time utc                 level     service    event and its fields",
        "2027-01-15 08:00:00.000  info      feed       first",
        "2027-01-15 08:00:02.000  info      feed       third  slug=a-1",
    ]
    assert main(["logs", "--service", "feed", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["engine"], row["event"], row["fields"]) for row in rows] == [
        ("run-1", "first", ""),
        ("run-1", "third", "slug=a-1"),
    ]


def test_since_is_by_the_clock_of_the_wall(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    now_s = real_now_ns() / 1e9
    (run / "userws.log").write_text(line(now_s - 7200, "long ago") + line(now_s - 60, "just now"))
    assert events(capsys, ["--since", "1h", "--service", "userws"], "run-1") == ["just now"]
    assert events(capsys, ["--since", "3h", "--service", "userws"], "run-1") == [
        "long ago",
        "just now",
    ]


def test_a_stack_is_read_by_docker_also_a_container_that_ended(
    checkout: FakeCheckout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.compose(checkout.engine("t"), project="p", stopped=["executor"])
    for name in ("feed", "strategy", "userws"):
        checkout.container_wrote("p", name, line(AT_S, f"{name} wrote"))
    checkout.container_wrote("p", "executor", line(AT_S + 1, "last words", "critical"))
    assert events(capsys, ["--compose"], "compose p")[-1] == "last words"


def test_a_log_that_cannot_be_read_is_named_and_the_others_are_shown(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "userws.log").unlink()
    assert main(["logs"]) == 1
    said = capsys.readouterr()
    assert "userws: its log cannot be read" in said.err
    assert "third" in said.out
    assert main(["logs", "--service", "nobody"]) == 1
    assert "it has no nobody" in capsys.readouterr().err


def test_our_own_logger_is_understood() -> None:
    stream = io.StringIO()
    log = configure_logs("feed", "info", stream)
    log.warning("redis_away", detail="no answer", nested={"a": [1]})
    (read,) = parse_lines("feed", stream.getvalue().splitlines())
    assert (read.level, read.event) == ("warning", "redis_away")
    assert read.fields == {"detail": "no answer", "nested": {"a": [1]}}
    assert abs(read.at_s - real_now_ns() / 1e9) < 60


def test_nothing_steers_the_terminal_and_long_fields_are_cut(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "feed.log").write_text(line(AT_S, "x", text="\x1b[2J\nnext", long="y" * 5000))
    assert main(["logs", "--service", "feed"]) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert len(said.splitlines()) == 3
    assert max(map(len, said.splitlines())) < 600
    assert "whole with --json" in said


def test_only_the_end_of_a_long_log_is_read(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MOST_BYTES", 1000)
    (run / "feed.log").write_text("".join(line(AT_S + n, f"n{n}") for n in range(100)))
    read = events(capsys, ["--service", "feed"], "run-1")
    assert read[-1] == "n99"
    assert 1 < len(read) < 20
    assert all(event.startswith("n") for event in read), "no half of a line"


def test_choosing_keeps_the_newest() -> None:
    read = parse_lines("feed", [line(AT_S + n, f"n{n}") for n in (2, 0, 1)])
    assert [one.event for one in choose(read, level="debug", since_s=None, most=2)] == ["n1", "n2"]
    assert [one.event for one in choose(read, level="debug", since_s=AT_S + 2, most=None)] == ["n2"]
