"""A class name says one thing: no two classes of the libraries, services and research share one."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Mapping

from support.tree import name_of, parsed, python_files


def repeated(modules: Iterable[tuple[str, ast.Module]]) -> Mapping[str, list[str]]:
    """Class names that are defined more than once, nested classes too, with their files."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name, module in modules:
        for node in ast.walk(module):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(name)
    return {name: files for name, files in found.items() if len(files) > 1}


def test_no_class_name_exists_twice() -> None:
    shipped = python_files(of_tests=False)
    assert len(shipped) > 100
    assert repeated((name_of(path), parsed(path)) for path in shipped) == {}


def test_a_repeated_name_is_found_with_its_files() -> None:
    one = ast.parse("class A:\n    class _B:\n        pass\n")
    two = ast.parse("class _B:\n    pass\n")
    assert repeated([("first", one), ("second", two)]) == {"_B": ["first", "second"]}
