"""Clients that are not ours, in environments of their own, against `pm simulator`.

Each environment is made once, below `.venv-clients` (not in git), from the client's lock; a changed
lock makes a new one. Where it cannot be made the test is skipped with the reason, unless PM_REQUIRE
names `clients`.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import msgspec
import pytest

from pmcore.model.units import NS_PER_S
from pmcore.shell.clock import Clock, real_now_ns
from support.tree import ROOT

CLIENTS = ROOT / "tests" / "clients"
MADE = ROOT / ".venv-clients"
NODE_AT_LEAST = (20, 10)
INSTALL_S = 300
RUN_S = 110
SPEED = 5.0
"""So a trade is mined and confirmed within five seconds, and a window lasts three minutes."""
WINDOW_NS = 900 * NS_PER_S


class Exercised(msgspec.Struct):
    """What an exercise printed: `ok` or a traceback by method, and what it leaves out."""

    outcomes: dict[str, str]
    methods: list[str]
    left_out: dict[str, str]

    @property
    def failures(self) -> dict[str, str]:
        """The methods whose check failed."""
        return {name: said for name, said in self.outcomes.items() if said != "ok"}


def exercised(command: Sequence[str | Path], directory: Path) -> Exercised:
    """Run an exercise against two simulators of its own: of Protocol V1, and of V2."""
    with pm_simulator(directory) as url, pm_simulator(directory, "--protocol", "v2") as url_v2:
        done = subprocess.run(
            [*command, url, url_v2],
            capture_output=True,
            text=True,
            timeout=RUN_S,
            env=_plain_environment(),
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout, type=Exercised)


@contextmanager
def pm_simulator(directory: Path, *arguments: str) -> Iterator[str]:
    """`pm simulator` as a process, ten seconds into a window; the URL it names."""
    command = [sys.executable, "-m", "pmtools.cli", "simulator", "--port", "0"]
    command += ["--series", "btc-updown-15m", *arguments]
    begins_ns = real_now_ns() // WINDOW_NS * WINDOW_NS + 10 * NS_PER_S
    process = subprocess.Popen(
        command,
        env={
            **_plain_environment(),
            "PM_DATA_DIR": str(directory),
            "PM_CLOCK": Clock.starting_at(begins_ns, SPEED).spec(),
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        said = re.search(r'host="(http://[^"]+)"', line)
        assert said is not None, line
        yield said[1]
    finally:
        process.terminate()
        process.communicate(timeout=30)


def python_client() -> Path:
    """The interpreter of an environment with `polymarket-client`, installed from its lock."""
    lock = CLIENTS / "python" / "requirements.lock"
    home = _home("python", lock.read_bytes(), sys.version.encode())
    python = home / "bin" / "python"
    if not (home / "made").exists():
        shutil.rmtree(home, ignore_errors=True)
        _run([sys.executable, "-m", "venv", home], home.parent)
        quiet = ("install", "-qq", "--disable-pip-version-check", "--no-deps")
        _run([python, "-m", "pip", *quiet, "--require-hashes", "-r", lock], home)
        (home / "made").touch()
    return python


def node_client() -> Path:
    """A folder with the exercise and the packages of its lock beside it."""
    if shutil.which("npm") is None or _node_version() < NODE_AT_LEAST:
        _leave_out("Node 20.10 or newer with npm is needed; there is none on this machine")
    source = CLIENTS / "node"
    lock = (source / "package-lock.json").read_bytes()
    home = _home("node", lock, str(_node_version()).encode())
    home.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc", "exercise.mjs"):
        shutil.copy(source / name, home / name)
    if not (home / "made").exists():
        _run(["npm", "ci", "--silent"], home)
        (home / "made").touch()
    return home


def _node_version() -> tuple[int, ...]:
    node = shutil.which("node")
    if node is None:
        return (0,)
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in said.strip().removeprefix("v").split(".")[:2])


def _home(kind: str, *contents: bytes) -> Path:
    return MADE / f"{kind}-{hashlib.sha256(b'|'.join(contents)).hexdigest()[:12]}"


def _run(command: Sequence[str | Path], directory: Path) -> None:
    """A step of an installation; without its network the test is left out."""
    directory.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        command,
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=INSTALL_S,
        env=_plain_environment(),
        check=False,
    )
    if done.returncode:
        _leave_out(f"the client cannot be installed: {(done.stderr or done.stdout)[-300:].strip()}")


def _leave_out(reason: str) -> NoReturn:
    if "clients" in os.environ.get("PM_REQUIRE", ""):
        pytest.fail(reason)
    pytest.skip(reason)


def _plain_environment() -> Mapping[str, str]:
    """Without our settings; an interpreter of another environment must not see our packages."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PM_", "POLYMARKET_"))}
    return {**kept, "PYTHONPATH": ""}
