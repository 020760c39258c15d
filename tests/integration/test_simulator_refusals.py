"""Every error text of docs/venue.md 1.6, by the unchanged official client where it can."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from py_clob_client_v2 import (
    ApiCreds,
    ClobClient,
    MarketOrderArgs,
    OrderArgs,
    OrderType,
    PostOrdersV2Args,
)
from py_clob_client_v2.exceptions import PolyApiException
from py_clob_client_v2.order_utils.model.order_data_v2 import order_to_json_v2

from support.running_venue import RunningVenue, synthetic_venue

pytestmark = pytest.mark.connected

MAKER_KEY, OTHER_KEY = "0x" + "42" * 32, "0x" + "43" * 32
UNKNOWN_TOKEN = "77"


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningVenue]:
    with synthetic_venue() as running:
        yield running


@pytest.fixture
def venue(shared: RunningVenue) -> Iterator[RunningVenue]:
    """The same world for all tests of this module, without faults and orders of others."""
    yield shared
    httpx.delete(f"{shared.url}/sim/faults")
    for key in (MAKER_KEY, OTHER_KEY):
        shared.client(key).cancel_all()


@pytest.fixture
def maker(venue: RunningVenue) -> ClobClient:
    return venue.client(MAKER_KEY)


@pytest.fixture
def token(venue: RunningVenue) -> str:
    """Up of the coming window, where nobody quotes yet."""
    return venue.tokens(venue.next_slug)[0]


def refusal(call: Any, *args: Any, **kwargs: Any) -> tuple[int, Any]:
    with pytest.raises(PolyApiException) as refused:
        call(*args, **kwargs)
    body = refused.value.error_msg
    return refused.value.status_code, body["error"] if isinstance(body, dict) else body


def limit(client: ClobClient, token_id: str, price: float = 0.3, **more: Any) -> Any:
    args = OrderArgs(token_id=token_id, price=price, size=more.pop("size", 10), side="BUY", **more)
    return client.create_order(args)


def market(client: ClobClient, token_id: str, amount: float, kind: OrderType) -> Any:
    args = MarketOrderArgs(token_id, amount, "BUY", price=0.5, order_type=kind)
    return client.create_market_order(args)


def post_as(client: ClobClient, order: Any, owner: str) -> Any:
    """POST /order with a foreign owner in the body, signed with the client's own key."""
    body = order_to_json_v2(order, owner, OrderType.GTC, True, False)
    text = json.dumps(body, separators=(",", ":"))
    headers = client._l2_headers("POST", "/order", body=body, serialized_body=text)
    return client._post(f"{client.host}/order", headers=headers, data=text)


def test_a_wrong_key_is_unauthorized(maker: ClobClient) -> None:
    maker.set_api_creds(ApiCreds("nobody", "YQ==", "b"))
    assert refusal(maker.get_open_orders) == (401, "Unauthorized/Invalid api key")


def test_headers_signed_by_another_are_invalid(venue: RunningVenue) -> None:
    headers = {"POLY_ADDRESS": "0x" + "11" * 20, "POLY_SIGNATURE": "0x00", "POLY_TIMESTAMP": "1"}
    answer = httpx.post(f"{venue.url}/auth/api-key", headers=headers)
    assert (answer.status_code, answer.json()) == (401, {"error": "Invalid L1 Request headers"})


def test_keys_are_neither_made_twice_nor_derived_before(venue: RunningVenue) -> None:
    fresh = ClobClient(host=venue.url, chain_id=137, key="0x" + "61" * 32)
    assert refusal(fresh.derive_api_key) == (400, "Could not derive api key!")
    fresh.create_api_key()
    assert refusal(fresh.create_api_key) == (400, "Could not create api key")


def test_a_broken_order_is_an_invalid_payload(maker: ClobClient, token: str) -> None:
    order = limit(maker, token)
    order.makerAmount = "many"
    assert refusal(maker.post_order, order) == (400, "Invalid order payload")


def test_a_changed_order_has_an_invalid_signature(maker: ClobClient, token: str) -> None:
    order = limit(maker, token)
    order.makerAmount = "2900000"
    assert refusal(maker.post_order, order) == (400, "invalid signature")


def test_owner_and_signer_are_those_of_the_key(
    venue: RunningVenue, maker: ClobClient, token: str
) -> None:
    other = venue.client(OTHER_KEY)
    assert refusal(maker.post_order, limit(other, token)) == (
        400,
        "the order signer address has to be the address of the API KEY",
    )
    assert refusal(post_as, maker, limit(maker, token), other.creds.api_key) == (
        400,
        "the order owner has to be the owner of the API KEY",
    )


