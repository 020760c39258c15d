"""`pm doctor` against `pm simulator`, both on their defaults, as two terminals would run them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pmtools.ports import free_port

pytestmark = pytest.mark.connected

PATIENCE_S = 60.0
DEFAULT_PORT = 8200


def environment(directory: Path, **variables: str) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PM_", "POLYMARKET_"))}
    python_path = os.pathsep.join(path for path in sys.path if path)
    return {**inherited, "PYTHONPATH": python_path, "PM_DATA_DIR": str(directory), **variables}


def pm(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pmtools.cli", *arguments]


@contextmanager
def simulator(directory: Path, *arguments: str, **variables: str) -> Iterator[str]:
    """The line that it says once it listens, or the reason why it does not."""
    process = subprocess.Popen(
        pm("simulator", *arguments),
        env=environment(directory, **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=directory,
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        yield process.stdout.readline() or process.stderr.read()
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)


def doctor(directory: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        pm("doctor"),
        env=environment(directory, **variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        cwd=directory,
    )


@pytest.mark.xdist_group("port 8200")
def test_doctor_is_content_with_a_simulator_on_its_defaults(tmp_path: Path) -> None:
    with simulator(tmp_path) as said:
        if "cannot listen" in said:
            pytest.skip(f"another program has port {DEFAULT_PORT} of this machine: {said}")
        assert f":{DEFAULT_PORT}" in said
        done = doctor(tmp_path, PM_VENUE="sim")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAIL" not in done.stdout
    assert "market btc-updown-15m-" in done.stdout
    assert "bid size: 5 shares" in done.stdout


def test_both_read_the_same_variables(tmp_path: Path) -> None:
    port = str(free_port())
    given = {
        "PM_SIM_PORT": port,
        "POLYMARKET_MARKET_SLUG": "eth-updown-5m",
        "POLYMARKET_REST_URL": f"http://127.0.0.1:{port}",
        "POLYMARKET_GAMMA_URL": f"http://127.0.0.1:{port}",
        "POLYMARKET_WS_BASE_URL": f"ws://127.0.0.1:{port}/ws",
    }
    with simulator(tmp_path, **given) as said:
        assert re.search(rf"http://127\.0\.0\.1:{port}\b", said), said
        done = doctor(tmp_path, PM_VENUE="sim", **given)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "market eth-updown-5m-" in done.stdout


def test_the_variable_that_an_occupied_port_names_is_the_one_that_moves_it(tmp_path: Path) -> None:
    with simulator(tmp_path, PM_SIM_PORT="0") as said:
        found = re.search(r"http://127\.0\.0\.1:(\d+)", said)
        assert found is not None, said
        with simulator(tmp_path, PM_SIM_PORT=found[1]) as refused:
            assert "PM_SIM_PORT" in refused
            assert found[1] in refused
        with simulator(tmp_path, PM_SIM_PORT=str(free_port())) as moved:
            assert "http://127.0.0.1:" in moved
