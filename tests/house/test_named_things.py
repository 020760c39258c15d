"""Files, sections, tests and modules that a document, the code or a configuration names exist."""

from __future__ import annotations

import io
import re
import tokenize
from functools import cache
from pathlib import Path

import pytest

from support.tree import LIBRARIES, ROOT, anchors, name_of, tracked

DOCUMENTS = [path for path in tracked() if path.suffix == ".md"]
CODE = re.compile(r"`([^`\n]+)`")
FILE = re.compile(
    r"(?:tests|services|libs|docs|grafana|prometheus)/[\w./-]+|"
    r"(?:model|messages|machines|engine|venue|wire|shell|pmsim|pmtools|pmresearch)/[\w/]+\.py"
)
TEST = re.compile(r"^def (test_\w+)|^async def (test_\w+)", re.MULTILINE)
MODULE = re.compile(
    r"\b(pm(?:core|sim|tools|research|feed|strategy|executor|userws|simulator))((?:\.\w+)+)"
)
PROSE = ("COMMENT", "STRING", "FSTRING_MIDDLE")
WRITTEN = (".md", ".py", ".yml", ".yaml", ".toml", ".json")
NAMED_FILE = re.compile(
    r"(?<![\w*{}<>./$-])((?:\.\./)*(?:[\w.-]+/)*[\w-][\w-]*\.md"
    r"|(?:\.\./)*(?:[\w.-]+/)*[\w-]+\.py)\b"
)
NAMED_TEST = re.compile(r"\btests/[\w/-]+\.py::test_\w+")
NAMED_ANCHOR = re.compile(r"\b((?:docs|services|tests)/[\w/-]+\.md|README\.md)#([\w-]+)")
VENUE = re.compile(
    r"\bvenue\.md (\d+(?:\.\d+)?(?:(?:, | and |, and | to |-)\d+(?:\.\d+)?(?![\w%]))*)"
)
ELSEWHERE = ("../shared/",)  # data beside the checkout, absent from most machines
PACKAGES = {
    **LIBRARIES,
    **{
        f"pm{name}": ROOT / f"services/{name}/src/pm{name}"
        for name in ("feed", "strategy", "executor", "userws", "simulator")
    },
}


def exists(named: str) -> bool:
    file, _, test = named.partition("::")
    packages = (path.parent / file for path in LIBRARIES.values())
    candidates = [ROOT / file, PACKAGES["pmcore"] / file, *packages]
    found = next((path for path in candidates if path.exists()), None)
    if found is None or not test:
        return found is not None
    return test in {a or b for a, b in TEST.findall(found.read_text())}


def is_in_package(package: str, dotted: str) -> bool:
    """Whether `a.b.Name` is a module of the package, perhaps with a name of it behind."""
    path = PACKAGES[package]
    for part in dotted.strip(".").split("."):
        if (path / part).is_dir():
            path /= part
        elif path.is_dir():
            path = (path / part).with_suffix(".py")
            if not path.is_file():
                return False
        else:
            return re.search(rf"\b{part}\b", path.read_text()) is not None
    return True


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_named_files_and_tests_exist(path: Path) -> None:
    named = {code for code in CODE.findall(path.read_text()) if FILE.match(code)}
    assert {
        name for name in named if re.fullmatch(r"[\w./:-]+", name) and not exists(name)
    } == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_named_modules_exist(path: Path) -> None:
    named = {match for code in CODE.findall(path.read_text()) for match in MODULE.findall(code)}
    assert {f"{a}{b}" for a, b in named if not is_in_package(a, b)} == set()


def test_the_classes_of_the_glossary_exist_where_it_says() -> None:
    table = (ROOT / "docs/glossary.md").read_text().partition("\n## Classes\n")[2]
    rows = re.findall(r"^\| (`.+`) \| `([\w.]+)` \|", table, re.MULTILINE)
    named = {(place, name) for names, place in rows for name in re.findall(r"`(\w+)`", names)}
    assert len(named) > len(rows) > 0
    assert {(place, name) for place, name in named if not is_class_below(place, name)} == set()


def is_class_below(place: str, name: str) -> bool:
    """Whether a module, or one of a package's, has the class."""
    package, *parts = place.split(".")
    path = PACKAGES[package].joinpath(*parts)
    files = path.rglob("*.py") if path.is_dir() else [path.with_suffix(".py")]
    return any(f"\nclass {name}" in file.read_text() for file in files)


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = sorted(path.name[:4] for path in (ROOT / "docs/decisions").glob("*.md"))
    assert numbers == [f"{number:04d}" for number in range(1, len(numbers) + 1)]


