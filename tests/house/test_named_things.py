"""Files, tests and modules that documents name are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.tree import ROOT, name_of, python_files, tracked

DOCUMENTS = [path for path in tracked() if path.suffix == ".md"]
CODE = re.compile(r"`([^`\n]+)`")
FILE = re.compile(
    r"(?:tests|services|libs|docs|grafana|prometheus)/[\w./-]+|"
    r"(?:model|messages|machines|engine|venue|wire|shell|sim|tools)/\w+\.py"
)
TEST = re.compile(r"^def (test_\w+)|^async def (test_\w+)", re.MULTILINE)
MODULE = re.compile(r"\b(pm(?:core|feed|strategy|executor|userws|simulator))((?:\.\w+)+)")
PACKAGES = {
    "pmcore": ROOT / "libs/pmcore/src/pmcore",
    **{
        f"pm{name}": ROOT / f"services/{name}/src/pm{name}"
        for name in ("feed", "strategy", "executor", "userws", "simulator")
    },
}


def exists(named: str) -> bool:
    file, _, test = named.partition("::")
    candidates = [ROOT / file, PACKAGES["pmcore"] / file]
    found = next((path for path in candidates if path.exists()), None)
    if found is None or not test:
        return found is not None
    return test in {a or b for a, b in TEST.findall(found.read_text())}


def is_in_package(package: str, dotted: str) -> bool:
    """Whether `a.b.Name` is a module of the package, perhaps with a name of it behind."""
    path = PACKAGES[package]
    for part in dotted.strip(".").split("."):
        if (path / part).is_dir():
            path /= part
        elif path.is_dir():
            path = (path / part).with_suffix(".py")
            if not path.is_file():
                return False
        else:
            return re.search(rf"\b{part}\b", path.read_text()) is not None
    return True


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_named_files_and_tests_exist(path: Path) -> None:
    named = {code for code in CODE.findall(path.read_text()) if FILE.match(code)}
    assert {
        name for name in named if re.fullmatch(r"[\w./:-]+", name) and not exists(name)
    } == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_named_modules_exist(path: Path) -> None:
    named = {match for code in CODE.findall(path.read_text()) for match in MODULE.findall(code)}
    assert {f"{a}{b}" for a, b in named if not is_in_package(a, b)} == set()


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = sorted(path.name[:4] for path in (ROOT / "docs/decisions").glob("*.md"))
    assert numbers == [f"{number:04d}" for number in range(1, len(numbers) + 1)]


def test_documents_that_the_code_names_exist() -> None:
    named = {
        name
        for path in python_files(of_tests=False)
        for name in re.findall(r"docs/[\w/-]+\.md", path.read_text())
    }
    assert {name for name in named if not (ROOT / name).is_file()} == set()
