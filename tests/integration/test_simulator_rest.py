"""The unchanged official client against the running simulator, on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from py_clob_client_v2 import (
    ApiCreds,
    BalanceAllowanceParams,
    BookParams,
    ClobClient,
    OpenOrderParams,
    OrderArgs,
    OrderMarketCancelParams,
    OrderPayload,
    PostOrdersV2Args,
    TradeParams,
)
from py_clob_client_v2.exceptions import PolyApiException

from pmsimulator.rate_limits import Tier
from support.running_venue import RunningVenue, synthetic_venue

pytestmark = pytest.mark.connected

MAKER_KEY = "0x" + "42" * 32
TAKER_KEY = "0x" + "43" * 32


@pytest.fixture
def venue() -> Iterator[RunningVenue]:
    """Ten seconds into a five-minute window; the next one's book is still empty."""
    with synthetic_venue() as running:
        yield running


@pytest.fixture
def maker(venue: RunningVenue) -> ClobClient:
    return venue.client(MAKER_KEY)


def refusal(call: Any, *args: Any, **kwargs: Any) -> tuple[int, Any]:
    with pytest.raises(PolyApiException) as refused:
        call(*args, **kwargs)
    return refused.value.status_code, refused.value.error_msg


def buy(client: ClobClient, token_id: str, price: float, size: int, **options: Any) -> Any:
    args = OrderArgs(token_id=token_id, price=price, size=size, side="BUY")
    return client.create_and_post_order(args, post_only=options.pop("post_only", True), **options)


def open_ids(client: ClobClient, params: OpenOrderParams | None = None) -> list[str]:
    return [order["id"] for order in client.get_open_orders(params)]


def test_keys_are_created_derived_listed_and_revoked(venue: RunningVenue) -> None:
    client = ClobClient(host=venue.url, chain_id=137, key=MAKER_KEY)
    assert refusal(client.derive_api_key) == (400, {"error": "Could not derive api key!"})
    created = client.create_api_key()
    assert client.derive_api_key() == created
    assert refusal(client.create_api_key) == (400, {"error": "Could not create api key"})
    client.set_api_creds(created)
    assert client.get_api_keys() == {"apiKeys": [created.api_key]}
    assert client.get_closed_only_mode() == {"closed_only": False}
    client.delete_api_key()
    unauthorized = (401, {"error": "Unauthorized/Invalid api key"})
    assert refusal(client.get_open_orders) == unauthorized
    client.set_api_creds(ApiCreds("a", "YQ==", "b"))
    assert refusal(client.get_open_orders) == unauthorized


def test_gamma_and_the_clob_agree_about_a_market(venue: RunningVenue, maker: ClobClient) -> None:
    listed = httpx.get(f"{venue.url}/events/keyset", params={"series_slug": "btc-5m"}).json()
    slugs = [event["slug"] for event in listed["events"]]
    assert venue.slug in slugs
    assert venue.next_slug in slugs
    gamma = httpx.get(f"{venue.url}/markets", params={"slug": venue.slug}).json()[0]
    tokens = json.loads(gamma["clobTokenIds"])
    info = maker.get_clob_market_info(gamma["conditionId"])
    assert [entry["t"] for entry in info["t"]] == tokens
    assert [entry["o"] for entry in info["t"]] == json.loads(gamma["outcomes"])
    assert (info["mts"], info["mos"]) == (gamma["orderPriceMinTickSize"], gamma["orderMinSize"])
    legacy = maker.get_market(gamma["conditionId"])
    assert [entry["token_id"] for entry in legacy["tokens"]] == tokens
    fresh = ClobClient(host=venue.url, chain_id=137)
    for token_id in tokens:
        assert fresh.get_tick_size(token_id) == "0.01"
        assert fresh.get_neg_risk(token_id) is False
        assert fresh.get_fee_rate_bps(token_id) == 1000
        by_token = httpx.get(f"{venue.url}/markets-by-token/{token_id}").json()
        assert by_token["condition_id"] == gamma["conditionId"]
        assert int(by_token["primary_token_id"]) == min(map(int, tokens))
    assert httpx.get(f"{venue.url}/events", params={"slug": venue.slug}).json()[0]["markets"]
    assert httpx.get(f"{venue.url}/markets", params={"slug": "btc-updown-5m-1"}).json() == []


