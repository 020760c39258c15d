"""Install a lock file as it stands, with no resolving, and prove that the result is the lock.

    python scripts/install_locked.py LOCK [PIP_ARGUMENT ...]

It works on the environment of the Python that runs it, or on the one that `PIP_PYTHON` names.
PIP_ARGUMENTs are our own packages (`-e ./libs/pmcore`, or wheels); they are installed without their
dependencies, which the lock already brought.

pip never resolves here (`--no-deps`), so a newer version of a package at the index cannot change
or stop an installation. Three things are checked instead: what the packages need is there
(`pip check`), every line of the lock is installed in just its version, and nothing else is.
Python's own library and pip are all that is needed.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
BY_HASH = ("--no-deps", "--require-hashes")
PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==", re.MULTILINE)


class InstallError(Exception):
    """What went wrong, in one line that says what to do."""


def main() -> int:
    """Return 0 when the environment equals the lock, 1 with one line on stderr when not."""
    lock, own = Path(sys.argv[1]), sys.argv[2:]
    try:
        install(lock, own)
        verify(lock, allowed=frozenset(map(own_name, packages_in(own))))
    except InstallError as error:
        print(f"install_locked: {error}", file=sys.stderr)
        return 1
    return 0


def install(lock: Path, own: list[str]) -> None:
    """Install the lock's packages, then our own; take away what the lock does not name."""
    pip("install", "-qq", *BY_HASH, "--requirement", str(lock))
    strangers = installed() - names(lock) - set(map(own_name, packages_in(own)))
    if strangers:
        print(f"removing what {lock.name} does not name: {', '.join(sorted(strangers))}")
        pip("uninstall", "-qq", "--yes", *sorted(strangers))
    if own:
        pip("install", "-qq", "--no-deps", "--no-build-isolation", *own)


def verify(lock: Path, *, allowed: frozenset[str]) -> None:
    """Raise unless the environment is complete, consistent, and holds nothing else.

    Which lines of the lock count on this Python and system is pip's to say: a dry run without an
    index has nothing left to do when each of them is installed in its version.
    """
    pip("check", quiet=True)
    left = pip(
        "install", "--dry-run", "--no-index", *BY_HASH, "--requirement", str(lock), quiet=True
    )
    if would := [line for line in left.splitlines() if line.startswith("Would install")]:
        raise InstallError(f"not what {lock.name} says: {would[0]}. Run it again.")
    if strangers := installed() - names(lock) - allowed:
        raise InstallError(f"{lock.name} does not name {', '.join(sorted(strangers))}")


def pip(*arguments: str, quiet: bool = False) -> str:
    """Run pip; with `quiet` its output is returned instead of shown."""
    done = subprocess.run(
        [*PIP, *arguments], text=True, check=False, stdout=subprocess.PIPE if quiet else None
    )
    if done.returncode:
        what = f"{done.stdout.strip()}\n" if quiet else ""
        raise InstallError(f"{what}pip {arguments[0]} failed (its own words stand above)")
    return done.stdout or ""


def installed() -> set[str]:
    """The names of all installed packages, without pip."""
    listed = json.loads(pip("list", "--format=json", quiet=True))
    return {normal(package["name"]) for package in listed} - {"pip"}


def names(lock: Path) -> set[str]:
    """Every name that the lock pins, for whatever system."""
    return {normal(name) for name in PINNED.findall(lock.read_text())}


def packages_in(own: list[str]) -> list[str]:
    """The folders and wheels among pip's arguments."""
    return [argument for argument in own if not argument.startswith("-")]


def own_name(package: str) -> str:
    """The name of a package of ours, from its folder's pyproject.toml or its wheel's file name."""
    if package.endswith(".whl"):
        return normal(Path(package).name.split("-")[0])
    return normal(tomllib.loads((Path(package) / "pyproject.toml").read_text())["project"]["name"])


def normal(name: str) -> str:
    """The one spelling of a package's name: lower case, with hyphens."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main())
