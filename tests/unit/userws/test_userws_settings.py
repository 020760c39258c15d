"""How far back userws reads trades."""

from __future__ import annotations

import pytest

from pmcore.shell.settings.common import check_settings
from pmuserws.settings import UserwsSettings


def _reach_s(**variables: str) -> int:
    settings, problems = check_settings(UserwsSettings, {"PM_VENUE": "sim", **variables})
    assert settings is not None, problems
    return settings.reach_s


@pytest.mark.parametrize(
    ("markets", "reach_s"),
    [
        ("btc-updown-5m", 3_600),
        ("btc-updown-15m,eth-updown-5m", 3_600),
        ("btc-updown-4h", 4 * 3_600 + 600),
        ("btc-updown-15m,btc-updown-4h", 4 * 3_600 + 600),
        ("bitcoin-up-or-down-november-26-1pm-et", 86_400),
    ],
)
def test_a_whole_window_is_read_back(markets: str, reach_s: int) -> None:
    assert _reach_s(POLYMARKET_MARKET_SLUG=markets) == reach_s


def test_more_may_be_read() -> None:
    assert _reach_s(POLYMARKET_MARKET_SLUG="btc-updown-15m", PM_USERWS_LOOKBACK_S="7200") == 7_200