def text_files() -> list[Path]:
    """Everything a person writes and reads here, this file's own samples excepted."""
    return [
        path
        for path in tracked()
        if (path.suffix in WRITTEN or path.name in ("Makefile", "Dockerfile", ".env.example"))
        and path != Path(__file__)
    ]


@cache
def flowing(path: Path) -> str:
    """The text without line breaks and comment signs; of code its comments and strings only."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        text = "\n".join(t.string for t in tokens if tokenize.tok_name[t.type] in PROSE)
    return re.sub(r"\s*\n\s*(#:? )?", " ", text)


def is_there(named: str, source: Path) -> bool:
    """From the root; from the documents of the same folder too; code also by its last parts."""
    places = [ROOT] if source.suffix != ".md" else [ROOT, source.parent]
    if any((place / named).is_file() for place in places):
        return True
    return named.endswith(".py") and any(
        name_of(path).endswith("/" + named) for path in tracked() if path.suffix == ".py"
    )


def missing_files(path: Path) -> set[str]:
    text = re.sub(r"\[[^\]]*\]\(", "(", flowing(path))  # a link's text; its target counts
    return {
        named
        for named in NAMED_FILE.findall(text)
        if not named.startswith(ELSEWHERE) and not is_there(named, path)
    }


def missing_tests(path: Path) -> set[str]:
    return {named for named in NAMED_TEST.findall(flowing(path)) if not exists(named)}


def missing_sections(path: Path) -> set[str]:
    """Anchors of documents, and numbered sections of docs/venue.md."""
    text = flowing(path)
    found = {
        f"{name}#{anchor}"
        for name, anchor in NAMED_ANCHOR.findall(text)
        if (ROOT / name).is_file() and anchor not in anchors((ROOT / name).read_text())
    }
    return found | {f"docs/venue.md {number}" for number in venue_numbers(text) - venue_sections()}


def venue_numbers(text: str) -> set[str]:
    """The sections of docs/venue.md that a text names: "1.3, 4.2 and 5", "1.3-1.7"."""
    numbers = set()
    for listed in VENUE.findall(text):
        numbers |= set(re.findall(r"\d+(?:\.\d+)?", listed))
        for first, last in re.findall(r"(\d+\.\d+)(?:-| to )(\d+\.\d+)", listed):
            chapter, low = first.split(".")
            high = last.split(".")[1]
            numbers |= {f"{chapter}.{n}" for n in range(int(low), int(high) + 1)}
    return numbers


def venue_sections() -> set[str]:
    text = (ROOT / "docs/venue.md").read_text() if (ROOT / "docs/venue.md").is_file() else ""
    return set(re.findall(r"^###? (\d+(?:\.\d+)?)\.? ", text, re.MULTILINE))


@pytest.mark.parametrize("path", text_files(), ids=name_of)
def test_what_a_file_names_exists(path: Path) -> None:
    missing = missing_files(path) | missing_tests(path) | missing_sections(path)
    assert missing == set()


def test_every_section_about_the_venue_is_relied_on() -> None:
    """A chapter counts for its sections only where it has no number of its own below it."""
    named = {
        number
        for path in text_files()
        if path != ROOT / "docs/venue.md"
        for number in venue_numbers(flowing(path))
    }
    chapters = {number.split(".")[0] for number in venue_sections() if "." in number}
    assert venue_sections() - chapters - named == set()


def test_the_patterns_find_what_they_are_for(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        '"""See absent.md, docs/venue.md\n5.99, machines/absent.py,\n'
        'docs/runbook.md#absent and tests/house/test_docs.py::test_absent."""'
    )
    assert missing_files(wrong) == {"absent.md", "machines/absent.py"}
    assert missing_sections(wrong) == {"docs/venue.md 5.99", "docs/runbook.md#absent"}
    assert missing_tests(wrong) == {"tests/house/test_docs.py::test_absent"}
    assert venue_numbers("docs/venue.md 1.2, 4 and 8; 9.9, (docs/venue.md 1.3-1.5)") == {
        *("1.2", "4", "8", "1.3", "1.4", "1.5")
    }
