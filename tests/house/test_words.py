"""Nothing is left half done, and no file knows the machine or the mirror it was made with."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.tree import name_of, parsed, python_files, tracked

THIS_FILE = "tests/house/test_words.py"
UNFINISHED = re.compile("|".join(("FIX" + "ME", "TO" + "DO", "XX" + "X", "HACK")) + r"\b")
MACHINE = re.compile(
    "|".join(
        (
            r"(?<![\w.])/(work|home|Users|root)/",
            r"/tmp/(?!lock|build|requirements)\w",
            r"(files\.)?python" + r"hosted\.org",
            r"pypi\.org/simple",
            r"(extra-)?index-url",
            r"registry\.npm",
        )
    )
)
RETIRED = re.compile(
    r"\b(lanes?|desks?|rooms|doors?|levers?|conduits?|poison|doorman|spells|tickets?|meters"
    r"|telemetry|brain|the road|heals?|dies|alive (?!key)|aloud)\b",
    re.IGNORECASE,
)
"""Names that the code no longer has, and figures of speech, in documents for people."""
ALIVE = re.compile(r"\balive\b", re.IGNORECASE)
"""Of connections, processes and orders; in a docstring it is a word of the field."""
MAY_NAME_AN_INDEX = {"Makefile"}  # --no-emit-index-url


def lines_with(pattern: re.Pattern[str]) -> set[str]:
    found = set()
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if name_of(path) != THIS_FILE and pattern.search(line):
                found.add(f"{name_of(path)}:{number}: {line.strip()[:80]}")
    return found


def test_nothing_is_marked_as_unfinished() -> None:
    assert lines_with(UNFINISHED) == set()


def test_no_file_names_a_package_mirror_or_a_path_of_one_machine() -> None:
    found = {
        line for line in lines_with(MACHINE) if line.partition(":")[0] not in MAY_NAME_AN_INDEX
    }
    assert found == set()


def test_documents_use_no_retired_name_and_no_figure_of_speech() -> None:
    found = {line for line in lines_with(RETIRED) if line.partition(":")[0].endswith(".md")}
    assert found == set()


def docstrings(path: Path) -> Iterator[str]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


def test_docstrings_use_no_retired_name_and_no_figure_of_speech() -> None:
    found = {
        f"{name_of(path)}: {line.strip()[:80]}"
        for path in python_files(of_tests=False)
        for text in docstrings(path)
        for line in text.splitlines()
        if RETIRED.search(ALIVE.sub("", line))
    }
    assert found == set()


@pytest.mark.parametrize("pattern", [UNFINISHED, MACHINE, RETIRED])
def test_the_patterns_are_not_empty(pattern: re.Pattern[str]) -> None:
    assert pattern.search("") is None
