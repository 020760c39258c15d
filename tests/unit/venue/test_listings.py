"""Gamma markets and CLOB market info: paired right, or refused."""

from __future__ import annotations

from typing import Any

import pytest

from pmcore.model.errors import MalformedInputError
from pmcore.model.market import Outcome, Protocol, Window
from pmcore.model.units import NS_PER_S
from pmcore.venue.listings import (
    accepts_orders,
    check_pairing,
    find_market,
    markets_in,
    parse_clob_market,
    parse_gamma_market,
    winner_of,
)
from support.builders import CONDITION, DOWN_TOKEN, T0_NS, T0_S, UP_TOKEN
from support.frames import without

SLUG = f"btc-updown-15m-{T0_S}"
OPEN, CLOSE = "2026-09-30T11:15:00Z", "2026-09-30T11:30:00Z"


def gamma(**changes: Any) -> dict[str, Any]:
    return {
        "slug": SLUG,
        "conditionId": CONDITION,
        "clobTokenIds": f'["{UP_TOKEN}", "{DOWN_TOKEN}"]',
        "outcomes": '["Up", "Down"]',
        "outcomePrices": '["0.5", "0.5"]',
        "orderPriceMinTickSize": 0.01,
        "orderMinSize": 5,
        "endDate": CLOSE,
        "eventStartTime": OPEN,
        "startDate": "2026-09-29T11:20:00Z",
        "acceptingOrders": True,
        "closed": False,
        "negRisk": False,
        **changes,
    }


EXPECTED = Window(
    series="btc-15m",
    slug=SLUG,
    condition_id=CONDITION,
    up_token_id=UP_TOKEN,
    down_token_id=DOWN_TOKEN,
    open_ns=T0_NS,
    close_ns=T0_NS + 900 * NS_PER_S,
    tick_e4=100,
    min_size_u6=5_000_000,
)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"orderPriceMinTickSize": "0.01", "orderMinSize": "5"},
        {"outcomes": ["Down", "UP"], "clobTokenIds": [DOWN_TOKEN, UP_TOKEN]},
        {"outcomes": '["Yes", "No"]'},
        {"version": "v1", "positionIds": ["8", "9"]},
        {"eventStartTime": None, "endDate": ""},
        {"conditionId": CONDITION.upper().replace("0X", "0x")},
    ],
)
def test_a_listing_becomes_a_window(changes: dict[str, Any]) -> None:
    assert parse_gamma_market(gamma(**changes)) == EXPECTED


def test_protocol_v2_takes_position_ids_and_pads_the_condition() -> None:
    window = parse_gamma_market(
        gamma(version="v2", positionIds=["8", "9"], conditionId="0x" + "ab" * 31, negRisk=True)
    )
    assert (window.protocol, window.up_token_id, window.down_token_id, window.neg_risk) == (
        Protocol.V2,
        "8",
        "9",
        True,
    )
    assert window.condition_id == "0x" + "ab" * 31 + "00"


def test_missing_tick_and_minimum_are_guessed_and_said_so() -> None:
    window = parse_gamma_market(gamma(orderPriceMinTickSize=None, orderMinSize=None))
    assert (window.tick_e4, window.min_size_u6) == (100, 5_000_000)
    assert window.inferred == ("tick_e4", "min_size_u6")


def test_an_hourly_slug_gets_its_times_from_the_listing() -> None:
    window = parse_gamma_market(gamma(slug="bitcoin-up-or-down-october-6-2026-12am-et"))
    assert (window.open_ns, window.close_ns) == (EXPECTED.open_ns, EXPECTED.close_ns)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"slug": None}, "bad_shape"),
        ({"version": "v3"}, "unknown_version"),
        ({"version": "v2"}, "no_token_ids"),
        ({"clobTokenIds": None}, "no_token_ids"),
        ({"clobTokenIds": "[]"}, "no_token_ids"),
        ({"clobTokenIds": []}, "no_token_ids"),
        ({"clobTokenIds": '["1"]'}, "bad_token_ids"),
        ({"clobTokenIds": '["1", "1"]'}, "bad_token_ids"),
        ({"clobTokenIds": '["1", "0xff"]'}, "bad_token_ids"),
        ({"clobTokenIds": ["1", 2]}, "bad_token_ids"),
        ({"clobTokenIds": "["}, "bad_json"),
        ({"outcomes": '["Up", "Up"]'}, "bad_outcomes"),
        ({"outcomes": '["Over", "Under"]'}, "bad_outcomes"),
        ({"outcomes": [1, 2]}, "bad_outcomes"),
        ({"outcomes": None}, "bad_shape"),
        ({"conditionId": "0x12"}, "bad_condition_id"),
        ({"conditionId": None}, "bad_condition_id"),
        ({"endDate": OPEN}, "times_disagree"),
        ({"eventStartTime": CLOSE}, "times_disagree"),
        ({"slug": "some-market", "eventStartTime": None}, "bad_times"),
        ({"slug": "some-market", "endDate": None}, "bad_times"),
        ({"slug": "some-market", "endDate": OPEN}, "bad_times"),
        ({"endDate": "soon"}, "bad_timestamp"),
        ({"orderPriceMinTickSize": 0.3}, "bad_tick"),
        ({"orderMinSize": -5}, "bad_size"),
    ],
)
def test_a_listing_that_cannot_be_trusted_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(MalformedInputError) as caught:
        parse_gamma_market(gamma(**changes))
    assert caught.value.reason == reason


