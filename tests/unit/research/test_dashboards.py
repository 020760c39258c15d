"""The dashboards are what the code makes; the code is Grafana's own types."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from pmresearch.dashboards.__main__ import FOLDER, PAGES, files, main, stale
from support.tree import ROOT


def test_the_files_are_what_the_code_makes() -> None:
    assert stale(ROOT / FOLDER) == [], "run `make dashboards`"


def test_a_file_that_is_missing_changed_or_left_over_is_stale(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--check", "--root", str(tmp_path)]) == 1
    assert "grafana/dashboards/overview.json is stale" in capsys.readouterr().err
    assert main(["--root", str(tmp_path)]) == 0
    assert main(["--check", "--root", str(tmp_path)]) == 0
    folder = tmp_path / FOLDER
    (folder / "old.json").write_text("{}")
    (folder / "money.json").write_text("{}")
    (folder / "making.json").unlink()
    assert stale(folder) == ["making.json", "money.json", "old.json"]
    assert main(["--root", str(tmp_path)]) == 0
    assert {path.name for path in folder.iterdir()} == files().keys()


def test_grafanas_types_read_what_was_written() -> None:
    """Grafana cannot be started here; its schema types are what the files are held against."""
    for name, text in files().items():
        read = Dashboard.from_json(json.loads(text))
        assert json.loads(json.dumps(read, cls=JSONEncoder)) == json.loads(text), name


def test_a_dashboard_is_made_anew_each_time() -> None:
    assert [make().uid for make in PAGES] == [make().uid for make in PAGES]
    assert files() == files()