def test_books_and_prices_are_one(venue: RunningVenue, maker: ClobClient) -> None:
    up, down = venue.tokens(venue.slug)
    book = maker.get_order_book(up)
    assert maker.get_order_book_hash(book) == book["hash"]
    bids, asks = ([float(level["price"]) for level in book[side]] for side in ("bids", "asks"))
    assert bids == sorted(bids)
    assert asks == sorted(asks, reverse=True)
    both = maker.get_order_books([BookParams(token_id=up), BookParams(token_id=down)])
    assert [one["asset_id"] for one in both] == [up, down]
    assert 0 < float(maker.get_midpoint(up)["mid"]) < 1
    assert float(maker.get_price(up, "BUY")["price"]) < float(maker.get_price(up, "SELL")["price"])
    assert float(maker.get_spread(up)["spread"]) > 0
    assert "price" in maker.get_last_trade_price(up)
    assert maker.get_ok() == "OK"
    assert maker.get_version() == 2
    assert maker.get_server_time() >= venue.start_s
    assert refusal(maker.get_order_book, "5") == (
        404,
        {"error": "No orderbook exists for the requested token id"},
    )


def test_both_outcomes_rest_and_go(venue: RunningVenue, maker: ClobClient) -> None:
    tokens = venue.tokens(venue.next_slug)
    answers = [buy(maker, token_id, 0.48, 10) for token_id in tokens]
    for answer in answers:
        assert (answer["success"], answer["errorMsg"], answer["status"]) == (True, "", "live")
    ids = [answer["orderID"] for answer in answers]
    assert open_ids(maker) == ids
    assert open_ids(maker, OpenOrderParams(asset_id=tokens[1])) == ids[1:]
    assert open_ids(maker, OpenOrderParams(id=ids[0])) == ids[:1]
    row = maker.get_order(ids[0])
    assert (row["status"], row["price"], row["original_size"], row["size_matched"]) == (
        "ORDER_STATUS_LIVE",
        "0.48",
        "10",
        "0",
    )
    assert (row["outcome"], row["side"], row["order_type"]) == ("Up", "BUY", "GTC")
    assert maker.cancel_order(OrderPayload(orderID=ids[0])) == {
        "canceled": [ids[0]],
        "not_canceled": {},
    }
    again = maker.cancel_order(OrderPayload(orderID=ids[0]))
    assert again == {
        "canceled": [],
        "not_canceled": {ids[0]: "Order not found or already canceled"},
    }
    assert maker.get_order(ids[0])["status"] == "ORDER_STATUS_CANCELED"
    assert refusal(maker.get_order, "0x" + "00" * 32) == (404, {"error": "Order not found"})


def test_every_way_to_cancel(venue: RunningVenue, maker: ClobClient) -> None:
    up, down = venue.tokens(venue.next_slug)
    condition_id = venue.window(venue.next_slug).condition_id

    def place() -> list[str]:
        return [buy(maker, token_id, 0.3, 10)["orderID"] for token_id in (up, down)]

    first = place()
    assert maker.cancel_orders([*first, "0x00"])["canceled"] == first
    second = place()
    assert maker.cancel_all()["canceled"] == second
    assert maker.cancel_all() == {"canceled": [], "not_canceled": {}}
    third = place()
    by_token = maker.cancel_market_orders(OrderMarketCancelParams(asset_id=down))
    assert by_token["canceled"] == third[1:]
    by_market = maker.cancel_market_orders(OrderMarketCancelParams(market=condition_id))
    assert by_market["canceled"] == third[:1]
    assert open_ids(maker) == []


def test_a_batch_may_fail_in_parts(venue: RunningVenue, maker: ClobClient) -> None:
    up, down = venue.tokens(venue.next_slug)
    orders = [
        maker.create_order(OrderArgs(token_id=token_id, price=price, size=10, side="BUY"))
        for token_id, price in ((up, 0.6), (down, 0.3), (down, 0.45))
    ]
    batch = [PostOrdersV2Args(order=order, orderType="GTC") for order in orders]
    rested, also_rested, crossed = maker.post_orders(batch, post_only=True)
    assert [rested["status"], also_rested["status"]] == ["live", "live"]
    assert (crossed["success"], crossed["orderID"]) == (True, "")
    assert crossed["errorMsg"] == "invalid post-only order: order crosses book"
    assert open_ids(maker) == [rested["orderID"], also_rested["orderID"]]
    too_many = refusal(maker.post_orders, batch * 6, post_only=True)
    assert too_many == (400, {"error": "Too many orders in payload: 18, max allowed: 15"})


