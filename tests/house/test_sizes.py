"""Files and functions stay small enough to be read."""

from __future__ import annotations

import ast

from support.tree import name_of, parsed, python_files

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60


def test_no_file_is_too_long() -> None:
    lengths = {name_of(path): path.read_text().count("\n") for path in python_files()}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


def test_no_function_is_too_long() -> None:
    lengths = {
        f"{name_of(path)}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in python_files()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES} == {}
