"""What is mutated, and which tests must notice. The only place that names paths.

A mutant is first tried on the test file of its own module, then on the files that import its
module, then on all others of its group; the first red test ends it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from support.tree import ROOT, name_of

SURVIVORS = ROOT / "tests/mutants/survivors.toml"
CORE = "libs/pmcore/src/pmcore"
EXECUTOR = "services/executor/src/pmexecutor"


@dataclass(frozen=True)
class Group:
    """Source files, and the tests that may kill their mutants."""

    sources: tuple[str, ...]
    tests: tuple[str, ...]


GROUPS = (
    Group(
        (f"{CORE}/machines", f"{CORE}/engine"),
        (
            "tests/unit/machines",
            "tests/unit/engine",
            "tests/property/test_book_properties.py",
            "tests/property/test_execution_engine.py",
            "tests/property/test_inventory_laws.py",
            "tests/property/test_ofi_laws.py",
            "tests/property/test_quoting_laws.py",
            "tests/replay/test_stories.py",
            "tests/unit/pmtools/test_docs.py",
        ),
    ),
    Group(
        (EXECUTOR,),
        (
            "tests/unit/executor",
            "tests/property/test_signing_matches_official_client.py",
            "tests/integration/test_executor_venue.py",
            "tests/integration/test_executor_service.py",
        ),
    ),
    Group(
        (f"{CORE}/shell/service/kill_switch.py", f"{CORE}/shell/service/halt_file.py"),
        (
            "tests/unit/shell/service/test_kill_switch.py",
            "tests/unit/shell/service/test_kill_stores.py",
            "tests/unit/shell/service/test_control.py",
        ),
    ),
)


def sources_of(group: Group) -> list[Path]:
    """The files of a group, in order of name."""
    found: list[Path] = []
    for name in group.sources:
        path = ROOT / name
        found += [path] if path.is_file() else sorted(path.rglob("*.py"))
    return [path for path in found if path.name not in ("__init__.py", "__main__.py")]


def tests_of(group: Group) -> list[Path]:
    """The test files of a group, in the order of the group."""
    found: list[Path] = []
    for name in group.tests:
        path = ROOT / name
        found += [path] if path.is_file() else sorted(path.rglob("test_*.py"))
    return found


def module_of(source: Path) -> str:
    """`pmcore.machines.risk` for its file."""
    parts = source.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[parts.index("src") + 1 :])


def ordered_tests(group: Group, source: Path) -> list[Path]:
    """All test files of a group: those that know the source file best come first."""
    return sorted(tests_of(group), key=lambda path: _distance(path, source))


def _distance(test: Path, source: Path) -> int:
    if test.stem == f"test_{source.stem}":
        return 0
    for rank, folder in enumerate(("tests/replay", "tests/property", "tests/integration"), 3):
        if name_of(test).startswith(folder):
            return rank
    named = re.search(rf"\b{re.escape(module_of(source))}\b", _text(test)) is not None
    return 1 if named else 2


@cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
