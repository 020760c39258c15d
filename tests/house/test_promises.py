"""Each strong statement of the operator's pages names the test that holds it.

A strong statement has one of the words below or a length of time. The page lists it at its end,
in its own words, with a test, a section about the venue, or the remark that it is no promise.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.tree import FENCE, ROOT, name_of

PAGES = [ROOT / name for name in ("README.md", "docs/runbook.md", "docs/production_ready.md")]
TITLE = "\n## What these statements rest on\n"
ROW = re.compile(r"^\| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
STRONG = re.compile(
    r"\b(?:always|never|all|every\w*|at once)\b"
    r"|\b(?:\d[\d.,]*|an?|one|two|three|five|ten|half an?)[ -]"
    r"(?:ms|millisecond|s|second|minute|hour)s?\b",
    re.IGNORECASE,
)
CODE = re.compile(r"`[^`\n]*`|\]\([^)]*\)|<[^>]*>")
TEST = re.compile(r"`tests/[\w/]+\.py::test_\w+`")
VENUE = re.compile(r"\[venue\.md [\d.]+\]\((?:docs/)?venue\.md#[\w-]+\)")
NO_PROMISE = ("advice", "public records, named above")


def parts(path: Path) -> tuple[str, dict[str, str]]:
    """The page's prose without examples, its lines joined; and what each statement rests on."""
    prose, _, listed = FENCE.sub("", path.read_text(encoding="utf-8")).partition(TITLE)
    rows = ROW.findall(listed.partition("\n## ")[0])
    rest = listed[listed.find("\n## ") :] if "\n## " in listed else ""
    return joined(prose + rest), {joined(said): basis for said, basis in rows[1:]}


def joined(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def uncovered(prose: str, statements: list[str]) -> set[str]:
    """Strong words of the prose, with their surroundings, that lie inside no listed statement."""
    spans = [match.span() for said in statements for match in re.finditer(re.escape(said), prose)]
    masked = CODE.sub(lambda match: "`" * len(match.group()), prose)
    return {
        prose[max(0, match.start() - 40) : match.end() + 40]
        for match in STRONG.finditer(masked)
        if not any(start <= match.start() and match.end() <= end for start, end in spans)
    }


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_strong_statement_is_listed_with_what_it_rests_on(path: Path) -> None:
    prose, listed = parts(path)
    assert uncovered(prose, list(listed)) == set()


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_what_is_listed_is_said_and_rests_on_something(path: Path) -> None:
    prose, listed = parts(path)
    assert listed
    assert {said for said in listed if said not in prose} == set()
    assert {
        basis
        for basis in listed.values()
        if not (TEST.fullmatch(basis) or VENUE.fullmatch(basis) or basis in NO_PROMISE)
    } == set()


@pytest.mark.parametrize(
    "sentence",
    [
        "It never fails.",
        "All orders go.",
        "Everything is named at once.",
        "It stops within 10 seconds.",
        "It takes under a minute.",
        "A 30-second wait.",
    ],
)
def test_a_strong_statement_is_seen(sentence: str) -> None:
    assert uncovered(sentence, []) != set()
    assert uncovered(sentence, [sentence]) == set()
    assert uncovered("Use `pm resume --all` [or](#never).", []) == set()
