"""The repository as its own tests see it: its files, its modules, the syntax trees of its code."""

from __future__ import annotations

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
CORE = ROOT / "libs/pmcore/src/pmcore"
LIBRARIES = {
    "pmcore": CORE,
    "pmsim": ROOT / "libs/pmsim/src/pmsim",
    "pmtools": ROOT / "libs/pmtools/src/pmtools",
    "pmresearch": ROOT / "research/src/pmresearch",
}
"""Folder of each library by its package."""
PURE = ("model", "messages", "machines", "engine", "venue", "wire")
ON_THE_BUS = ("feed", "strategy", "executor", "userws", "simulator")
SERVICES = (*ON_THE_BUS, "console")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)


@cache
def tracked() -> tuple[Path, ...]:
    """Every file that is or would be committed."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return tuple(path for name in listed.split("\0") if name and (path := ROOT / name).is_file())


def name_of(path: Path) -> str:
    """The path as a reader would write it."""
    return path.relative_to(ROOT).as_posix()


def python_files(*, of_tests: bool = True) -> list[Path]:
    """Python files of the libraries and the services, with or without the tests."""
    tops = ("libs", "research", "services", *(["tests"] if of_tests else []))
    return [
        path
        for path in tracked()
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in tops
    ]


def pure_files() -> list[Path]:
    """The files of the pure core."""
    return [path for path in python_files(of_tests=False) if is_pure(path)]


def is_pure(path: Path) -> bool:
    """Whether a file belongs to the pure core."""
    return any(path.is_relative_to(CORE / package) for package in PURE)


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=name_of(path))


def anchors(markdown: str) -> set[str]:
    """The targets of links into a document, as the hosts of repositories make them."""
    titles = [title for _, title in HEADING.findall(FENCE.sub("", markdown))]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
