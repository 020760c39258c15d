"""Settings of single series: what they change, and that what cannot be meant is one clear line."""

from __future__ import annotations

import os
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest

from pmcore.shell.settings.common import CommonSettings, check_settings, load_settings
from pmcore.shell.settings.known_variables import BY_SERIES, OF_PRESETS, override_of
from pmcore.shell.settings.strategy import StrategySettings

TRADED = {"POLYMARKET_MARKET_SLUG": "btc-updown-15m,btc-updown-5m"}


def read(given: dict[str, str], *, of_recordings: bool = False) -> StrategySettings:
    settings, problems = check_settings(
        StrategySettings, {**TRADED, **given}, series_of_recordings=of_recordings
    )
    assert problems == []
    assert settings is not None
    return settings


def problems_of(given: dict[str, str], cls: type[CommonSettings] = StrategySettings) -> list[str]:
    return [str(each) for each in check_settings(cls, {**TRADED, **given})[1]]


def test_an_override_holds_for_its_series_and_for_no_other() -> None:
    settings = read({"PM_BID_SIZE": "6", "PM_BID_SIZE__BTC_UPDOWN_5M": "8"})
    assert (settings.bid_size, settings.of_series("btc-15m").bid_size) == (6, 6)
    assert settings.of_series("btc-5m").bid_size == 8
    params = settings.series_params()
    assert params.of("btc-5m").bid_size_u6 == 8_000_000
    assert params.of("btc-15m") == params.of("eth-5m") == settings.as_params()


def another_value(name: str, default: Any) -> str:
    given = {
        "PM_TICK_SIZE": "0.01",
        "PM_OFI_ENTER_QUANTILE": "0.98",
        "PM_UNDERLYING_MOVE_BP": "0.5",
        "PM_MERGE_MIN_PAIRS": "5",
    }
    if name in given:
        return given[name]
    if default is None:
        return "0.4"
    if isinstance(default, bool):
        return str(not default).lower()
    if isinstance(default, StrEnum):
        return next(str(each.value) for each in type(default) if each is not default)
    return str(default / 2 if isinstance(default, Decimal) else default + 1)


@pytest.mark.parametrize("name", sorted(BY_SERIES))
def test_every_variable_of_a_window_can_differ(name: str) -> None:
    field = next(f for f, v in StrategySettings.model_fields.items() if v.validation_alias == name)
    default = StrategySettings.model_fields[field].default
    text = another_value(name, default)
    settings = read({f"{name}__BTC_UPDOWN_5M": text})
    own = getattr(settings.of_series("btc-5m"), field)
    assert own != default
    assert own == type(own)(text) if not isinstance(own, bool) else own is (text == "true")
    assert getattr(settings, field) == default
    assert settings.series_params().of("btc-5m") != settings.as_params()


def test_the_loss_of_a_day_is_the_one_rule_that_is_of_all_series() -> None:
    assert {"PM_MAX_DAILY_LOSS"} == OF_PRESETS - BY_SERIES
    (line,) = problems_of({"PM_MAX_DAILY_LOSS__BTC_UPDOWN_5M": "5"})
    assert line == (
        "PM_MAX_DAILY_LOSS__BTC_UPDOWN_5M: PM_MAX_DAILY_LOSS cannot differ by series; unset it, "
        "and set PM_MAX_DAILY_LOSS for all of them"
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"PM_BID_SIZE__ETH_UPDOWN_5M": "5"},
            "PM_BID_SIZE__ETH_UPDOWN_5M: it is for a series that is not traded here; unset it, or "
            "let its name end with one of: BTC_UPDOWN_15M, BTC_UPDOWN_5M",
        ),
        (
            {"PM_BIDSIZE__BTC_UPDOWN_5M": "5"},
            "PM_BIDSIZE__BTC_UPDOWN_5M: nothing reads a variable of this name "
            "(PM_BID_SIZE__BTC_UPDOWN_5M was meant?); rename it to PM_BID_SIZE__BTC_UPDOWN_5M, or "
            "unset it",
        ),
        (
            {"PM_DRY_RUN__BTC_UPDOWN_5M": "false"},
            "PM_DRY_RUN__BTC_UPDOWN_5M: PM_DRY_RUN cannot differ by series; unset it, and set "
            "PM_DRY_RUN for all of them",
        ),
        (
            {"PM_BID_SIZE__btc-updown-5m": "5"},
            "PM_BID_SIZE__btc-updown-5m: 'btc-updown-5m' is no series; write the series in "
            "capitals, for example PM_BID_SIZE__BTC_UPDOWN_5M",
        ),
        (
            {"PM_BID_SIZE__BTC_UPDOWN_5M": "many"},
            "PM_BID_SIZE__BTC_UPDOWN_5M: Input should be a valid decimal (is 'many'); correct it, "
            "or unset it for 2",
        ),
        (
            {"PM_BID_SIZE__BTC_UPDOWN_5M": "10"},
            "PM_BID_SIZE__BTC_UPDOWN_5M: must be below PM_MAX_NET_DIFF=10: the limit is strict, so "
            "one fill of 10 shares must stay under it (is '10'); lower the bid size, or raise the "
            "limit",
        ),
        (
            {"PM_MAX_NET_DIFF__BTC_UPDOWN_5M": "2"},
            "PM_BID_SIZE: for BTC_UPDOWN_5M: must be below PM_MAX_NET_DIFF=2: the limit is strict, "
            "so one fill of 2 shares must stay under it (is '2'); lower the bid size, or raise "
            "the limit",
        ),
    ],
)
def test_what_cannot_be_meant_is_one_line(given: dict[str, str], told: str) -> None:
    assert problems_of(given) == [told]


