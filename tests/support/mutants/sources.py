"""All mutants of a source file: where, what was there, what is there instead."""

from __future__ import annotations

import ast
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import libcst as cst

from support.mutants.operators import OPERATORS, is_left_alone, is_table_of_facts

# a time that begins at 0 or at 1 ns: nobody could tell
_NANOSECOND = re.compile(r"^(?P<to>.*_ns(?:: int)? = )0\n(?P=to)1$")


@dataclass(frozen=True)
class Mutant:
    """One broken version of a source file.

    `key` holds no line number and no folder, so that it survives edits elsewhere and moves.
    `function` is the qualified name of the outermost function whose body is broken; "" when what
    runs at import is.
    """

    source: Path
    where: str
    was: str
    now: str
    occurrence: int
    function: str
    module: cst.Module
    unit: cst.CSTNode
    node: cst.CSTNode
    instead: cst.CSTNode

    @property
    def key(self) -> str:
        """Stable name of the mutant."""
        again = f" #{self.occurrence}" if self.occurrence else ""
        return f"{self.source.name}:{self.where}: {self.was} -> {self.now}{again}"

    def code(self) -> str:
        """The whole broken file."""
        broken = self.unit.deep_replace(self.node, self.instead)
        tree = self.module.deep_replace(self.unit, broken)
        assert isinstance(tree, cst.Module)
        return tree.code


def mutants_of(source: Path) -> list[Mutant]:
    """Every mutant of a file, in the order of the file."""
    module = cst.parse_module(source.read_text(encoding="utf-8"))
    finder = _Finder(source, module)
    module.visit(finder)
    return finder.found


class _Finder(cst.CSTVisitor):
    """Walks a module with the path of nodes above."""

    def __init__(self, source: Path, module: cst.Module) -> None:
        super().__init__()
        self.found: list[Mutant] = []
        self._source = source
        self._module = module
        self._above: list[cst.CSTNode] = []
        self._times: Counter[tuple[str, str, str]] = Counter()

    def on_visit(self, node: cst.CSTNode) -> bool:
        if is_left_alone(node) or self._is_class_option(node):
            return False
        if isinstance(node, cst.BaseNumber) and any(map(is_table_of_facts, self._above)):
            return False
        self._above.append(node)
        for kind, operator in OPERATORS:
            if isinstance(node, kind):
                for instead in operator(node):
                    self._add(node, instead)
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if self._above and self._above[-1] is original_node:
            self._above.pop()

    def _is_class_option(self, node: cst.CSTNode) -> bool:
        """`frozen=True` and bases of a class."""
        return isinstance(node, cst.Arg) and isinstance(self._above[-1], cst.ClassDef)

    def _add(self, node: cst.CSTNode, instead: cst.CSTNode) -> None:
        unit, where, function = self._place(node)
        before = self._module.code_for_node(unit)
        broken = unit.deep_replace(node, instead)
        assert isinstance(broken, cst.CSTNode)
        was, now = _changed_lines(before, self._module.code_for_node(broken))
        if not was or ("assert_never(" in was and not now) or _NANOSECOND.search(f"{was}\n{now}"):
            return
        times = self._times[where, was, now]
        self._times[where, was, now] += 1
        self.found.append(
            Mutant(
                source=self._source,
                where=where,
                was=was,
                now=now,
                occurrence=times,
                function=function,
                module=self._module,
                unit=unit,
                node=node,
                instead=instead,
            )
        )

    def _place(self, node: cst.CSTNode) -> tuple[cst.CSTNode, str, str]:
        """The function or statement around a node, its qualified name, and the function's."""
        names: list[str] = []
        unit: cst.CSTNode = node
        for above, below in zip(self._above, [*self._above[1:], None], strict=True):
            if isinstance(above, cst.ClassDef):
                names.append(above.name.value)
            elif isinstance(above, cst.FunctionDef):
                names.append(above.name.value)
                name = ".".join(names)
                return above, name, name if below is above.body else ""
            elif isinstance(above, cst.SimpleStatementLine | cst.If):
                unit = above
                break
        return unit, ".".join(names), ""


def _changed_lines(before: str, after: str) -> tuple[str, str]:
    """The lines between what both begin and end with."""
    old, new = before.splitlines(), after.splitlines()
    most = min(len(old), len(new))
    start = next((n for n in range(most) if old[n] != new[n]), most)
    most -= start
    end = next((n for n in range(most) if old[-1 - n] != new[-1 - n]), most)
    was, now = old[start : len(old) - end], new[start : len(new) - end]
    return " ".join(map(str.strip, was)), " ".join(map(str.strip, now))


def compiles(code: str) -> bool:
    """Whether the broken file is Python at all."""
    try:
        ast.parse(code)
    except SyntaxError:
        return False
    return True
