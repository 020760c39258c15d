"""Orders as the official client sends them, and each refusal that needs no book."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from py_clob_client_v2 import ClobClient, OrderArgs, PartialCreateOrderOptions
from py_clob_client_v2.order_utils.exchange_order_builder_v2 import ExchangeOrderBuilderV2
from py_clob_client_v2.order_utils.model.order_data_v2 import OrderDataV2, order_to_json_v2
from py_clob_client_v2.order_utils.model.side import Side

from pmcore.model.market import Protocol, Window
from pmcore.venue.contracts import EXCHANGE
from pmsim.venue.ports import NewOrder, OrderSide, TimeInForce
from pmsimulator.answers import VenueError
from pmsimulator.credentials import Credentials, credentials_for
from pmsimulator.order_entry import check_order, decode_batch, decode_order

KEY = "0x" + "42" * 32
WALLET = "0x" + "77" * 20
NOW_S = 1_790_000_000
WINDOW = Window(
    series="btc-5m",
    slug="btc-updown-5m-1790000100",
    condition_id="0x" + "ab" * 32,
    up_token_id="111",
    down_token_id="222",
    open_ns=1,
    close_ns=2,
    tick_e4=100,
    min_size_u6=5_000_000,
)


class Trader:
    """An official client without a network: it only builds and signs."""

    def __init__(self, signature_type: int = 0) -> None:
        funder = WALLET if signature_type else None
        self.client = ClobClient(
            "http://unused", 137, key=KEY, signature_type=signature_type, funder=funder
        )
        self.credentials = credentials_for(self.client.get_address(), 0)

    def body(self, order_type: str = "GTC", *, version: int = 2, **order: Any) -> dict[str, Any]:
        wanted = {"token_id": "111", "price": 0.48, "size": Decimal(10), "side": "BUY", **order}
        options = PartialCreateOrderOptions(tick_size="0.001", neg_risk=False, version=version)
        tick_known = {"111": "0.0001", "222": "0.0001"}
        self.client._ClobClient__tick_sizes = tick_known  # the client would ask the venue
        signed = self.client.create_order(OrderArgs(**wanted), options)
        body: dict[str, Any] = order_to_json_v2(
            signed, self.credentials.api_key, order_type, order_type == "GTC"
        )
        return body

    def body_of_amounts(self, maker: str, taker: str, order_type: str = "GTC") -> dict[str, Any]:
        builder = ExchangeOrderBuilderV2(EXCHANGE, 137, self.client.signer)
        data = OrderDataV2(
            maker=self.client.get_address(),
            tokenId="111",
            makerAmount=maker,
            takerAmount=taker,
            side=Side.BUY,
        )
        signed = builder.build_signed_order(data)
        body: dict[str, Any] = order_to_json_v2(signed, self.credentials.api_key, order_type)
        return body

    def check(self, body: dict[str, Any], window: Window = WINDOW) -> NewOrder:
        post = decode_order(json.dumps(body).encode())
        return check_order(post, self.credentials, window, chain_id=137, now_s=NOW_S)


def refusal(trader: Trader, body: dict[str, Any]) -> str:
    with pytest.raises(VenueError) as refused:
        trader.check(body)
    assert refused.value.status == 400
    return str(refused.value)


@pytest.mark.parametrize("signature_type", [0, 1, 2, 3])
def test_every_signature_type_is_taken(signature_type: int) -> None:
    trader = Trader(signature_type)
    order = trader.check(trader.body())
    assert (order.price_e4, order.size_u6, order.side) == (4_800, 10_000_000, OrderSide.BUY)
    assert order.post_only
    assert len(order.order_hash) == 66


def test_a_sale_has_its_amounts_the_other_way_round() -> None:
    trader = Trader()
    order = trader.check(trader.body(side="SELL", price=0.521, size=Decimal("7.5")))
    assert (order.price_e4, order.size_u6, order.side) == (5_210, 7_500_000, OrderSide.SELL)


def test_the_key_of_another_is_refused() -> None:
    trader = Trader()
    body = trader.body()
    body["owner"] = "00000000-0000-4000-8000-000000000000"
    assert refusal(trader, body) == "the order owner has to be the owner of the API KEY"


def test_the_signer_must_be_the_keys_address() -> None:
    trader = Trader()
    body = trader.body()
    other = credentials_for(WALLET, 0)
    trader.credentials = Credentials(WALLET, body["owner"], other.secret, other.passphrase)
    expected = "the order signer address has to be the address of the API KEY"
    assert refusal(trader, body) == expected


@pytest.mark.parametrize(
    ("name", "value"), [("makerAmount", "4700000"), ("salt", 5), ("signature", "0x00")]
)
def test_a_changed_order_is_an_invalid_signature(name: str, value: object) -> None:
    trader = Trader()
    body = trader.body()
    body["order"][name] = value
    assert refusal(trader, body) == "invalid signature"


def test_the_other_protocols_domain_is_a_version_mismatch() -> None:
    trader = Trader()
    assert refusal(trader, trader.body(version=3)) == "order_version_mismatch"
    v2 = msgspec.structs.replace(WINDOW, protocol=Protocol.V2)
    assert trader.check(trader.body(version=3), v2).price_e4 == 4_800


def test_an_order_of_the_first_clob_is_a_version_mismatch() -> None:
    body = Trader().body()
    del body["order"]["timestamp"]
    body["order"] |= {"taker": WALLET, "nonce": "0", "feeRateBps": "0"}
    with pytest.raises(VenueError, match="order_version_mismatch"):
        decode_order(json.dumps(body).encode())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("orderType",), "IOC"),
        (("order", "side"), "HOLD"),
        (("order", "tokenId"), "-1"),
        (("order", "takerAmount"), "0"),
        (("order", "makerAmount"), "1.5"),
        (("order", "signatureType"), 4),
        (("order", "salt"), -1),
        (("order", "expiration"), "soon"),
    ],
)
def test_odd_values_are_a_bad_payload(path: tuple[str, ...], value: object) -> None:
    trader = Trader()
    body = trader.body()
    target = body
    for name in path[:-1]:
        target = target[name]
    target[path[-1]] = value
    assert refusal(trader, body) == "Invalid order payload"


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'"x"', b'{"order":1}', b"\xff"])
def test_no_json_is_a_bad_payload(raw: bytes) -> None:
    with pytest.raises(VenueError, match="Invalid order payload"):
        decode_order(raw)


def test_a_batch_has_a_limit() -> None:
    body = Trader().body()
    assert len(decode_batch(json.dumps([body] * 15).encode())) == 15
    with pytest.raises(VenueError, match="Too many orders in payload: 16, max allowed: 15"):
        decode_batch(json.dumps([body] * 16).encode())
    with pytest.raises(VenueError, match="Invalid order payload"):
        decode_batch(b"[]")


def test_post_only_does_not_go_with_immediate_orders() -> None:
    trader = Trader()
    body = trader.body("FAK")
    body["postOnly"] = True
    assert refusal(trader, body) == "Invalid order payload"


def test_gtd_needs_three_minutes_and_others_no_expiration() -> None:
    trader = Trader()
    assert refusal(trader, trader.body("GTD", expiration=NOW_S + 179)) == "invalid expiration"
    order = trader.check(trader.body("GTD", expiration=NOW_S + 180))
    assert (order.time_in_force, order.expiration_s) == (TimeInForce.GTD, NOW_S + 180)
    assert refusal(trader, trader.body("GTC", expiration=NOW_S + 600)) == "invalid expiration"


def test_a_price_between_the_smallest_steps_breaks_the_tick() -> None:
    trader = Trader()
    body = trader.body_of_amounts("3333333", "10000000")
    assert "Price (0.3333333) breaks minimum tick size rule: 0.01" in refusal(trader, body)


def test_the_price_of_an_immediate_order_is_the_nearest() -> None:
    trader = Trader()
    order = trader.check(trader.body_of_amounts("10000000", "19230700", "FAK"))
    assert (order.price_e4, order.size_u6) == (5_200, 19_230_000)
