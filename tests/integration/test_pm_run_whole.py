"""`pm run` with the real services: quotes, fills, rotates, leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pmtools import study
from support.recordings import recording

pytestmark = [pytest.mark.connected, pytest.mark.timeout(240)]


def pm_run(tmp_path: Path, *arguments: str, **more: str) -> dict[str, Any]:
    """Run it in an environment of its own and return the summary."""
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
        "PM_DATA_DIR": str(tmp_path / "var"),
        **more,
    }
    done = subprocess.run(
        [sys.executable, "-m", "pmtools.cli", "run", "--json", *arguments],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=220,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    summary: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return summary


def assert_safe(summary: dict[str, Any]) -> None:
    assert summary["orders_left_at_venue"] == 0
    assert summary["limit_violations"] == 0
    assert summary["books_mismatched"] == 0
    assert summary["touch_disagreements"] == 0
    assert summary["max_abs_net_diff"] < 10
    assert summary["max_pair_cost"] < 1.02


def test_a_simulated_run_quotes_fills_and_rotates(tmp_path: Path) -> None:
    summary = pm_run(tmp_path, "--seconds", "50", "--window", "25", "--seed", "7", "--keep")
    assert summary["exit_reason"] == "time_over"
    assert summary["windows"] >= 2
    assert summary["orders_placed"] > 0
    assert summary["fills"] > 0
    assert summary["books_verified"] > 0
    assert summary["change_hashes_verified"] > 0
    assert {"feed_parse", "md_to_decision", "cmd_to_executor", "executor_to_venue"} <= set(
        summary["hop_ms"]
    )
    assert "no_heartbeat" not in summary["orders_rejected"]
    assert_safe(summary)
    assert not (tmp_path / "var/run-1/run.json").exists()
    tables = study.load(tmp_path / "var/run-1/tables")
    assert tables.windows.height == summary["windows"]
    assert tables.windows["orders"].sum() == summary["orders_placed"]
    assert tables.fills.height == summary["fills"]


@pytest.mark.recordings
def test_a_recorded_window_runs_through_all_services(tmp_path: Path) -> None:
    path = recording("market_books/btc-updown-5m-1776327900.books.jsonl.gz")[0]
    summary = pm_run(tmp_path, "--recording", str(path), "--speed", "5", "--seconds", "90")
    assert summary["exit_reason"] in ("recording_done", "time_over")
    assert summary["frames"] > 3_000
    assert summary["orders_placed"] > 0
    assert summary["windows"] == 1
    assert_safe(summary)