def test_refusals_have_the_venues_texts(venue: RunningVenue, maker: ClobClient) -> None:
    up, _ = venue.tokens(venue.slug)
    crossing = refusal(buy, maker, up, 0.99, 10)
    assert crossing == (400, {"error": "invalid post-only order: order crosses book"})
    signed = maker.create_order(OrderArgs(token_id=up, price=0.01, size=10, side="BUY"))
    order_id = maker.post_order(signed, post_only=True)["orderID"]
    assert refusal(maker.post_order, signed, post_only=True) == (
        400,
        {"error": f"order {order_id} is invalid. Duplicated."},
    )
    status, body = refusal(buy, maker, up, 0.01, 4)
    assert status == 400
    assert body["error"].endswith("is invalid. Size (4) lower than the minimum: 5")
    status, body = refusal(buy, maker, up, 0.02, 10**9)
    assert status == 400
    assert body["error"].startswith("not enough balance / allowance")
    stranger = venue.client(TAKER_KEY)
    signed.signer = stranger.get_address()
    assert refusal(maker.post_order, signed)[1]["error"] == (
        "the order signer address has to be the address of the API KEY"
    )
    unknown = OrderArgs(token_id="77", price=0.5, size=10, side="BUY")
    assert refusal(maker.create_and_post_order, unknown)[0] == 404


def test_a_price_off_the_grid_is_refused(venue: RunningVenue, maker: ClobClient) -> None:
    up, _ = venue.tokens(venue.next_slug)
    maker._ClobClient__tick_sizes[up] = "0.001"  # a client that remembers a finer tick
    status, body = refusal(buy, maker, up, 0.305, 10)
    assert status == 400
    assert body["error"].endswith("Price (0.305) breaks minimum tick size rule: 0.01")


def test_a_mint_is_a_fill_for_both(venue: RunningVenue, maker: ClobClient) -> None:
    taker = venue.client(TAKER_KEY)
    up, down = venue.tokens(venue.next_slug)
    resting = buy(maker, up, 0.55, 10)["orderID"]
    taken = buy(taker, down, 0.46, 6, post_only=False, defer_exec=True)
    assert taken["status"] == "matched"
    (trade,) = maker.get_trades(TradeParams(market=venue.window(venue.next_slug).condition_id))
    assert trade["id"] in taken["tradeIDs"]
    assert (trade["trader_side"], trade["asset_id"], trade["side"]) == ("MAKER", down, "BUY")
    (entry,) = trade["maker_orders"]
    assert (entry["order_id"], entry["asset_id"]) == (resting, up)
    assert (entry["price"], entry["matched_amount"]) == ("0.55", "6")
    assert trade["status"].startswith("TRADE_STATUS_")
    assert maker.get_order(resting)["size_matched"] == "6"
    shares = BalanceAllowanceParams(asset_type="CONDITIONAL", token_id=up)
    assert maker.get_balance_allowance(shares)["balance"] == "6000000"
    assert taker.get_trades(TradeParams(id=trade["id"]))[0]["trader_side"] == "TAKER"
    assert taker.get_trades(TradeParams(asset_id="77")) == []
    audit = httpx.get(f"{venue.url}/audit").json()
    assert (audit["orders_open"], audit["fills"]) == (1, 2)
    positions = {row["maker_address"]: row["positions"] for row in audit["accounts"]}
    assert positions[maker.get_address()] == {up: "6"}
    assert positions[taker.get_address()] == {down: "6"}


def test_activity_counts_by_account_and_window(venue: RunningVenue, maker: ClobClient) -> None:
    up, _ = venue.tokens(venue.next_slug)
    first = buy(maker, up, 0.30, 10)["orderID"]
    buy(maker, up, 0.31, 10)
    maker.cancel_orders([first])
    (account,) = httpx.get(f"{venue.url}/sim/activity").json()["accounts"]
    assert account == {
        "maker_address": maker.get_address(),
        "armed": False,
        "windows": {venue.next_slug: {"placed": 2, "resting": 1}},
    }


