"""A variable that `pm --help` names has effect where it is named."""

from __future__ import annotations

import argparse
import re

from pmcore.tools.cli import build_parser

# option -> the test that shows the effect
SHOWN = {
    ("run", "--market", "POLYMARKET_MARKET_SLUG"): "unit/tools/test_run_options.py",
    ("run", "--venue", "PM_DRY_RUN"): "unit/tools/test_run_options.py",
}


def named() -> set[tuple[str, str, str]]:
    found = set()
    for action in build_parser()._actions:
        if not isinstance(action, argparse._SubParsersAction):
            continue
        for command, parser in action.choices.items():
            for option in parser._actions:
                names = re.findall(r"\b(?:PM|POLYMARKET)_[A-Z_]+\b", option.help or "")
                found |= {(command, option.option_strings[0], name) for name in names}
    return found


def test_every_variable_that_an_option_names_has_a_test_of_its_effect() -> None:
    assert named() == set(SHOWN), "show its effect in a test and name that test here"
