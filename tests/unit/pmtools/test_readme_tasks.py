"""The README's first questions: every command that it gives is one, and every way is named."""

from __future__ import annotations

import re
import shlex

import pytest

from pmtools.cli import build_parser
from support.tree import ROOT

SECTION = "## First questions"
ANSWERS = {
    "see the profit of the last hour": "pm pnl --since 1h",
    "know why it does not quote": "pm orders",
    "see it move": "pm watch",
    "stop it": "pm kill",
    "get an alert": "pm notify test",
    "have the fills in a spreadsheet": "pm fills --csv > fills.csv",
    "find what went wrong": "pm logs --since 10m --level warning",
}


def answers() -> dict[str, str]:
    text = (ROOT / "README.md").read_text()
    section = text.partition(SECTION)[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| ")]
    return {row[0].strip(): row[1] for row in rows[1:]}


def commands(answer: str) -> list[str]:
    return re.findall(r"`(?:PM_\S+ )?(pm [a-z][^`]*)`", answer)


@pytest.mark.parametrize("task", ANSWERS)
def test_a_newcomers_question_has_its_command(task: str) -> None:
    assert ANSWERS[task] in commands(answers()[task])


def test_every_command_of_the_first_questions_is_one() -> None:
    given = [command for answer in answers().values() for command in commands(answer)]
    assert len(given) >= len(ANSWERS)
    for command in given:
        words = shlex.split(command.partition(">")[0])[1:]
        build_parser().parse_args(words)  # leaves with 2 when it is none


def test_a_phone_is_told_how() -> None:
    assert "docs/console.md#from-a-phone" in answers()["stop it"]
