"""`pm run` against a venue that cannot be reached: the real services say why."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.connected, pytest.mark.timeout(120)]


def test_a_refused_connection_is_named_at_once_and_in_the_exit_code(tmp_path: Path) -> None:
    nowhere = {
        "POLYMARKET_GAMMA_URL": "http://127.0.0.1:9",
        "POLYMARKET_REST_URL": "http://127.0.0.1:9",
        "POLYMARKET_WS_BASE_URL": "ws://127.0.0.1:9/ws",
    }
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pmtools.cli",
            "run",
            "--venue",
            "polymarket",
            "--seconds",
            "4",
        ],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
            "PM_DATA_DIR": str(tmp_path / "var"),
            **nowhere,
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 11, done.stderr
    first_lines = "\n".join(done.stderr.splitlines()[:4])
    assert "feed: window of btc-updown-15m: connection refused" in first_lines
    assert "waiting for the feed to announce a window" in done.stderr
    assert "Traceback" not in done.stderr
