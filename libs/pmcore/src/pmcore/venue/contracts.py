"""What an order's signature is over: the contracts, the EIP-712 types, the fields.

Shared by the executor, which signs, and the simulator, which verifies; no cryptography is here.
Addresses and types: docs/venue.md 3.3, 4.1 and 4.10.
"""

from __future__ import annotations

import msgspec

from pmcore.model.market import Protocol

EXCHANGE_NAME = "Polymarket CTF Exchange"
EXCHANGE = "0xE111180000d2663C0091e4f400237545B87B996B"
NEG_RISK_EXCHANGE = "0xe2222d279d744050d28e00520010520000310F59"
EXCHANGE_V3 = {
    137: "0xe3333700cA9d93003F00f0F71f8515005F6c00Aa",
    80002: "0x9fE6e61422AdB6F610d8597F9684b16912D50C3D",
}
ORDER_TYPE = (
    b"Order(uint256 salt,address maker,address signer,uint256 tokenId,uint256 makerAmount,"
    b"uint256 takerAmount,uint8 side,uint8 signatureType,uint256 timestamp,bytes32 metadata,"
    b"bytes32 builder)"
)
WRAPPED_ORDER_TYPE = (
    b"TypedDataSign(Order contents,string name,string version,uint256 chainId,"
    b"address verifyingContract,bytes32 salt)"
) + ORDER_TYPE
"""ERC-7739: an order nested in the domain of the wallet that owns the money (type 3)."""
DOMAIN_TYPE = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
WALLET_NAME, WALLET_VERSION = "DepositWallet", "1"
ZERO32 = "0x" + "00" * 32


class Domain(msgspec.Struct, frozen=True):
    """The exchange contract that an order is for."""

    chain_id: int
    version: str
    contract: str


class OrderContent(msgspec.Struct, frozen=True, kw_only=True):
    """The signed part of an order. `side` is 0 for BUY, 1 for SELL; amounts have six decimals."""

    salt: int
    maker: str
    signer: str
    token_id: int
    maker_amount: int
    taker_amount: int
    side: int
    signature_type: int
    timestamp_ms: int
    metadata: str = ZERO32
    builder: str = ZERO32


def exchange_domain(chain_id: int, protocol: Protocol, *, neg_risk: bool) -> Domain:
    """The domain of a market's orders; `chain_id` is 137 (Polygon) or 80002 (Amoy)."""
    if protocol is Protocol.V2:
        return Domain(chain_id, "3", EXCHANGE_V3[chain_id])
    return Domain(chain_id, "2", NEG_RISK_EXCHANGE if neg_risk else EXCHANGE)
