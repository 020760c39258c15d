"""The venue's three faces on one port: Gamma's filters, the CLOB's lists, the Data API."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from py_clob_client_v2 import ClobClient, OrderArgs

from pmcore.model.market import Protocol
from pmsim.venue.accounts import AccountsParams
from support.running_venue import RunningVenue, synthetic_venue

pytestmark = pytest.mark.connected

MAKER_KEY, TAKER_KEY = "0x" + "42" * 32, "0x" + "43" * 32
PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    with synthetic_venue() as running:
        yield running


@pytest.fixture
def traded() -> Iterator[tuple[RunningVenue, ClobClient, ClobClient]]:
    """A venue whose trades settle at once, in which one account sold Up to the other by a mint."""
    with synthetic_venue(accounts=AccountsParams(mined_delay_ms=1)) as running:
        maker, taker = running.client(MAKER_KEY), running.client(TAKER_KEY)
        up, down = running.tokens(running.next_slug)
        for client, token_id, price in ((maker, up, 0.55), (taker, down, 0.45)):
            args = OrderArgs(token_id=token_id, price=price, size=10, side="BUY")
            client.create_and_post_order(args, defer_exec=True)
        yield running, maker, taker


def get(venue: RunningVenue, path: str, **params: Any) -> Any:
    answer = httpx.get(f"{venue.url}{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def status(venue: RunningVenue, path: str, **params: Any) -> int:
    return httpx.get(f"{venue.url}{path}", params=params).status_code


def until(read: Any) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := read()):
        assert time.monotonic() < deadline
    return found


# Gamma


@pytest.mark.parametrize("path", ["/markets/keyset", "/markets", "/events/keyset", "/events"])
def test_every_filter_that_names_a_market_finds_that_one(venue: RunningVenue, path: str) -> None:
    kind = path.split("/")[1]
    market = get(venue, f"/{kind}/slug/{venue.next_slug}")
    clob = market if kind == "markets" else market["markets"][0]
    tokens = json.loads(clob["clobTokenIds"])
    for wanted in (
        {"slug": venue.next_slug},
        {"id": market["id"]},
        {"condition_ids": clob["conditionId"]},
        {"clob_token_ids": tokens[1]},
        {"question_ids": clob["questionID"]},
        {"slug": [venue.next_slug, "no-such-slug"], "closed": "false"},
        {"slug": venue.next_slug, "id": market["id"], "version": "v1"},
    ):
        rows = get(venue, path, **wanted)
        rows = rows if isinstance(rows, list) else rows[kind]
        assert [row["slug"] for row in rows] == [venue.next_slug], wanted


@pytest.mark.parametrize("path", ["/markets/keyset", "/markets", "/events/keyset", "/events"])
def test_a_filter_that_nothing_meets_finds_nothing(venue: RunningVenue, path: str) -> None:
    for wanted in (
        {"slug": "no-such-slug"},
        {"id": "1"},
        {"condition_ids": "0x" + "00" * 32},
        {"clob_token_ids": "77"},
        {"slug": venue.slug, "closed": "true"},
        {"slug": venue.slug, "clob_token_ids": venue.tokens(venue.next_slug)[0]},
        {"series_id": "1"},
        {"version": "v2"},
        {"tag_slug": "politics"},
        {"game_id": "5"},
        {"title_search": "election"},
        {"end_date_max": "2020-01-01T00:00:00Z"},
        {"volume_min": "1000000000"},
        {"active": "false"},
    ):
        rows = get(venue, path, **wanted)
        assert (rows if isinstance(rows, list) else rows[path.split("/")[1]]) == [], wanted


def test_times_and_order_choose_windows(venue: RunningVenue) -> None:
    one, two, *_ = get(venue, "/markets", limit=2, end_date_min=_stamp(venue.start_s + 3_600))
    assert one["endDate"] >= _stamp(venue.start_s + 3_600)
    assert one["endDate"] < two["endDate"]
    last = get(venue, "/markets", limit=1, ascending="false")[0]
    assert last["endDate"] > _stamp(venue.start_s + 86_000)
    assert (
        get(venue, "/markets", limit=1, offset=1)[0]["slug"]
        != get(venue, "/markets", limit=1, offset=0)[0]["slug"]
    )
    for wrong in ({"end_date_min": "soon"}, {"volume_min": "much"}, {"offset": "-1"}):
        assert status(venue, "/markets", **wrong) == 422


def _stamp(at_s: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_s))


def test_a_market_shows_its_book(venue: RunningVenue) -> None:
    market = get(venue, f"/markets/slug/{venue.slug}")
    assert market["question"].endswith(" ET")
    assert 0 < market["bestBid"] < market["bestAsk"] < 1
    assert market["spread"] == pytest.approx(market["bestAsk"] - market["bestBid"])
    assert market["liquidityNum"] > 0


def test_series_tags_and_search(venue: RunningVenue) -> None:
    series = get(venue, "/series/10684")
    assert series["slug"] == "btc-up-or-down-5m"
    assert venue.next_slug in [event["slug"] for event in series["events"]]
    assert "events" not in get(venue, "/series", exclude_events="true")[0]
    assert status(venue, "/series/1") == 404
    assert [tag["slug"] for tag in get(venue, "/tags")] == ["crypto", "up-or-down"]
    assert status(venue, "/tags/99") == 404
    found = get(venue, "/public-search", q="bitcoin up", limit_per_type=1)
    assert len(found["events"]) == 1
    assert found["pagination"]["hasMore"] is True
    assert get(venue, "/public-search", q="election")["events"] == []
    assert status(venue, "/public-search", q="") == 422


# the paths that two faces share


def test_markets_with_a_cursor_is_the_clobs_and_without_one_gammas(venue: RunningVenue) -> None:
    seen: list[str] = []
    cursor = "MA=="
    while cursor != "LTE=":
        page = get(venue, "/markets", next_cursor=cursor)
        assert page["count"] == len(page["data"])
        assert {"question", "end_date_iso"} <= page["data"][0].keys()
        seen += [row["condition_id"] for row in page["data"]]
        cursor = page["next_cursor"]
    assert len(set(seen)) == len(seen) >= 2
    assert isinstance(get(venue, "/markets"), list)
    assert status(venue, "/markets", next_cursor="%%") == 400


def test_one_market_is_the_clobs_by_condition_and_gammas_by_number(venue: RunningVenue) -> None:
    gamma = get(venue, f"/markets/slug/{venue.slug}")
    assert get(venue, f"/markets/{gamma['conditionId']}")["market_slug"] == venue.slug
    assert get(venue, f"/markets/{gamma['id']}")["slug"] == venue.slug
    assert status(venue, "/markets/0x00") == 404
    assert status(venue, "/markets/1") == 404
    assert status(venue, "/markets/one") == 422
    assert status(venue, "/events/one") == 422


def test_a_market_that_the_clob_does_not_know_yet_is_in_none_of_its_lists() -> None:
    with synthetic_venue() as venue:
        venue.window(venue.next_slug)
        venue.faults(hydrate_lead_s=1)
        for path in ("/markets", "/simplified-markets", "/sampling-markets"):
            rows = get(venue, path, next_cursor="MA==")["data"]
            assert venue.window(venue.next_slug).condition_id not in {
                row["condition_id"] for row in rows
            }


# trades, their sides, and whose they were


def test_the_last_trade_has_a_side_and_each_token_its_own_price(
    traded: tuple[RunningVenue, ClobClient, ClobClient],
) -> None:
    venue, maker, _ = traded
    up, down = venue.tokens(venue.next_slug)
    until(lambda: maker.get_last_trade_price(down)["side"])
    assert maker.get_last_trade_price(down) == {"price": "0.45", "side": "BUY"}
    assert maker.get_last_trade_price(up) == {"price": "0.55", "side": "SELL"}
    activity = get(venue, f"/markets/live-activity/{venue.window(venue.next_slug).condition_id}")
    assert (activity[0]["outcome"], activity[0]["side"]) == ("Down", "BUY")


def test_the_plural_form_leaves_out_tokens_that_never_traded(venue: RunningVenue) -> None:
    up, _ = venue.tokens(venue.next_slug)
    assert get(venue, "/last-trade-price", token_id=up) == {"price": "0.5", "side": ""}
    asked = httpx.post(f"{venue.url}/last-trades-prices", json=[{"token_id": up}])
    assert asked.json() == []


def test_the_data_api_knows_trades_positions_and_their_value(
    traded: tuple[RunningVenue, ClobClient, ClobClient],
) -> None:
    venue, maker, taker = traded
    up, down = venue.tokens(venue.next_slug)
    wallet = taker.get_address()
    (trade,) = until(lambda: get(venue, "/v2/trades", user=wallet)["data"])
    assert (trade["token_id"], trade["side"], trade["price"]) == (down, "BUY", 0.45)
    assert get(venue, "/v2/trades", user=wallet, side="SELL")["data"] == []
    assert get(venue, "/v2/trades", user=wallet, end=1)["data"] == []
    (old,) = get(venue, "/trades", user=wallet)
    assert (old["asset"], old["outcomeIndex"], old["transactionHash"]) == (
        down,
        1,
        trade["transaction_hash"],
    )
    (position,) = get(venue, "/v2/positions", user=maker.get_address())["data"]
    assert (position["token_id"], position["avg_price"]) == (up, 0.55)
    assert (position["current_size"], position["status"]) == (10, "OPEN")
    (old_position,) = get(venue, "/positions", user=maker.get_address())
    assert (old_position["size"], old_position["avgPrice"]) == (10, 0.55)
    value = get(venue, "/v2/value", user=maker.get_address())["data"]["value"]
    assert value == pytest.approx(position["current_value"])
    assert get(venue, "/value", user=maker.get_address())[0]["value"] == value
    (done,) = get(venue, "/activity", user=wallet)
    assert (done["type"], done["usdcSize"]) == ("TRADE", pytest.approx(4.5))
    public = get(venue, "/v2/trades", condition_id=position["condition_id"])["data"]
    assert [row["proxy_wallet"] for row in public] == [wallet]
    assert status(venue, "/v2/activity", user="me") == 400
    assert status(venue, "/v2/positions") == 400


def test_pages_of_the_data_api_follow_their_cursor(venue: RunningVenue) -> None:
    until(lambda: len(get(venue, "/v2/trades")["data"]) > 3)
    first = get(venue, "/v2/trades", limit=2)
    assert first["pagination"]["has_more"] is True
    cursor = first["pagination"]["next_cursor"]
    assert len(get(venue, "/v2/trades", limit=2, cursor=cursor)["data"]) == 2
    assert status(venue, "/v2/trades", cursor="%%") == 400


def test_rewards_name_the_question_and_both_tokens(venue: RunningVenue) -> None:
    window = venue.window(venue.slug)
    (row,) = get(venue, f"/rewards/markets/{window.condition_id}")["data"]
    assert row["question"].endswith(" ET")
    assert [token["outcome"] for token in row["tokens"]] == ["Up", "Down"]


def test_a_builders_trades_are_found_by_its_code() -> None:
    code = "0x" + "ab" * 32
    with synthetic_venue() as venue:
        maker, taker = venue.client(MAKER_KEY), venue.client(TAKER_KEY)
        up, down = venue.tokens(venue.next_slug)
        maker.create_and_post_order(
            OrderArgs(token_id=up, price=0.55, size=10, side="BUY", builder_code=code)
        )
        taker.create_and_post_order(
            OrderArgs(token_id=down, price=0.45, size=10, side="BUY"), defer_exec=True
        )
        (row,) = until(lambda: get(venue, "/builder/trades", builder_code=code)["data"])
        assert (row["assetId"], row["tradeType"], row["sizeUsdc"]) == (up, "MAKER", "5.5")
        other = get(venue, "/builder/trades", builder_code="0x" + "cd" * 32)
        assert other["data"] == []
        assert status(venue, "/builder/trades", builder_code="0x") == 400


def test_a_v2_market_is_found_by_its_positions_and_both_forms_of_its_condition() -> None:
    with synthetic_venue(protocol=Protocol.V2) as venue:
        market = get(venue, f"/markets/slug/{venue.slug}")
        for wanted in (
            {"position_ids": market["positionIds"][1]},
            {"condition_ids": market["conditionId"]},
            {"condition_ids": market["conditionId"] + "00"},
        ):
            (found,) = get(venue, "/markets/keyset", **wanted)["markets"]
            assert found["slug"] == venue.slug, wanted


def test_who_traded_in_a_market_is_told_once_that_it_was_resolved() -> None:
    with synthetic_venue(speed=100.0, accounts=AccountsParams(mined_delay_ms=1)) as venue:
        maker = venue.client(MAKER_KEY)
        window = venue.window(venue.slug)
        book = maker.get_order_book(window.up_token_id)
        price = min(float(book["asks"][-1]["price"]) + 0.05, 0.95)
        args = OrderArgs(token_id=window.up_token_id, price=round(price, 2), size=5, side="BUY")
        assert maker.create_and_post_order(args, defer_exec=True)["success"] is True
        resolved = until(lambda: [one for one in maker.get_notifications() if one["type"] == 4])
        (payload,) = (one["payload"] for one in resolved)
        assert payload["condition_id"] == window.condition_id
        assert [token["winner"] for token in payload["tokens"]].count(True) == 1
        assert len([one for one in maker.get_notifications() if one["type"] == 4]) == 1


def test_a_trade_that_failed_is_in_no_list_of_the_data_api() -> None:
    with synthetic_venue(accounts=AccountsParams(mined_delay_ms=1)) as venue:
        venue.faults(failed_ppm=1_000_000)
        maker, taker = venue.client(MAKER_KEY), venue.client(TAKER_KEY)
        up, down = venue.tokens(venue.next_slug)
        for client, token_id, price in ((maker, up, 0.55), (taker, down, 0.45)):
            args = OrderArgs(token_id=token_id, price=price, size=10, side="BUY")
            client.create_and_post_order(args, defer_exec=True)
        until(lambda: maker.get_trades()[0]["status"] == "TRADE_STATUS_FAILED")
        assert maker.get_trades()[0]["transaction_hash"]
        assert get(venue, "/v2/trades", user=maker.get_address())["data"] == []
        assert get(venue, "/v2/positions", user=maker.get_address())["data"] == []


def test_an_account_has_read_only_and_builder_keys_of_its_own(venue: RunningVenue) -> None:
    """Driven over HTTP by the Python client; the npm client's test needs Node."""
    maker, taker = venue.client(MAKER_KEY), venue.client(TAKER_KEY)
    key = maker.create_readonly_api_key()["apiKey"]
    assert maker.get_readonly_api_keys() == [key]
    assert taker.get_readonly_api_keys() == []
    assert maker.delete_readonly_api_key(key) is True
    assert maker.get_readonly_api_keys() == []
    builder = maker.create_builder_api_key()
    assert [row["key"] for row in maker.get_builder_api_keys()] == [builder["key"]]
    assert maker.get_pre_migration_orders() == []
    for path in ("/data/pre-migration-orders", "/auth/readonly-api-keys", "/auth/builder-api-key"):
        assert status(venue, path) == 401
