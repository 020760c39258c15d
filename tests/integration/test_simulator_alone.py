"""`pm simulator`: one process, one line, no Redis; ends well when asked."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from py_clob_client_v2 import ClobClient

pytestmark = pytest.mark.connected

PATIENCE_S = 30.0


def start(directory: Path, *arguments: str) -> subprocess.Popen[str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PM_", "POLYMARKET_"))}
    python_path = os.pathsep.join(path for path in sys.path if path)
    return subprocess.Popen(
        [sys.executable, "-m", "pmtools.cli", "simulator", *arguments],
        env={**inherited, "PYTHONPATH": python_path, "PM_DATA_DIR": str(directory)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_says_how_to_point_a_client_at_it(tmp_path: Path) -> None:
    process = start(tmp_path, "--port", "0", "--window", "60", "--seed", "5")
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        said = re.search(r'host="(http://127\.0\.0\.1:\d+)", chain_id=(\d+)', line)
        assert said is not None, line
        assert "synthetic, seed 5" in line
        assert "ws://127.0.0.1:" in line
        client = ClobClient(host=said[1], chain_id=int(said[2]), key="0x" + "42" * 32)
        client.set_api_creds(client.create_or_derive_api_key())
        assert client.get_open_orders() == []
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=PATIENCE_S) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    finally:
        process.kill()
        process.communicate()


def test_bad_faults_are_named(tmp_path: Path) -> None:
    process = start(tmp_path, "--port", "0", "--faults", '{"faild_ppm":1}')
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2
    assert "PM_SIM_FAULTS" in errors
    assert "faild_ppm" in errors