def test_addresses_may_be_kept_out(venue: RunningVenue, maker: ClobClient, token: str) -> None:
    address = maker.get_address()
    venue.faults(not_allowed=[address])
    assert refusal(maker.post_order, limit(maker, token)) == (
        400,
        "maker address not allowed, please use the deposit wallet flow",
    )
    venue.faults(banned=[address.lower()])
    assert refusal(maker.post_order, limit(maker, token))[1] == f"'{address}' address banned"
    venue.faults(closed_only=[address])
    text = f"'{address}' address in closed only mode"
    assert refusal(maker.post_order, limit(maker, token)) == (400, text)
    assert maker.get_closed_only_mode() == {"closed_only": True}


def test_the_domain_of_the_other_protocol_is_a_version_mismatch(
    maker: ClobClient, token: str
) -> None:
    maker.get_clob_market_info(maker._get(f"{maker.host}/markets-by-token/{token}")["condition_id"])
    args = OrderArgs(token_id=None, position_id=token, price=0.3, size=10, side="BUY")
    assert refusal(maker.post_order, maker.create_order(args)) == (400, "order_version_mismatch")


def test_a_crossing_post_only_order_is_refused(venue: RunningVenue, maker: ClobClient) -> None:
    up, _ = venue.tokens(venue.slug)
    assert refusal(maker.post_order, limit(maker, up, 0.99), post_only=True) == (
        400,
        "invalid post-only order: order crosses book",
    )


def test_own_bids_that_add_up_to_a_dollar_cross(venue: RunningVenue, maker: ClobClient) -> None:
    up, down = venue.tokens(venue.next_slug)
    maker.post_order(limit(maker, up, 0.55), post_only=True)
    crossing = refusal(maker.post_order, limit(maker, down, 0.45), post_only=True)
    assert crossing == (400, "invalid post-only order: order crosses book")


def test_tick_size_and_minimum_are_kept(maker: ClobClient, token: str) -> None:
    limit(maker, token)
    maker._ClobClient__tick_sizes[token] = "0.001"  # a client that remembers a finer tick
    status, text = refusal(maker.post_order, limit(maker, token, 0.305))
    assert status == 400
    assert text.startswith("order 0x")
    assert text.endswith("is invalid. Price (0.305) breaks minimum tick size rule: 0.01")
    status, text = refusal(maker.post_order, limit(maker, token, size=1.08))
    assert text.endswith("is invalid. Size (1.08) lower than the minimum: 5")


def test_the_same_order_twice_is_duplicated(maker: ClobClient, token: str) -> None:
    order = limit(maker, token)
    order_id = maker.post_order(order, post_only=True)["orderID"]
    text = f"order {order_id} is invalid. Duplicated."
    assert refusal(maker.post_order, order, post_only=True) == (400, text)


def test_money_that_is_not_there_cannot_be_spent(maker: ClobClient, token: str) -> None:
    status, text = refusal(maker.post_order, limit(maker, token, size=10**9))
    assert status == 400
    assert text.startswith("not enough balance / allowance")


def test_shares_that_are_not_there_cannot_be_sold(maker: ClobClient, token: str) -> None:
    args = OrderArgs(token_id=token, price=0.3, size=10, side="SELL")
    status, text = refusal(maker.post_order, maker.create_order(args))
    assert status == 400
    assert text.startswith("not enough balance / allowance")


def test_an_expiration_must_be_three_minutes_ahead(
    venue: RunningVenue, maker: ClobClient, token: str
) -> None:
    soon = maker.get_server_time() + 120
    order = limit(maker, token, expiration=soon)
    assert refusal(maker.post_order, order, OrderType.GTD) == (400, "invalid expiration")
    later = limit(maker, token, expiration=soon + 120)
    assert maker.post_order(later, OrderType.GTD, post_only=True)["status"] == "live"


def test_a_taker_must_spend_a_dollar(venue: RunningVenue, maker: ClobClient) -> None:
    up, down = venue.tokens(venue.next_slug)
    other = venue.client(OTHER_KEY)
    other.post_order(limit(other, down, 0.9), post_only=True)
    order = limit(maker, up, 0.1, size=5)
    status, text = refusal(maker.post_order, order)
    assert (status, text) == (
        400,
        "invalid amount for a marketable BUY order ($0.5), min size: $1",
    )


def test_a_market_buy_has_whole_cents(maker: ClobClient, token: str) -> None:
    order = limit(maker, token, 0.33, size=10.01)
    status, text = refusal(maker.post_order, order, OrderType.FAK)
    assert (status, text) == (
        400,
        "invalid amounts, the market buy orders maker amount supports a max accuracy of 2 "
        "decimals, taker amount a max of 4 decimals",
    )


