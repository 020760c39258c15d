"""`pm record` against the simulator at twenty times real rate, killed and begun again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pmcore.shell.clock import Clock
from pmcore.shell.journal import journal_parts
from pmtools.ports import free_port
from support.compose import fetch, wait_for

pytestmark = [pytest.mark.connected, pytest.mark.timeout(180)]

MARKET = "btc-updown-60s"
PATIENCE_S = 60.0


def environment(venue: int, control: int, clock: str) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PM_", "POLYMARKET_"))}
    http = f"http://127.0.0.1:{venue}"
    return {
        **inherited,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PM_CLOCK": clock,
        "PM_HTTP_PORT": str(control),
        "PM_SIM_PORT": str(venue),
        "PM_SIM_SEED": "3",
        "PM_VENUE": "sim",
        "POLYMARKET_MARKET_SLUG": MARKET,
        **{f"POLYMARKET_{name}_URL": http for name in ("REST", "GAMMA", "DATA")},
        "POLYMARKET_WS_BASE_URL": f"ws://127.0.0.1:{venue}/ws",
    }


@contextmanager
def running(command: list[str], variables: dict[str, str], log: Path) -> Iterator[Any]:
    with log.open("ab") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], env=variables, stdout=said, stderr=said
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def check(folder: Path, *, exit_code: int) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "pmtools.cli", "recordings", "check", str(folder), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == exit_code, done.stdout + done.stderr
    windows: list[dict[str, Any]] = json.loads(done.stdout)["windows"]
    return windows


def test_what_a_killed_recorder_missed_is_said_and_the_rest_is_whole(tmp_path: Path) -> None:
    clock = Clock.starting_at(Clock.from_spec("").now_ns(), 20.0).spec()
    venue, control = free_port(), free_port()
    variables = environment(venue, control, clock)
    recorder = ["pmtools.cli", "record", "--out", str(tmp_path)]
    folder = tmp_path / "recordings"

    def rows() -> list[list[Path]]:
        stems = [path.name.removesuffix(".market.json") for path in folder.glob("*.market.json")]
        return [journal_parts(folder, stem) for stem in sorted(stems)]

    def grown(windows: int) -> bool:
        """So many windows have begun, and something of the last one is on the disk."""
        found = rows()
        return len(found) >= windows and found[-1][-1].stat().st_size > 2_000

    with running(
        ["pmsimulator", "alone"], {**variables, "PM_HTTP_PORT": str(free_port())}, tmp_path / "sim"
    ):
        url = f"http://127.0.0.1:{venue}/time"
        wait_for("the venue", lambda: fetch(url), within_s=PATIENCE_S)
        with running(recorder, variables, tmp_path / "one") as first:
            wait_for("three windows", lambda: grown(3), within_s=PATIENCE_S)
            first.send_signal(signal.SIGKILL)
            first.wait()
        before = len(rows())
        with running(recorder, variables, tmp_path / "two") as second:
            wait_for("more windows", lambda: grown(before + 3), within_s=PATIENCE_S)
            second.send_signal(signal.SIGINT)
            assert second.wait(30) == 0

    windows = check(folder, exit_code=1)
    reasons = [[one["why"] for one in window["missing"]] for window in windows]
    assert "cut off" in {why for each in reasons for why in each}
    assert [] in reasons, "a window that was recorded whole"
    assert {window["books_mismatched"] for window in windows} == {0}
    assert all(window["books_verified"] for window in windows if not window["missing"])
    assert {name for window in windows for name in window["unusable"]} <= {"truncated"}
    assert json.loads((folder / "winners.json").read_text())
