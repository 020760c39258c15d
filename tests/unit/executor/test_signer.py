"""What the signer makes, and what it never shows. Its bytes are a property test's matter."""

from __future__ import annotations

import json

import pytest

from pmcore.model.errors import InvariantError
from pmcore.model.market import Protocol
from pmcore.venue.contracts import exchange_domain
from pmexecutor.settings import THROWAWAY_ADDRESS
from pmexecutor.signer import OrderSigner, SignatureType, assert_fast_curve, buy_amounts_u6

KEY = b"\x11" * 32
DOMAIN = exchange_domain(137, Protocol.V1, neg_risk=False)


def test_libsecp256k1_signs_here() -> None:
    assert_fast_curve()


def test_the_key_has_no_text_form() -> None:
    signer = OrderSigner(KEY)
    assert signer.address == THROWAWAY_ADDRESS
    assert repr(signer) == f"OrderSigner({THROWAWAY_ADDRESS})"


def test_the_same_order_has_the_same_id_and_another_salt_another() -> None:
    signer = OrderSigner(KEY)

    def order_hash(salt: int) -> str:
        return signer.buy(
            token_id=1,
            price_e4=4_700,
            size_u6=5_000_000,
            domain=DOMAIN,
            salt=salt,
            timestamp_ms=1,
        ).order_hash

    assert order_hash(1) == order_hash(1)
    assert order_hash(1) != order_hash(2)


def test_every_order_is_a_post_only_gtc_buy() -> None:
    signed = OrderSigner(KEY).buy(
        token_id=1, price_e4=4_700, size_u6=5_019_999, domain=DOMAIN, salt=7, timestamp_ms=1
    )
    body = json.loads(signed.body("owner"))
    assert (body["orderType"], body["postOnly"], body["deferExec"]) == ("GTC", True, False)
    order = body["order"]
    assert (order["side"], order["makerAmount"], order["takerAmount"]) == (
        "BUY",
        "2354700",
        "5010000",
    )


def test_amounts_are_exact() -> None:
    assert buy_amounts_u6(4_700, 5_000_000) == (2_350_000, 5_000_000)
    assert buy_amounts_u6(9_999, 10_000) == (9_999, 10_000)


def test_a_wallet_needs_its_address() -> None:
    with pytest.raises(InvariantError):
        OrderSigner(KEY, signature_type=SignatureType.POLY_1271)
