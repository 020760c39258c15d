"""The README's commands on a recording, word for word, from the checkout's own files."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from support.tree import ROOT

pytestmark = [pytest.mark.connected, pytest.mark.timeout(180)]

COMMAND = re.compile(r"^\| `pm ((?:run --recording|replay) [^`]+)` \|", re.MULTILINE)


def the_commands() -> dict[str, list[str]]:
    found = [shlex.split(text) for text in COMMAND.findall((ROOT / "README.md").read_text())]
    return {words[0]: words for words in found}


def run(words: list[str], directory: Path) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PM_", "POLYMARKET_"))}
    return subprocess.run(
        [sys.executable, "-m", "pmtools.cli", *words, "--json"],
        env={
            **inherited,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "PM_DATA_DIR": str(directory),
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_readme_names_a_recording_that_is_there() -> None:
    assert set(the_commands()) == {"run", "replay"}


@pytest.mark.parametrize("command", ["run", "replay"])
def test_the_readme_command_works_and_prints_only_json(command: str, tmp_path: Path) -> None:
    done = run(the_commands()[command], tmp_path)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert len(done.stdout.splitlines()) == 1
    assert summary["books_verified"] > 200
    assert summary["trades"] > 100
    assert summary["limit_violations"] == 0
    assert "fingerprint" in done.stderr
    if command == "run":
        assert summary["exit_reason"] == "recording_done"
        assert summary["orders_left_at_venue"] == 0
