"""The state of a window has owners: only the object that has a field writes it.

The parts of `MarketSession` are written by their own methods, and each of these methods is called
from one module. So whoever looks for what changes a field finds it in one place.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from support.tree import CORE, name_of, parsed, python_files

STRATEGY = CORE / "engine/strategy"
OWNERS = ("conditions.py", "progress.py")
COUNTED = "counters"
"""Totals for summaries: each module counts its own, and nothing is decided by them."""
OWN_ORDERS = ("orders.py", "order")
"""`OrderBookkeeper` owns the orders of its table, whose fields it writes."""
CHANGES = {"clear", "append", "add", "update", "pop", "remove", "extend", "setdefault", "insert"}


def written(tree: ast.AST) -> Iterator[ast.Attribute]:
    """Each attribute that is assigned, deleted or has an item assigned; a tuple's one by one."""
    for node in ast.walk(tree):
        inner: ast.expr | None = None
        if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            inner = node
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            receiver = bare(node.func.value)
            deep = isinstance(receiver, ast.Attribute) and isinstance(
                bare(receiver.value), ast.Attribute
            )
            inner = receiver if node.func.attr in CHANGES and deep else None
        while isinstance(inner, ast.Subscript):
            inner = inner.value
        if isinstance(inner, ast.Attribute):
            yield inner


def bare(node: ast.expr) -> ast.expr:
    """Without the index behind it: `sides` of `sides[outcome]`."""
    while isinstance(node, ast.Subscript):
        node = node.value
    return node


def is_own(target: ast.Attribute) -> bool:
    return isinstance(target.value, ast.Name) and target.value.id == "self"


def foreign_writes(path: Path, tree: ast.Module) -> Iterator[str]:
    """What a file writes in objects that are not its own."""
    for target in written(tree):
        text = ast.unparse(target)
        counted = COUNTED in text.split(".")
        table = path.name == OWN_ORDERS[0] and text.split(".")[0] == OWN_ORDERS[1]
        if not (is_own(target) or counted or table):
            yield f"{path.name}: {text}"


def uses_the_session(path: Path) -> bool:
    return any(
        isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("pmcore.engine.strategy")
        for node in ast.walk(parsed(path))
    )


def test_no_module_writes_the_state_of_another_object() -> None:
    files = sorted(STRATEGY.glob("*.py"))
    assert len(files) > len(OWNERS)
    assert [said for path in files for said in foreign_writes(path, parsed(path))] == []


def test_nobody_outside_the_engine_writes_its_state() -> None:
    users = [
        path
        for path in python_files(of_tests=False)
        if uses_the_session(path) and path.parent != STRATEGY
    ]
    said = [s for path in users for s in foreign_writes(path, parsed(path))]
    assert [s for s in said if "session" in s] == []


def test_the_check_finds_what_it_is_for() -> None:
    wrong = """
session.halt.reason = "x"
self._session.sides[outcome].extra_ticks += 1
session.feed.state, session.feed.reason = 1, 2
del session.decision.whys[outcome]
session.decision.risk_refusals.clear()
session.winner = None
order.state = 1
session.counters.fills += 1
self._submitted += 1
session.orders.add(order)
"""
    found = list(foreign_writes(Path("decision.py"), ast.parse(wrong)))
    assert sorted(found) == [
        "decision.py: order.state",
        "decision.py: self._session.sides[outcome].extra_ticks",
        "decision.py: session.decision.risk_refusals",
        "decision.py: session.decision.whys",
        "decision.py: session.feed.reason",
        "decision.py: session.feed.state",
        "decision.py: session.halt.reason",
        "decision.py: session.winner",
    ]


def test_the_session_itself_changes_only_its_winner() -> None:
    (session,) = (
        node
        for node in parsed(STRATEGY / "session.py").body
        if isinstance(node, ast.ClassDef) and node.name == "MarketSession"
    )
    changed = {
        f"{method.name}: {target.attr}"
        for method in session.body
        if isinstance(method, ast.FunctionDef) and method.name != "__init__"
        for target in written(method)
    }
    assert changed == {"resolve: winner"}


def writers_of_parts() -> dict[str, set[str]]:
    """The writing methods of each part, by the part's name in the session."""
    methods = {
        cls.name: {
            method.name
            for method in cls.body
            if isinstance(method, ast.FunctionDef) and method.name != "__init__"
            if any(is_own(target) for target in written(method))
        }
        for name in OWNERS
        for cls in parsed(STRATEGY / name).body
        if isinstance(cls, ast.ClassDef)
    }
    parts: dict[str, set[str]] = {}
    for node in ast.walk(parsed(STRATEGY / "session.py")):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
            made = {c.func.id for c in ast.walk(node.value) if is_call(c)}  # type: ignore[attr-defined] # is_call
            for cls in made & methods.keys():
                parts[node.targets[0].attr] = methods.pop(cls)
    assert methods == {}, "every owner is a part of the session"
    return parts


def is_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


def test_each_change_of_a_part_is_asked_for_by_one_module() -> None:
    parts = writers_of_parts()
    callers: dict[str, set[str]] = defaultdict(set)
    for path in python_files(of_tests=False):
        if path.parent != STRATEGY and not uses_the_session(path):
            continue
        for node in ast.walk(parsed(path)):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            part = ast.unparse(bare(node.func.value)).rpartition(".")[2]
            part = "sides" if part == "side" else part
            if node.func.attr in parts.get(part, ()) and path.name not in OWNERS:
                callers[f"{part}.{node.func.attr}"].add(name_of(path))
    assert {change: by for change, by in callers.items() if len(by) > 1} == {}
    never = {f"{part}.{m}" for part, methods in parts.items() for m in methods} - callers.keys()
    assert never == set()
