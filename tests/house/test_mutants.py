"""Mutation testing makes the breaks it promises, and its list of survivors is true."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from support.mutants.scope import GROUPS, ordered_tests, sources_of
from support.mutants.sources import Mutant, compiles, mutants_of
from support.mutants.survivors import load
from support.tree import name_of

SOURCE = """
LIMIT = 5
TABLE = {(1, 2): 3, (4, 5): 6}


class Gate:
    limit: int = 7

    @property
    def open(self) -> bool:
        return self.low and self.high

    def close(self, at: int) -> int:
        log.info("closing", at=1)
        invariant(at > 0)
        self.clear()
        if at >= 3:
            return min(at, -(-at // 2))
        return [a for a in (at, 1)][0]
"""


@pytest.fixture
def made(tmp_path: Path) -> list[Mutant]:
    path = tmp_path / "gate.py"
    path.write_text(SOURCE)
    return mutants_of(path)


@cache
def mutants(name: str) -> list[Mutant]:
    sources = [path for group in GROUPS for path in sources_of(group) if path.name == name]
    return [mutant for path in sources for mutant in mutants_of(path)]


def test_breaks_reach_properties_tables_statements_and_defaults(made: list[Mutant]) -> None:
    keys = {mutant.key for mutant in made}
    assert "gate.py:Gate.open: return self.low and self.high -> return self.low" in keys
    assert "gate.py:Gate.close: self.clear() -> pass" in keys
    assert "gate.py:Gate.close: if at >= 3: -> if False:" in keys
    assert "gate.py:Gate.close: if at >= 3: -> if at > 3:" in keys
    assert "gate.py:Gate: limit: int = 7 -> limit: int = 8" in keys
    assert any("(4, 5): 6" not in mutant.now for mutant in made if mutant.was.startswith("TABLE"))
    assert any("min(at, (at // 2))" in mutant.now for mutant in made)
    assert any("max(" in mutant.now for mutant in made)


def test_what_other_checks_report_is_left_alone(made: list[Mutant]) -> None:
    touched = " ".join(mutant.was for mutant in made)
    assert "LIMIT" not in touched
    assert "log.info" not in touched
    assert "invariant" not in touched


def test_a_mutant_is_python_and_differs_in_one_place(made: list[Mutant]) -> None:
    assert all(compiles(mutant.code()) and mutant.code() != SOURCE for mutant in made)
    assert len({mutant.key for mutant in made}) == len(made)


def test_only_what_runs_at_import_has_no_function(made: list[Mutant]) -> None:
    assert {mutant.function for mutant in made} == {"", "Gate.open", "Gate.close"}


def test_other_lines_do_not_change_a_key(made: list[Mutant], tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (moved / "gate.py").write_text("# a comment\nimport os\n" + SOURCE)
    assert {m.key for m in mutants_of(moved / "gate.py")} == {m.key for m in made}


@pytest.mark.parametrize(
    ("file", "was", "now"),
    [
        (
            "kill_switch.py",
            "if name in self._resumes:",
            "if False:",
        ),
        ("risk.py", "return not filled(view, [new, *others])", "filled(view, [new"),
        ("inventory.py", "(entry.outcome, entry.price_e4, entry.s", "(entry.outcome, entry.s"),
        ("driver.py", "if sent_ns >= prepared.command.expires_at_ns:", "if False:"),
        ("engine.py", "session.cause.decided()", "pass"),
        ("inventory.py", "cost_u6 = -(-(self.up.cost_e4u6", "cost_u6 = ((self.up.cost_e4u6"),
    ],
)  # fmt: skip
def test_breaks_that_once_lived_are_made(file: str, was: str, now: str) -> None:
    assert any(
        was in mutant.was and now in mutant.now and was not in mutant.now
        for mutant in mutants(file)
    )


def test_every_listed_survivor_is_a_mutant_and_has_a_reason() -> None:
    listed = load()
    known = {m.key for file in {key.partition(":")[0] for key in listed} for m in mutants(file)}
    assert listed.keys() - known == set()


def test_every_source_has_its_own_tests_first() -> None:
    for group in GROUPS:
        for source in sources_of(group):
            tests = ordered_tests(group, source)
            own = [path for path in tests if path.stem == f"test_{source.stem}"]
            assert tests, name_of(source)
            assert tests[: len(own)] == own
