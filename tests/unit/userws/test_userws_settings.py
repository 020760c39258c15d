"""How far back userws reads trades."""

from __future__ import annotations

import pytest

from pmuserws.settings import UserwsSettings


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
    assert UserwsSettings(market_slugs=markets).reach_s == reach_s


def test_more_may_be_read() -> None:
    assert UserwsSettings(market_slugs="btc-updown-15m", lookback_s=7_200).reach_s == 7_200
