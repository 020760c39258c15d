"""What was in the way decides the exit code."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pmcore.model.errors import Cause
from pmtools.run.exit_codes import EXIT_CODES, EXIT_CODES_HELP, trouble_at_end
from support.tree import ROOT


def states(service: str, cause: str, seconds: float) -> dict[str, dict[str, Any]]:
    return {
        service: {"troubles": [{"what": "it", "cause": cause, "text": "t", "seconds": seconds}]}
    }


def test_each_cause_has_a_code_that_help_and_runbook_name() -> None:
    assert set(EXIT_CODES) == set(Cause)
    runbook = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
    for code in set(EXIT_CODES.values()):
        assert re.search(rf"(^|\s){code}\s", EXIT_CODES_HELP), code
        assert re.search(rf"^\| {code} \|", runbook, re.MULTILINE), code


@pytest.mark.parametrize("service", ["feed", "executor", "userws"])
def test_a_lasting_trouble_decides(service: str) -> None:
    found = trouble_at_end(states(service, "name_resolution", 10.0))
    assert found is not None
    assert found[0] is Cause.NAME_RESOLUTION
    assert trouble_at_end(states(service, "name_resolution", 9.9)) is None


def test_waiting_for_another_and_a_halt_decide_nothing() -> None:
    for cause in ("waiting", "halted", "of the future"):
        assert trouble_at_end(states("strategy", cause, 99.0)) is None
    assert trouble_at_end({"feed": {"troubles": ["odd"]}, "executor": {}}) is None


def test_the_feeds_trouble_comes_first() -> None:
    both = states("executor", "auth", 50.0) | states("feed", "timeout", 20.0)
    found = trouble_at_end(both)
    assert found is not None
    assert found[0] is Cause.TIMEOUT
