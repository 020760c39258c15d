"""No order without the risk machine's approval: types and the places where things are made."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from mypy import api

from support.tree import CORE, ROOT, name_of, parsed, python_files

HEAD = """
from pmcore.engine.strategy.decision import approved, place
from pmcore.engine.strategy.session import MarketSession
from pmcore.machines.quoting import Quote
from pmcore.machines.risk import Exposure, RiskApproved, RiskRefusal, approve
from pmcore.messages.orders import SubmitOrder
from pmcore.model.market import Outcome


def order(session: MarketSession, quote: Quote, name: str) -> SubmitOrder | None:
    exposure = Exposure(Outcome.UP, quote.price_e4, quote.size_u6)
"""
CHECKED = """
    approval = approved(session, 1, Outcome.UP, quote)
    return None if approval is None else place(session, 1, approval, lambda: name)
"""
UNCHECKED = {
    "a quote": "return place(session, 1, quote, lambda: name)",
    "an exposure": "return place(session, 1, exposure, lambda: name)",
    "an answer that was not looked at": (
        "return place(session, 1, approved(session, 1, Outcome.UP, quote), lambda: name)"
    ),
    "a verdict that was not looked at": (
        "verdict = approve(exposure, [], [], session.params.limits)\n"
        "    return place(session, 1, verdict, lambda: name)"
    ),
    "an approval made by hand": ("return place(session, 1, RiskApproved(exposure), lambda: name)"),
    "a class that calls itself approved": (
        "class Mine(RiskApproved): ...\n"
        "    return place(session, 1, Mine(exposure, 1), lambda: name)"
    ),
}


def said_by_mypy(folder: Path) -> str:
    said, problems, _ = api.run(["--config-file", str(ROOT / "pyproject.toml"), str(folder)])
    assert problems == ""
    return said


def test_an_order_without_an_approval_does_not_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run of mypy over all snippets: each that skips the check is an error, the other not."""
    monkeypatch.chdir(ROOT)
    names = {f"unchecked_{n}": body for n, body in enumerate(UNCHECKED.values())}
    for name, body in names.items():
        (tmp_path / f"{name}.py").write_text(f"{HEAD}    {body}\n")
    (tmp_path / "checked").with_suffix(".py").write_text(HEAD + CHECKED)
    said = said_by_mypy(tmp_path)
    wrong = {name: [line for line in said.splitlines() if f"/{name}." in line] for name in names}
    typed = [what for what, name in zip(UNCHECKED, names, strict=True) if not wrong[name]]
    assert typed == [], said
    assert "/checked." not in said, said


def makers(wanted: str) -> Iterator[str]:
    """`file: function` of each place outside the tests where a thing is made."""
    for path in python_files(of_tests=False):
        for function in ast.walk(parsed(path)):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(wanted):
                    yield f"{name_of(path)}: {function.name}"


def test_only_the_risk_machine_approves_and_only_place_begins_an_order() -> None:
    risk = name_of(CORE / "machines/risk.py")
    decision = name_of(CORE / "engine/strategy/decision.py")
    assert list(makers("RiskApproved")) == [f"{risk}: approve"]
    assert list(makers("SubmitOrder")) == [f"{decision}: place"]


def test_the_key_of_the_approvals_stays_in_the_risk_machine() -> None:
    users = {
        name_of(path)
        for path in python_files(of_tests=False)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ImportFrom)
        and node.module == "pmcore.machines.risk"
        and any(alias.name.startswith("_") for alias in node.names)
    }
    assert users == set()
