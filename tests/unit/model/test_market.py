from __future__ import annotations

import pytest

from pmcore.model.errors import MalformedInputError
from pmcore.model.market import (
    Outcome,
    SeriesSpec,
    TakerSide,
    interval_s,
    parse_series,
    window_times_ns,
)
from pmcore.model.units import NS_PER_S
from support.builders import DOWN_TOKEN, UP_TOKEN, window


def test_a_prefix_rotates_by_the_start_of_the_window() -> None:
    spec = parse_series("btc-updown-15m")
    assert spec == SeriesSpec("btc-15m", "btc-updown-15m", 900)
    assert spec.slug_at(1_790_766_901 * NS_PER_S) == "btc-updown-15m-1790766900"
    assert spec.slug_at(1_790_766_899 * NS_PER_S) == "btc-updown-15m-1790766000"


def test_a_full_slug_is_one_window() -> None:
    spec = parse_series("eth-updown-5m-1790766900")
    assert (spec.series, spec.fixed_slug) == ("eth-5m", "eth-updown-5m-1790766900")
    assert spec.slug_at(0) == "eth-updown-5m-1790766900"
    hourly = parse_series("bitcoin-up-or-down-october-6-2026-12am-et")
    assert (hourly.length_s, hourly.fixed_slug) == (0, "bitcoin-up-or-down-october-6-2026-12am-et")


@pytest.mark.parametrize(
    "text", ["", "btc", "BTC-updown-15m", "btc-updown-15m; rm", "btc-updown-2s"]
)
def test_bad_series(text: str) -> None:
    with pytest.raises(MalformedInputError):
        parse_series(text)


def test_times_of_a_slug() -> None:
    assert window_times_ns("btc-updown-4h-1791144000") == (
        1_791_144_000 * NS_PER_S,
        1_791_158_400 * NS_PER_S,
    )
    assert window_times_ns("bitcoin-up-or-down-october-6-2026-12am-et") is None
    assert interval_s("30s") == 30


def test_a_window_knows_its_tokens() -> None:
    of = window()
    assert of.outcome_of(UP_TOKEN) is Outcome.UP
    assert of.outcome_of(DOWN_TOKEN) is Outcome.DOWN
    assert of.outcome_of("3") is None
    assert of.token_id(Outcome.UP) == UP_TOKEN
    assert of.token_id(Outcome.DOWN) == DOWN_TOKEN
    assert of.length_ns == 900 * NS_PER_S
    assert Outcome.UP.complement is Outcome.DOWN
    assert Outcome.DOWN.complement is Outcome.UP


def test_a_taker_who_buys_one_outcome_sells_the_other() -> None:
    assert [side.opposite for side in TakerSide] == [TakerSide.SELL, TakerSide.BUY]