def test_one_fault_of_all_series_is_told_once() -> None:
    (line,) = problems_of({"PM_DEBOUNCE_MS": "soon", "PM_BID_SIZE__BTC_UPDOWN_5M": "5"})
    assert line.startswith("PM_DEBOUNCE_MS: ")


def test_a_series_that_cannot_be_read_hides_no_fault_and_makes_none() -> None:
    given = {"POLYMARKET_MARKET_SLUG": "btc_15m", "PM_BID_SIZE__BTC_UPDOWN_5M": "5"}
    (line,) = problems_of(given)
    assert line.startswith("POLYMARKET_MARKET_SLUG: ")


def test_an_empty_override_counts_as_unset() -> None:
    assert read({"PM_BID_SIZE__ETH_UPDOWN_5M": ""}).by_series == {}


def test_a_service_that_reads_none_of_it_knows_the_names_all_the_same() -> None:
    given = {"PM_BID_SIZE__BTC_UPDOWN_5M": "5"}
    assert problems_of(given, CommonSettings) == []
    given = {"PM_BID_SIZE__BTC_UPDOWN_5": "5"}
    assert len(problems_of(given, CommonSettings)) == 1


def test_a_window_of_its_own_has_the_settings_of_its_series() -> None:
    given = {"POLYMARKET_MARKET_SLUG": "btc-updown-15m-1790766900"}
    settings = read({**given, "PM_BID_SIZE__BTC_UPDOWN_15M": "4"})
    assert settings.of_series("btc-15m").bid_size == 4


def test_recordings_may_be_of_any_series() -> None:
    settings = read({"PM_BID_SIZE__ETH_UPDOWN_4H": "4"}, of_recordings=True)
    assert settings.of_series("eth-4h").bid_size == 4
    wrong = {**TRADED, "PM_BID_SIZE__BTC_UPDOWN_15M_1790766900": "4"}
    _, problems = check_settings(StrategySettings, wrong, series_of_recordings=True)
    assert [each.variable for each in problems] == ["PM_BID_SIZE__BTC_UPDOWN_15M_1790766900"]


def test_a_service_does_not_start_with_an_override_that_acts_nowhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in os.environ:
        if name.startswith(("PM_", "POLYMARKET_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PM_BID_SIZE__BTC_UPDOWN_5M", "5")
    with pytest.raises(SystemExit) as ended:
        load_settings(StrategySettings)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("PM_BID_SIZE__BTC_UPDOWN_5M: it is for a series that is not traded")


def test_names_that_are_no_overrides() -> None:
    assert override_of("PM_BID_SIZE__BTC_UPDOWN_5M") == ("PM_BID_SIZE", "BTC_UPDOWN_5M")
    for name in ("PM_BID_SIZE", "PM_BID_SIZE__", "PM_BID_SIZE__BTC", "PM_JOURNAL__BTC_UPDOWN_5M"):
        assert override_of(name) is None
