"""`pm report` on recordings of a real market; without them the test says what is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pmtools.cli import main
from support.recordings import recording

pytestmark = pytest.mark.recordings


def test_two_real_windows_settle_and_their_parts_add_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PM_OFI_MODE", "off")
    files = [str(path) for path in recording("market_books/*.books.jsonl.gz")[:2]]
    page = tmp_path / "report.html"
    assert main(["report", *files, "--out", str(page), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["windows"], told["settled"]) == (2, 2)
    assert told["fills"] > 0
    acting = next(one for one in told["ledgers"] if one["fill_model"] == "central")
    assert sum(told["profit_parts"].values()) == pytest.approx(acting["profit"], abs=1e-9)
    assert page.stat().st_size < 1_000_000
