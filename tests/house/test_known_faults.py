"""The list of known faults fits the code and the tests of today."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.mutants.known_faults import KnownFault, judge, load
from support.tree import ROOT


@pytest.mark.parametrize("fault", load(), ids=lambda fault: fault.what)
def test_each_fault_has_one_place_in_the_code_and_a_test(fault: KnownFault) -> None:
    assert (ROOT / fault.file).read_text().count(fault.was) == 1
    assert fault.was != fault.becomes
    path, _, name = fault.test.partition("::")
    assert re.search(rf"def {name}\(", (ROOT / path).read_text())


@pytest.mark.parametrize(
    ("was", "becomes", "verdict"),
    [
        ("ONE = 1", "ONE = 2", ""),
        ("# a remark", "", "NOT NOTICED"),
        ("ONE = 3", "ONE = 2", "`was` stands 0 times in gate.py"),
        ("ONE = 1", "ONE =", "pytest ended with 2"),
    ],
)
def test_only_a_test_that_fails_notices(
    tmp_path: Path, was: str, becomes: str, verdict: str
) -> None:
    (tmp_path / "gate.py").write_text("# a remark\nONE = 1\n")
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "test_gate").with_suffix(".py").write_text(
        "import gate\ndef test_gate(): assert gate.ONE == 1\n"
    )
    fault = KnownFault("a sample", "gate.py", was, becomes, "checks")
    said = judge(fault, tmp_path)
    assert said.startswith(verdict)
    assert bool(said) is bool(verdict)
    assert "ONE = 1" in (tmp_path / "gate.py").read_text()