def test_what_cannot_be_filled_is_killed(maker: ClobClient, token: str) -> None:
    assert refusal(maker.post_order, market(maker, token, 10, OrderType.FOK), OrderType.FOK) == (
        400,
        "order couldn't be fully filled. FOK orders are fully filled or killed.",
    )
    assert refusal(maker.post_order, market(maker, token, 10, OrderType.FAK), OrderType.FAK) == (
        400,
        "no orders found to match with FAK order. FAK orders are partially filled or killed if no "
        "match is found.",
    )


def test_a_batch_has_at_most_fifteen(maker: ClobClient, token: str) -> None:
    batch = [PostOrdersV2Args(order=limit(maker, token), orderType="GTC")] * 16
    text = "Too many orders in payload: 16, max allowed: 15"
    assert refusal(maker.post_orders, batch) == (400, text)


def test_what_is_not_known_is_not_found(venue: RunningVenue, maker: ClobClient) -> None:
    no_book = (404, "No orderbook exists for the requested token id")
    assert refusal(maker.get_order_book, UNKNOWN_TOKEN) == no_book
    assert refusal(maker.get_market, "0x" + "00" * 32) == (404, "market not found")
    assert refusal(maker.get_order, "0x" + "00" * 32) == (404, "Order not found")
    fees = httpx.get(f"{venue.url}/fee-rate", params={"token_id": UNKNOWN_TOKEN})
    no_fee = {"error": "fee rate not found for market"}
    assert (fees.status_code, fees.json()) == (404, no_fee)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (400, "order {id} crosses the book"),
        (400, "invalid nonce"),
        (400, "order canceled in the CTF exchange contract"),
        (400, "order match delayed due to market conditions"),
        (400, "the market is not yet ready to process new orders"),
        (500, "could not insert order"),
        (500, "there are no matching orders"),
        (500, "the trade contains rounding issues"),
        (
            500,
            "the price of the taker's order has a discrepancy greater than allowed with the worst "
            "maker order",
        ),
        (500, "could not run the execution"),
        (429, "Too Many Requests"),
    ],
)
def test_what_no_order_can_provoke_is_answered_on_request(
    venue: RunningVenue, maker: ClobClient, token: str, status: int, text: str
) -> None:
    venue.faults(refusals=[{"status": status, "text": text, "retry_after_s": 1}])
    got, said = refusal(maker.post_order, limit(maker, token), post_only=True)
    assert (got, re.sub("0x[0-9a-f]{64}", "{id}", said)) == (status, text)
    assert maker.post_order(limit(maker, token), post_only=True)["status"] == "live"


def test_modes_refuse_with_their_codes(venue: RunningVenue, maker: ClobClient, token: str) -> None:
    order_id = maker.post_order(limit(maker, token), post_only=True)["orderID"]
    venue.faults(mode="restart", mode_s=600)
    assert refusal(maker.post_order, limit(maker, token)) == (425, "Service is not ready")
    assert refusal(maker.cancel_all) == (425, "Service is not ready")
    venue.faults(mode="post_only", mode_s=79)
    with pytest.raises(PolyApiException) as refused:
        maker.post_order(limit(maker, token))
    assert refused.value.status_code == 503
    assert refused.value.error_msg["code"] == "post_only_mode"
    assert 60 < refused.value.error_msg["retry_after_seconds"] <= 79
    assert maker.post_order(limit(maker, token, 0.29), post_only=True)["status"] == "live"
    venue.faults(mode="cancel_only")
    status, text = refusal(maker.post_order, limit(maker, token), post_only=True)
    assert (status, text.split(".")[0]) == (503, "Trading is currently cancel-only")
    assert order_id in maker.cancel_all()["canceled"]
    venue.faults(mode="disabled")
    status, text = refusal(maker.cancel_all)
    assert (status, text.split(".")[0]) == (503, "Trading is currently disabled")


def test_a_restart_ends_in_post_only_mode() -> None:
    with synthetic_venue(speed=20.0) as venue:
        maker = venue.client(MAKER_KEY)
        token_id = venue.tokens(venue.next_slug)[0]
        order = limit(maker, token_id)
        venue.faults(mode="restart", mode_s=60)
        deadline = time.monotonic() + 20
        statuses = set()
        while 503 not in statuses and time.monotonic() < deadline:
            statuses.add(refusal(maker.post_order, order)[0])
        assert statuses == {425, 503}
        assert maker.post_order(limit(maker, token_id), post_only=True)["status"] == "live"
