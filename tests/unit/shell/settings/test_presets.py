"""A preset fills what is unset, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from pmcore.shell.settings.common import load_settings
from pmcore.shell.settings.presets import PresetError, apply_preset, preset_names
from pmcore.shell.settings.strategy import StrategySettings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small.env").write_text("# why\n\nPM_BID_SIZE=5\n  PM_OFI_MODE=off\n")
    (tmp_path / "wide.env").write_text("PM_MAX_NET_DIFF=1000\n")
    (tmp_path / "notes.txt").write_text("PM_BID_SIZE=9\n")
    return tmp_path


def test_a_preset_fills_what_is_unset_or_empty(folder: Path) -> None:
    applied = apply_preset({"PM_PRESET": "small", "PM_BID_SIZE": "", "HOME": "/h"}, folder)
    assert applied.environ == {"HOME": "/h", "PM_BID_SIZE": "5", "PM_OFI_MODE": "off"}
    assert applied.sentence == "preset small: PM_BID_SIZE=5, PM_OFI_MODE=off"


def test_a_variable_that_is_set_wins_and_is_told(folder: Path) -> None:
    applied = apply_preset({"PM_PRESET": "small", "PM_BID_SIZE": "7"}, folder)
    assert applied.environ == {"PM_BID_SIZE": "7", "PM_OFI_MODE": "off"}
    assert applied.sentence == (
        "preset small: PM_OFI_MODE=off; not used, because these variables are set: PM_BID_SIZE=5"
    )


@pytest.mark.parametrize("environ", [{"A": "b"}, {"A": "b", "PM_PRESET": ""}])
def test_without_a_preset_nothing_changes(folder: Path, environ: dict[str, str]) -> None:
    applied = apply_preset(environ, folder)
    assert (applied.environ, applied.sentence) == ({"A": "b"}, "")


@pytest.mark.parametrize("name", ["smal", "../small", "small.env", "notes", "SMALL", "."])
def test_an_unknown_preset_is_one_line_with_the_list(folder: Path, name: str) -> None:
    with pytest.raises(PresetError) as raised:
        apply_preset({"PM_PRESET": name}, folder)
    text = str(raised.value)
    assert text == f"PM_PRESET={name!r}: there is no such preset; there are: small, wide"


def test_a_folder_without_presets_says_so(tmp_path: Path) -> None:
    assert preset_names(tmp_path / "nowhere") == []
    with pytest.raises(PresetError, match="there are: none in"):
        apply_preset({"PM_PRESET": "small"}, tmp_path / "nowhere")


@pytest.mark.parametrize(
    "line",
    [
        "PM_BID_SIZE",
        "PM_BID_SIZE=",
        "PM_BIDSIZE=5",
        "POLYMARKET_PRIVATE_KEY=0x1",
        "PM_DRY_RUN=false",
        "PM_JOURNAL=false",
        "PM_PRESET=wide",
        "export PM_BID_SIZE=5",
        "PM_BID_SIZE=5 # shares",
        "PM_MAX_DAILY_LOSS__BTC_UPDOWN_5M=5",
        "PM_BID_SIZE__5M=5",
    ],
)
def test_a_line_that_is_no_variable_of_the_strategy_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "bad.env").write_text(f"# a comment\n{line}\n")
    with pytest.raises(PresetError, match=r"^bad\.env, line 2: "):
        apply_preset({"PM_PRESET": "bad"}, tmp_path)


def test_a_service_that_is_started_alone_says_that_it_reads_no_preset(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PM_PRESET", "small")
    with pytest.raises(SystemExit) as ended:
        load_settings(StrategySettings)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "PM_PRESET" in line
    assert "pm run" in line


def test_a_preset_may_hold_settings_of_single_series(tmp_path: Path) -> None:
    (tmp_path / "two.env").write_text("PM_BID_SIZE=5\nPM_BID_SIZE__BTC_UPDOWN_5M=8\n")
    applied = apply_preset({"PM_PRESET": "two"}, tmp_path)
    assert applied.environ == {"PM_BID_SIZE": "5", "PM_BID_SIZE__BTC_UPDOWN_5M": "8"}


@pytest.mark.parametrize("name", ["PM_BID_SIZE", "PM_BID_SIZE__BTC_UPDOWN_5M"])
def test_a_variable_that_is_set_wins_over_a_presets_override_too(tmp_path: Path, name: str) -> None:
    """Who sets a limit gets that limit in every series."""
    (tmp_path / "one.env").write_text("PM_BID_SIZE__BTC_UPDOWN_5M=8\n")
    applied = apply_preset({"PM_PRESET": "one", name: "6"}, tmp_path)
    assert applied.environ == {name: "6"}
    assert applied.overridden == {"PM_BID_SIZE__BTC_UPDOWN_5M": "8"}
