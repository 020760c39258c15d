"""One signed order, ours beside the official client's with coincurve; the bytes must be equal."""

from __future__ import annotations

import json
from time import perf_counter_ns

from py_clob_client_v2.order_utils import ExchangeOrderBuilderV2, Side, SignatureTypeV2
from py_clob_client_v2.order_utils.model.order_data_v2 import OrderDataV2, order_to_json_v2
from py_clob_client_v2.signer import Signer

from pmcore.model.check import invariant
from pmexecutor.signer import OrderSigner
from pmtools.bench.figures import Measured, Round, measured
from pmtools.bench.sample_order import (
    CREDENTIALS,
    DOMAIN,
    KEY,
    TIMESTAMP_S,
    TOKEN_ID,
    sign_sample,
)

_OWNER = CREDENTIALS.api_key


def measure(rounds: int, samples: int) -> list[Measured]:
    """Run it. Here the other client stands in the floor's place: below 1 is faster than it."""
    ours, theirs = OrderSigner(KEY), Signer("0x" + KEY.hex(), 137)
    _round(ours, theirs, 5)
    found = [_round(ours, theirs, samples) for _ in range(rounds)]
    return [measured("signing", "an order's body, signed", "py-clob-client-v2, coincurve", found)]


def _round(ours: OrderSigner, theirs: Signer, samples: int) -> Round:
    found = Round()
    for salt in range(samples):
        called_ns = perf_counter_ns()
        one = sign_sample(ours, salt).body(_OWNER)
        found.path_ns.append(perf_counter_ns() - called_ns)
        called_ns = perf_counter_ns()
        other = _theirs(theirs, salt)
        found.floor_ns.append(perf_counter_ns() - called_ns)
        invariant(one == other, "the official client signs other bytes")
    return found


def _theirs(signer: Signer, salt: int) -> bytes:
    builder = ExchangeOrderBuilderV2(
        DOMAIN.contract,
        DOMAIN.chain_id,
        signer,
        lambda: str(salt),
        domain_version=DOMAIN.version,
    )
    address = signer.address()
    order = OrderDataV2(
        maker=address,
        signer=address,
        tokenId=str(TOKEN_ID),
        makerAmount="2350000",
        takerAmount="5000000",
        side=Side.BUY,
        signatureType=SignatureTypeV2.EOA,
        timestamp=str(TIMESTAMP_S * 1_000),
        expiration="0",
    )
    signed = builder.build_signed_order(order)
    payload = order_to_json_v2(signed, _OWNER, "GTC", post_only=True, defer_exec=False)
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()
