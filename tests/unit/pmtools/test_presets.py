"""The presets of the repository: what each sets, and what it says of itself."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmcore.machines.inventory import Holding, Position
from pmcore.model.params import LimitParams, StrategyParams
from pmcore.model.units import PRICE_ONE_E4, SHARE_U6
from pmcore.shell.settings.common import check_settings
from pmcore.shell.settings.presets import preset_names, read_preset
from pmcore.shell.settings.strategy import StrategySettings
from pmtools.cli import main
from pmtools.doctor.command import examine
from pmtools.errors import UsageError
from pmtools.presets import FOLDER, with_preset, worst_case
from pmtools.service_settings import SERVICES, problems_of_services
from pmtools.sweep.grid import read_grid
from support.tree import ROOT

NAMES = preset_names(ROOT / FOLDER)
DECIDES = {
    "PM_BID_SIZE",
    "PM_PAIR_TARGET",
    "PM_MAX_NET_DIFF",
    "PM_MAX_POSITION_VALUE",
    "PM_MAX_PORTFOLIO_COST",
    "PM_OFI_MODE",
}
"""What every preset must say: paper defaults would say otherwise."""


def text_of(name: str) -> str:
    return (ROOT / FOLDER / f"{name}.env").read_text()


def params_of(name: str) -> StrategyParams:
    settings, problems = check_settings(StrategySettings, with_preset({}, name).environ)
    assert problems == []
    assert settings is not None
    return settings.as_params()


def test_the_presets_that_documents_name_are_there() -> None:
    assert set(NAMES) >= {"first-test", "seed", "quoting-50-usd", "research-wide", "show"}


@pytest.mark.parametrize("name", NAMES)
def test_every_service_takes_every_preset(name: str) -> None:
    environ = with_preset({}, name).environ
    assert problems_of_services(dict.fromkeys(SERVICES, environ)) == []
    assert environ.keys() >= DECIDES


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_says_what_it_can_lose_as_the_limits_give_it(name: str) -> None:
    said = re.search(r"^# Worst case: (.+?)\.$", text_of(name), re.MULTILINE)
    assert said is not None
    assert said[1] == worst_case(params_of(name).limits).sentence


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_says_what_it_does_and_what_it_earned_by_which_command(name: str) -> None:
    text = text_of(name)
    for heading in (f"# {name}: ", "# What it does: ", "# Replayed: ", "#   .venv/bin/pm sweep"):
        assert heading in text
    assert max(map(len, text.splitlines())) < 120


def test_the_grid_that_replays_them_names_them_all() -> None:
    cells = {
        cell.name: cell.params.base for cell in read_grid(ROOT / "research/grids/presets.toml")
    }
    base = cells.pop("base")
    assert base == params_of("research-wide")
    assert cells.keys() == set(NAMES) - {"research-wide"}
    assert all(cells[name] == params_of(name) for name in cells)


def test_seed_is_what_the_user_asked_for_with_the_least_size_that_the_venue_takes() -> None:
    default = StrategyParams()
    values = read_preset("seed", ROOT / FOLDER)
    assert params_of("seed") == StrategyParams(bid_size_u6=5 * SHARE_U6)
    assert default.bid_size_u6 == 2 * SHARE_U6
    assert values["PM_OFI_MODE"] == "fixed"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "a window loses at most 5.20 dollars, a day is not limited"),
        (
            {"max_portfolio_cost_e4": 10_000, "max_daily_loss_u6": 10 * SHARE_U6},
            "a window loses at most 5.00 dollars, a day at most 15.00",
        ),
        (
            {"max_position_value_u6": 50 * SHARE_U6, "max_portfolio_cost_e4": 9_000},
            "a window loses at most 10.00 dollars, a day is not limited",
        ),
    ],
)
def test_the_worst_case_is_told_in_dollars(changes: dict[str, int], sentence: str) -> None:
    assert worst_case(LimitParams(**changes)).sentence == sentence


@given(
    st.integers(0, 1_500),
    st.integers(0, 1_500),
    st.integers(1, 9_999),
    st.integers(1, 9_999),
    st.integers(9_000, 20_000),
    st.integers(1, 200),
    st.integers(1, 200),
)
def test_no_position_within_the_limits_loses_more(
    up: int, down: int, up_e4: int, down_e4: int, cost_e4: int, value: int, net: int
) -> None:
    limits = LimitParams(
        max_net_diff_u6=net * SHARE_U6,
        max_portfolio_cost_e4=cost_e4,
        max_position_value_u6=value * SHARE_U6,
    )
    held = Position(
        up=Holding(up * SHARE_U6, up * SHARE_U6 * up_e4),
        down=Holding(down * SHARE_U6, down * SHARE_U6 * down_e4),
    )
    if held.can_open(limits):
        lost = Decimal(up * up_e4 + down * down_e4) / PRICE_ONE_E4 - min(up, down)
        assert lost <= worst_case(limits).window


def test_an_unknown_preset_is_one_line_with_the_list() -> None:
    with pytest.raises(UsageError) as raised:
        with_preset({}, "moon")
    assert str(raised.value) == (
        f"PM_PRESET='moon': there is no such preset; there are: {', '.join(NAMES)}"
    )


def test_the_argument_wins_over_the_variable_and_a_set_variable_over_both() -> None:
    environ = {"PM_PRESET": "research-wide", "PM_MAX_NET_DIFF": "8"}
    applied = with_preset(environ, "first-test")
    assert (applied.name, applied.environ["PM_MAX_NET_DIFF"]) == ("first-test", "8")
    assert with_preset(environ).name == "research-wide"


@pytest.mark.parametrize("command", [["run", "--preset", "moon"], ["replay", "."]])
def test_a_command_ends_with_that_line(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PM_PRESET", "moon")
    assert main(command) == 2
    assert "there is no such preset" in capsys.readouterr().err


def test_doctor_shows_the_preset_and_the_worst_case(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    environ = {
        "PM_PRESET": "first-test",
        "PM_MAX_NET_DIFF": "9",
        "PM_VENUE": "sim",
        "PM_REDIS_URL": "redis://127.0.0.1:1",
    }
    told = {finding.subject: finding.text for finding in examine(environ)}
    assert told["preset"].startswith("first-test: PM_BID_SIZE=5, ")
    assert told["preset"].endswith("not used, because these variables are set: PM_MAX_NET_DIFF=6")
    assert told["worst case"].startswith("a window loses at most 5.00 dollars, a day at most 15.00")
    (wrong,) = examine({"PM_PRESET": "moon"})
    assert (wrong.subject, "there are: careful, " in wrong.text) == ("PM_PRESET", True)


def test_doctor_tells_the_worst_case_of_each_series_that_differs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    environ = {
        "POLYMARKET_MARKET_SLUG": "btc-updown-15m,btc-updown-5m",
        "PM_MAX_PORTFOLIO_COST": "1",
        "PM_MAX_POSITION_VALUE__BTC_UPDOWN_5M": "3",
        "PM_VENUE": "sim",
        "PM_REDIS_URL": "redis://127.0.0.1:1",
    }

    def worst() -> list[str]:
        return [each.text for each in examine(environ) if each.subject == "worst case"]

    assert worst() == [
        "a window loses at most 5.00 dollars, a day is not limited (of one series)",
        "a window loses at most 3.00 dollars, a day is not limited (of btc-5m)",
    ]
    environ["POLYMARKET_MARKET_SLUG"] = "btc-updown-5m"
    assert worst() == ["a window loses at most 3.00 dollars, a day is not limited (of btc-5m)"]


def test_doctor_names_settings_of_a_series_that_compose_would_lose(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text("PM_BID_SIZE__BTC_UPDOWN_15M=5\n")
    (found,) = examine({})
    assert found.subject == "PM_BID_SIZE__BTC_UPDOWN_15M"
    assert found.text.startswith("in .env: Compose gives no container")
    assert "presets/mine.env" in found.mend