def test_markets_are_found_in_every_shape_of_answer() -> None:
    other = gamma(slug="other-market")
    shapes: list[Any] = [
        gamma(),
        [other, gamma()],
        [{"slug": "event", "markets": [other, gamma()]}],
        {"markets": [gamma()]},
        {"raw": gamma(), "slug": "row"},
    ]
    for shape in shapes:
        assert find_market(shape, SLUG) == gamma()
    assert find_market([], SLUG) is None
    assert list(markets_in(["x", {"a": 1}])) == []


@pytest.mark.parametrize(
    ("changes", "accepting"),
    [({}, True), ({"closed": True}, False), ({"acceptingOrders": None}, False)],
)
def test_accepting_orders(changes: dict[str, Any], accepting: bool) -> None:
    assert accepts_orders(gamma(**changes)) == accepting


@pytest.mark.parametrize(
    ("changes", "winner"),
    [
        ({"closed": True, "outcomePrices": '["1", "0"]'}, Outcome.UP),
        ({"closed": True, "outcomePrices": ["0", "1"]}, Outcome.DOWN),
        ({"closed": True, "outcomePrices": '["0", "1"]', "outcomes": ["No", "Yes"]}, Outcome.UP),
        ({"closed": True, "outcomePrices": '["0.995", "0.005"]'}, None),
        ({"closed": True, "outcomePrices": '["0.5", "0.5"]'}, None),
        ({"closed": True, "outcomePrices": None}, None),
        ({"closed": False, "outcomePrices": '["1", "0"]'}, None),
    ],
)
def test_the_winner_is_named_only_by_a_closed_market(
    changes: dict[str, Any], winner: Outcome | None
) -> None:
    assert winner_of(gamma(**changes)) is winner


def clob(**changes: Any) -> dict[str, Any]:
    return {
        "t": [{"t": UP_TOKEN, "o": "Up"}, {"t": DOWN_TOKEN, "o": "Down"}],
        "mos": 5,
        "mts": 0.01,
        "itode": True,
        **changes,
    }


def test_clob_market_info() -> None:
    market = parse_clob_market(clob())
    assert market.tokens == ((UP_TOKEN, Outcome.UP), (DOWN_TOKEN, Outcome.DOWN))
    assert (market.tick_e4, market.min_size_u6) == (100, 5_000_000)
    assert (market.neg_risk, market.taker_delay) == (False, True)
    assert not parse_clob_market(without(clob(nr=True), "itode")).taker_delay
    check_pairing(EXPECTED, market)


def test_gamma_and_the_clob_must_pair_alike() -> None:
    turned = parse_clob_market(clob(t=[{"t": UP_TOKEN, "o": "Down"}, {"t": DOWN_TOKEN, "o": "Up"}]))
    with pytest.raises(MalformedInputError, match="tokens_disagree"):
        check_pairing(EXPECTED, turned)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"t": None}, "no_token_ids"),
        ({"t": [{"t": "1", "o": "Up"}]}, "bad_outcomes"),
        ({"t": [{"t": "1", "o": "Up"}] * 2 + [{"t": "2", "o": "Down"}]}, "bad_outcomes"),
        ({"t": [{"t": "1"}]}, "bad_outcomes"),
        ({"mts": None}, "bad_tick"),
        ({"mos": None}, "bad_size"),
    ],
)
def test_clob_market_info_that_cannot_be_used(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(MalformedInputError) as caught:
        parse_clob_market(clob(**changes))
    assert caught.value.reason == reason