def test_balances_fall_with_a_purchase_not_with_a_quote(
    venue: RunningVenue, maker: ClobClient
) -> None:
    cash = BalanceAllowanceParams(asset_type="COLLATERAL")
    before = int(maker.get_balance_allowance(cash)["balance"])
    assert maker.get_balance_allowance(cash)["allowances"]
    buy(maker, venue.tokens(venue.next_slug)[0], 0.5, 10)
    assert int(maker.update_balance_allowance(cash)["balance"]) == before
    _, down = venue.tokens(venue.next_slug)
    buy(venue.client(TAKER_KEY), down, 0.5, 10, post_only=False, defer_exec=True)
    assert int(maker.get_balance_allowance(cash)["balance"]) == before - 5_000_000


def test_heartbeats_chain_and_recover_from_a_wrong_id(maker: ClobClient) -> None:
    first = maker.post_heartbeat("")["heartbeat_id"]
    second = maker.post_heartbeat(first)["heartbeat_id"]
    status, body = refusal(maker.post_heartbeat, first)
    assert (status, body) == (400, {"error_msg": "Invalid Heartbeat ID", "heartbeat_id": second})
    assert maker.post_heartbeat(body["heartbeat_id"])["heartbeat_id"] not in (first, second)


def test_an_account_sees_and_cancels_only_its_own(venue: RunningVenue, maker: ClobClient) -> None:
    order_id = buy(maker, venue.tokens(venue.next_slug)[0], 0.3, 10)["orderID"]
    other = venue.client(TAKER_KEY)
    assert open_ids(other) == []
    assert refusal(other.get_order, order_id)[0] == 404
    assert order_id in other.cancel_order(OrderPayload(orderID=order_id))["not_canceled"]
    assert other.cancel_all()["canceled"] == []
    assert open_ids(maker) == [order_id]


def test_pages_follow_cursors() -> None:
    with synthetic_venue(tier=Tier.OFF) as venue:
        maker = venue.client(MAKER_KEY)
        up, _ = venue.tokens(venue.next_slug)
        ids = []
        for _ in range(8):
            orders = [
                maker.create_order(OrderArgs(token_id=up, price=cents / 100, size=5, side="BUY"))
                for cents in range(1, 15)
            ]
            args = [PostOrdersV2Args(order=order, orderType="GTC") for order in orders]
            ids += [row["orderID"] for row in maker.post_orders(args, post_only=True)]
        assert "" not in ids
        assert open_ids(maker) == ids
        assert len(maker.get_open_orders(only_first_page=True)) == 100


def test_a_wallet_is_named_in_orders_and_frames(venue: RunningVenue) -> None:
    wallet = "0x" + "77" * 20
    for signature_type in (1, 2, 3):
        client = venue.client(
            f"0x{signature_type:064x}", signature_type=signature_type, funder=wallet
        )
        buy(client, venue.tokens(venue.next_slug)[0], 0.2, 10)
        assert client.get_open_orders()[0]["maker_address"] == wallet


def test_scoring_and_notifications_answer(maker: ClobClient) -> None:
    assert maker.get_notifications() == []
    assert maker.is_order_scoring() == {"scoring": False}


def test_limits_are_told_and_enforced() -> None:
    with synthetic_venue() as venue:
        maker = venue.client(MAKER_KEY)
        token_id = venue.tokens(venue.next_slug)[0]
        order = maker.create_order(OrderArgs(token_id=token_id, price=0.2, size=5, side="BUY"))
        args = [PostOrdersV2Args(order=order, orderType="GTC")] * 15
        statuses = []
        for _ in range(12):
            try:
                maker.post_orders(args)
                statuses.append(200)
            except PolyApiException as error:
                statuses.append(error.status_code)
        assert statuses[:4] == [200, 200, 200, 200]
        assert 429 in statuses


def test_unknown_paths_and_missing_parameters_are_named(venue: RunningVenue) -> None:
    unknown = httpx.get(f"{venue.url}/nothing")
    assert (unknown.status_code, unknown.json()) == (404, {"error": "Not Found"})
    assert httpx.get(f"{venue.url}/book").json() == {"error": "invalid parameters: token_id"}
