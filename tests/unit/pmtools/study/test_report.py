"""`pm report`: one file that asks for nothing, figures that add up, and plain words for gaps."""

from __future__ import annotations

import base64
import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from pmtools.cli import main
from support.small_recording import SLUG, market_object, write_recording

ASKS = ("src", "href", "action", "data", "poster", "srcset", "background", "xlink:href")


class Page(HTMLParser):
    """The parts of a page that a test looks at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.asked: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.asked += [value or "" for name, value in attrs if name in ASKS]

    def handle_data(self, data: str) -> None:
        self.words += " " + data


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("PM_BID_SIZE", "5")
    monkeypatch.setenv("PM_OFI_TOXICITY_THRESHOLD", "1000")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "window.market.json").write_text(json.dumps(market_object()))
    write_recording(tmp_path / "window.jsonl", seconds=150)
    return tmp_path


def reported(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["report", *arguments, "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def test_the_page_is_whole_and_asks_for_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reported(capsys, "window.jsonl")
    text = Path("report.html").read_text()
    page = Page(text)
    assert page.tags.count("img") == 7
    assert page.tags.count("section") == 9
    assert not {"script", "link", "iframe", "object", "form", "base"} & set(page.tags)
    assert not re.search(r"url\(|@import|http-equiv=.?refresh", text, re.IGNORECASE)
    for asked in page.asked:
        kind, _, data = asked.partition(",")
        assert kind == "data:image/svg+xml;base64"
        svg = base64.b64decode(data).decode()
        assert svg.startswith("<svg")
        assert all(to.startswith("#") for to in re.findall(r'href="([^"]*)"', svg))
        assert "<script" not in svg
        assert not re.findall(r"url\((?!#)", svg)
    assert f"Our bids against the book: {SLUG}" in page.words
    assert "1 windows are few" in page.words
    assert "The winner of 1 windows is not known" in page.words


def test_its_figures_are_those_of_the_replay(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", "window.jsonl", "--winner", "up", "--json", "--tables", "tables"]) == 0
    replay = json.loads(capsys.readouterr().out)
    told = reported(capsys, "tables", "--csv", "figures.csv")
    assert told["fills"] == replay["fills"] > 0
    assert sum(told["profit_parts"].values()) == pytest.approx(replay["profit_settled"])
    assert told["equity"][-1]["equity"] == pytest.approx(replay["profit_settled"])
    for ledger in told["ledgers"]:
        assert ledger["profit"] == pytest.approx(replay["ledgers"][ledger["fill_model"]]["profit"])
    points = {(one["legs"], one["horizon"]): one["cents"] for one in told["markouts"]}
    for horizon, cents in replay["markout_cents"]["all"].items():
        assert points["all", horizon]["value"] == pytest.approx(cents)
    assert points["all", "1s"]["low"] is None
    for stretch in zip(*told["reasons"].values(), strict=True):
        assert sum(stretch) == pytest.approx(1) or sum(stretch) == 0
    with Path("figures.csv").open(newline="") as file:
        rows = {row["figure"]: row["value"] for row in csv.DictReader(file)}
    assert float(rows["profit_parts.adverse"]) == told["profit_parts"]["adverse"]


def test_what_is_missing_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_recording(folder / "window.jsonl", sold_u6=1_000_000, seconds=10)
    told = reported(capsys, "window.jsonl")
    assert told["fills"] == 0
    assert told["cents_a_share"] is None
    page = Page(Path("report.html").read_text())
    assert page.words.count("Nothing to show.") == 3
    assert "There was no fill" in page.words


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["window.jsonl", "--window", "nosuch"], "--window nosuch: no such window here"),
        (["window.jsonl", "--out", "no/such.html"], "--out no/such.html: No such file"),
        (["window.jsonl", "--csv", "no/such.csv"], "--csv no/such.csv: No such file"),
    ],
)
def test_a_wrong_argument_is_one_clear_line(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(["report", *arguments]) == 2
    assert said in capsys.readouterr().err.splitlines()[-1]
