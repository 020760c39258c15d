"""Documents point at what exists, and have one title."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.tree import FENCE, HEADING, ROOT, anchors, name_of, tracked

DOCUMENTS = [path for path in tracked() if path.suffix == ".md"]
MAX_LINE = 120
MAX_WORDS_OF_ARCHITECTURE = 1800
MAX_BYTES_OF_A_PICTURE = 150_000
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
MAKE = re.compile(r"\bmake ([a-z][a-z-]+)\b")


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    broken = []
    for link in LINK.findall(FENCE.sub("", path.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        if not target.exists() or (
            anchor and target.suffix == ".md" and anchor not in anchors(target.read_text())
        ):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_a_document_has_one_title(path: Path) -> None:
    levels = [level for level, _ in HEADING.findall(FENCE.sub("", path.read_text()))]
    assert levels.count("#") == 1
    assert levels[0] == "#"


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_lines_are_short_enough_to_read(path: Path) -> None:
    """Rows of tables cannot be broken; all else can."""
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [
        f"{number}: {line[:40]}"
        for number, line in enumerate(lines, 1)
        if len(line) >= MAX_LINE and not line.startswith("|")
    ] == []


def test_the_make_targets_that_documents_name_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        f"{name_of(path)}: make {target}"
        for path in DOCUMENTS
        for code in re.findall(r"`([^`\n]+)`|^```\w*\n(.*?)^```", path.read_text(), re.M | re.S)
        for target in MAKE.findall("\n".join(code))
        if target not in targets
    }
    assert named == set()


def test_the_readmes_pictures_are_there_small_and_all_used() -> None:
    """Every clone carries them; `make pictures` makes them."""
    named = set(re.findall(r"docs/pictures/[\w.-]+", (ROOT / "README.md").read_text()))
    kept = {name_of(path): path.stat().st_size for path in (ROOT / "docs/pictures").glob("*")}
    assert named == kept.keys()
    assert {name: size for name, size in kept.items() if size > MAX_BYTES_OF_A_PICTURE} == {}


def test_the_architecture_is_short_enough_to_be_read_at_once() -> None:
    text = (ROOT / "docs/ARCHITECTURE.md").read_text(encoding="utf-8")
    assert len(text.split()) < MAX_WORDS_OF_ARCHITECTURE
