"""The pure core stays pure and exact, file by file.

import-linter holds what may not be imported; this is the other way round: what may.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from support.tree import name_of, parsed, pure_files

MAY_IMPORT = {
    *("__future__", "abc", "bisect", "collections", "copy", "dataclasses", "decimal", "enum"),
    *("fractions", "functools", "hashlib", "heapq", "itertools", "json", "math", "operator", "re"),
    *(
        "typing",
        "types",
        "msgspec",
        "pmcore",
        "datetime",
        "statistics",
        "zlib",
        "binascii",
        "base64",
        "hmac",
    ),
}
MAY_ALSO_IMPORT = {
    "libs/pmcore/src/pmcore/venue/fields.py: sys",  # bounds the recursion of msgspec's decoder
}
CLOCK_CALLS = {"now", "utcnow", "today"}
EXACT_SUFFIXES = ("_e4", "_u6", "_ns", "_ms")


def imported_names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def names_with_annotation(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.lineno, node.target.id, ast.unparse(node.annotation)
        elif isinstance(node, ast.arg) and node.annotation is not None:
            yield node.lineno, node.arg, ast.unparse(node.annotation)


def test_the_pure_core_imports_only_what_cannot_touch_the_world() -> None:
    strangers = {
        f"{name_of(path)}: {name}"
        for path in pure_files()
        for name in imported_names(parsed(path))
        if name not in MAY_IMPORT
    }
    assert strangers == MAY_ALSO_IMPORT


def test_the_pure_core_asks_no_clock_and_prints_nothing() -> None:
    calls = {
        f"{name_of(path)}:{node.lineno} {ast.unparse(node.func)}"
        for path in pure_files()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Attribute) and node.func.attr in CLOCK_CALLS)
            or (isinstance(node.func, ast.Name) and node.func.id in {"print", "open", "input"})
        )
    }
    assert calls == set()


def test_prices_shares_cash_and_times_are_integers() -> None:
    inexact = {
        f"{name_of(path)}:{line} {name}: {annotation}"
        for path in pure_files()
        for line, name, annotation in names_with_annotation(parsed(path))
        if name.endswith(EXACT_SUFFIXES) and "float" in annotation
    }
    assert inexact == set()


def test_no_set_is_iterated() -> None:
    loops = {
        f"{name_of(path)}:{loop.iter.lineno} {ast.unparse(loop.iter)}"
        for path in pure_files()
        for loop in ast.walk(parsed(path))
        if isinstance(loop, ast.For | ast.comprehension) and _is_a_set(loop.iter)
    }
    assert loops == set()


def _is_a_set(node: ast.expr) -> bool:
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"set", "frozenset"}
    )
