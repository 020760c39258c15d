"""What long-lived objects keep has a bound or a rule of removal (invariant 20), and is listed.

A class that keeps a list, a dictionary, a set, a deque or a queue is named in `bounds.toml` with
what keeps it small. This finds containers that somebody forgot to think of; that a bound holds is
proven by the test named beside it. Deques made with `maxlen` and queues made with a size need no
entry. Local variables, frozen values and the simulator (which ends with its run) are not looked at.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from support.tree import CORE, ROOT, parsed, python_files

LISTED = ROOT / "tests/house/bounds.toml"
CONTAINERS = {
    *("dict", "list", "set", "deque", "Counter", "Tally", "defaultdict", "OrderedDict"),
    *("Queue", "PriorityQueue", "bytearray"),
}
DISPLAYS = (ast.Dict, ast.List, ast.Set, ast.DictComp, ast.ListComp, ast.SetComp)
SHAPES = {"answers.py", "views.py"}
"""They describe what is sent, and keep nothing."""
CORE_PACKAGES = ("machines", "engine", "venue", "wire", "shell")
TEST = re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)


def looked_at(path: Path) -> bool:
    if path.is_relative_to(CORE):
        return path.relative_to(CORE).parts[0] in CORE_PACKAGES and path.name not in SHAPES
    return path.is_relative_to(ROOT / "services") and "simulator" not in path.parts


def is_unbounded(value: ast.expr | None) -> bool:
    """Whether an expression makes a container that may grow."""
    if isinstance(value, DISPLAYS):
        return True
    if not isinstance(value, ast.Call):
        return False
    name = ast.unparse(value.func).rpartition(".")[2]
    has_length = any(keyword.arg in ("maxlen", "maxsize") for keyword in value.keywords)
    has_length |= name.endswith("Queue") and bool(value.args)
    if name == "field":
        made = [k.value for k in value.keywords if k.arg == "default_factory"]
        return any(ast.unparse(factory).rpartition(".")[2] in CONTAINERS for factory in made)
    return name in CONTAINERS and not has_length


def is_frozen(cls: ast.ClassDef) -> bool:
    options = [*cls.keywords]
    for decorator in cls.decorator_list:
        options += decorator.keywords if isinstance(decorator, ast.Call) else []
    return any(o.arg == "frozen" and ast.unparse(o.value) == "True" for o in options)


def kept_by(cls: ast.ClassDef) -> Iterator[str]:
    for node in ast.walk(cls):
        targets: list[ast.expr] = []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        elif isinstance(node, ast.Assign):
            targets = node.targets
        else:
            continue
        for target in targets:
            of_self = isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self"
            if of_self and is_unbounded(node.value):
                assert isinstance(target, ast.Attribute)
                yield f"{cls.name}.{target.attr}"
    for node in cls.body:
        if isinstance(node, ast.AnnAssign) and not is_frozen(cls):
            kind = ast.unparse(node.annotation).partition("[")[0]
            if kind in CONTAINERS or is_unbounded(node.value):
                yield f"{cls.name}.{ast.unparse(node.target)}"


def containers() -> dict[str, Path]:
    return {
        name: path
        for path in python_files(of_tests=False)
        if looked_at(path)
        for cls in ast.walk(parsed(path))
        if isinstance(cls, ast.ClassDef)
        for name in kept_by(cls)
    }


def listed() -> dict[str, dict[str, str]]:
    rows: dict[str, dict[str, str]] = tomllib.loads(LISTED.read_text(encoding="utf-8"))
    return rows


def test_every_container_says_what_keeps_it_small() -> None:
    """Add what is missing to bounds.toml, with its bound or rule and the test that proves it."""
    assert containers().keys() - listed().keys() == set()
    assert listed().keys() - containers().keys() == set()


def test_a_bound_is_a_constant_that_the_module_uses_and_a_rule_is_a_sentence() -> None:
    found = containers()
    wrong = {
        name
        for name, row in listed().items()
        if not row.get("rule")
        and not re.search(rf"\b{row.get('bound', '-')}\b", found[name].read_text(encoding="utf-8"))
    }
    assert wrong == set()


def test_a_bound_has_a_test_and_every_named_test_exists() -> None:
    missing = set()
    for name, row in listed().items():
        if "bound" in row and "test" not in row:
            missing.add(f"{name}: no test")
        for test in row.get("test", "").split():
            file, _, function = test.partition("::")
            path = ROOT / "tests" / file
            if not path.is_file() or function not in TEST.findall(path.read_text()):
                missing.add(f"{name}: {test}")
    assert missing == set()
