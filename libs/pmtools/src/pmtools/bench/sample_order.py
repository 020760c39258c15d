"""The order that the bench signs again and again, each time with another salt."""

from __future__ import annotations

from pmcore.model.market import Protocol
from pmcore.venue.contracts import exchange_domain
from pmcore.venue.l2_auth import ApiCredentials
from pmexecutor.signer import OrderSigner, SignedOrder

KEY = b"\x11" * 32
TOKEN_ID = 2**255 + 1
DOMAIN = exchange_domain(137, Protocol.V2, neg_risk=False)
TIMESTAMP_S = 1_790_766_900
CREDENTIALS = ApiCredentials("0x" + "a" * 40, "0" * 36, "c2VjcmV0", "p" * 64)


def sign_sample(signer: OrderSigner, salt: int) -> SignedOrder:
    """Five shares for 47 cents."""
    return signer.buy(
        token_id=TOKEN_ID,
        price_e4=4_700,
        size_u6=5_000_000,
        domain=DOMAIN,
        salt=salt,
        timestamp_ms=TIMESTAMP_S * 1_000,
    )
