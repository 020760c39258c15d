"""`make kill` is right when in doubt: two runs and the Compose stack of one checkout, one kill.

The checkout is a temporary one, so that the kill reaches no engine of the developer.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pmtools.run.files import FoundRun, find_runs
from support.compose import NotReachedError, System, fetch, wait_for
from support.tree import ROOT, SERVICES

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

RESTS = "show"
"""A preset whose bids mostly rest: the test waits until some do at three venues at once."""


class Engines:
    """Two `pm run`s and a Compose stack, started from one checkout."""

    def __init__(self, directory: Path) -> None:
        self.checkout = directory / "checkout"
        (self.checkout / "libs/pmcore").mkdir(parents=True)
        shutil.copy(ROOT / "docker-compose.yml", self.checkout)
        shutil.copytree(ROOT / "redis", self.checkout / "redis")
        shutil.copytree(ROOT / "presets", self.checkout / "presets")
        (self.checkout / ".venv").symlink_to(sys.prefix)
        name = f"pm-kill-{os.getpid()}"
        System(name, directory).compose("build", *SERVICES)
        self.stack = System(name, directory, self.checkout, PM_PRESET=RESTS)
        self._logs = directory
        self._runs: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Bring up all three; the runs have windows long enough to quote in."""
        self.stack.compose("up", "--detach", "--no-build", "redis", *SERVICES)
        for seed in ("7", "8"):
            with (self._logs / f"run-{seed}.txt").open("wb") as log:
                options = ("--seconds", "800", "--window", "120", "--seed", seed)
                self._runs.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "pmtools.cli", "run", "--preset", RESTS, *options],
                        cwd=self.checkout,
                        env=self._environ(),
                        stdout=log,
                        stderr=log,
                    )
                )

    def make(self, target: str, *variables: str) -> subprocess.CompletedProcess[str]:
        """A target of the real Makefile, typed in this checkout."""
        return subprocess.run(
            ["make", "--silent", "-f", str(ROOT / "Makefile"), target, *variables],
            cwd=self.checkout,
            env=self._environ() | {"PM_CONTROL_TOKEN": "of no engine here"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def open_orders(self) -> list[int]:
        """What rests at each of the three venues."""
        runs = [run for run in find_runs({}, self.checkout.resolve()) if run.held]
        if len(runs) != len(self._runs):
            raise NotReachedError(f"{len(runs)} of {len(self._runs)} runs are up")
        return [_orders_at(run) for run in runs] + [self.stack.audit()["orders_open"]]

    def stop(self) -> None:
        """End all three in the orderly way."""
        for process in self._runs:
            process.terminate()
        for process in self._runs:
            process.wait(timeout=60)
        self.stack.remove()

    def said(self) -> str:
        """The logs of all three."""
        texts = [file.read_text(errors="replace") for file in self._logs.glob("run-*.txt")]
        return "\n".join([*texts, self.stack.logs()])

    def _environ(self) -> dict[str, str]:
        return {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PM_", "POLY", "MAKE"))
        }


def _orders_at(run: FoundRun) -> int:
    assert run.record is not None
    url, token = run.record.urls["simulator"], run.record.control_token
    number: int = fetch(f"{url}/state", token=token)["orders_open"]
    return number


@pytest.fixture
def engines(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Engines]:
    engines = Engines(tmp_path)
    failures = request.session.testsfailed
    try:
        engines.start()
        yield engines
    finally:
        if request.session.testsfailed > failures:
            print(engines.said())
        engines.stop()


def test_one_kill_reaches_both_runs_and_the_stack_and_every_venue_is_flat(
    engines: Engines,
) -> None:
    wait_for("orders rest at all venues", lambda: all(engines.open_orders()), within_s=180)

    killed = engines.make("kill", 'REASON=news "at" 14:30')
    assert killed.returncode == 0, killed.stdout + killed.stderr
    halted = [line for line in killed.stdout.splitlines() if line.endswith(": halted")]
    assert [line.partition(" (")[0] for line in halted] == [
        "run-1",
        "run-2",
        f"compose {engines.stack.name}: halted",
    ]
    wait_for("every venue is flat", lambda: engines.open_orders() == [0, 0, 0], within_s=30)

    status = engines.make("status")
    first = status.stdout.splitlines()[:3]
    assert all(line.startswith("HALTED") and 'news "at" 14:30' in line for line in first), first
    assert status.returncode != 0
    assert engines.open_orders() == [0, 0, 0]

    assert "say which one" in engines.make("resume").stderr
    assert engines.open_orders() == [0, 0, 0]
    resumed = engines.make("resume", "ENGINE=--all")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    wait_for("orders rest again", lambda: all(engines.open_orders()), within_s=240)
