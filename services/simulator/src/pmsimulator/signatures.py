"""Who signed: EIP-712 digests of `ClobAuth` and of orders, and the address behind a signature.

Verifies only; no key of an account is ever here. Types and domains: venue.md 3.1, 3.3 and 4.1.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec
from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.address import to_canonical_address
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError

from pmcore.model.market import Protocol

AUTH_MESSAGE = "This message attests that I control the given wallet"
EXCHANGE = "0xE111180000d2663C0091e4f400237545B87B996B"
NEG_RISK_EXCHANGE = "0xe2222d279d744050d28e00520010520000310F59"
EXCHANGE_V3 = {
    137: "0xe3333700cA9d93003F00f0F71f8515005F6c00Aa",
    80002: "0x9fE6e61422AdB6F610d8597F9684b16912D50C3D",
}
ORDER_TYPE = (
    "Order(uint256 salt,address maker,address signer,uint256 tokenId,uint256 makerAmount,"
    "uint256 takerAmount,uint8 side,uint8 signatureType,uint256 timestamp,bytes32 metadata,"
    "bytes32 builder)"
)
_WRAPPED_ORDER_TYPE = (
    "TypedDataSign(Order contents,string name,string version,uint256 chainId,"
    f"address verifyingContract,bytes32 salt){ORDER_TYPE}"
)
_AUTH_TYPE = "ClobAuth(address address,string timestamp,uint256 nonce,string message)"
_AUTH_DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId)"
_DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
_WORD = 32
_SIGNATURE_BYTES = 65


class BadSignatureError(ValueError):
    """Not a signature, or not over this content."""


class Domain(msgspec.Struct, frozen=True):
    """The exchange contract that an order is meant for."""

    chain_id: int
    version: str
    contract: str


class OrderContent(msgspec.Struct, frozen=True, kw_only=True):
    """The signed part of an order. `side` is 0 for BUY, 1 for SELL; amounts have 6 decimals."""

    salt: int
    maker: str
    signer: str
    token_id: int
    maker_amount: int
    taker_amount: int
    side: int
    signature_type: int
    timestamp_ms: int
    metadata: str
    builder: str


def exchange_domain(chain_id: int, protocol: Protocol, *, neg_risk: bool) -> Domain:
    """The domain of a market's orders (venue.md 4.1)."""
    if protocol is Protocol.V2:
        return Domain(chain_id, "3", EXCHANGE_V3[chain_id])
    return Domain(chain_id, "2", NEG_RISK_EXCHANGE if neg_risk else EXCHANGE)


def order_digest(content: OrderContent, domain: Domain) -> bytes:
    """The EIP-712 digest of an order, which is its id. Raise `BadSignatureError` for odd values."""
    return keccak(b"\x19\x01" + _separator(domain) + _order_struct_hash(content))


def order_signer(content: OrderContent, domain: Domain, signature: str) -> str:
    """The checksummed address that signed an order; for type 3 the owner of the deposit wallet.

    Raise `BadSignatureError`. Type 3 is ERC-7739: the inner signature is over the order nested in
    the wallet's domain, with separator, contents hash, type and its length appended.
    """
    raw = _signature_bytes(signature)
    if content.signature_type != 3:
        return recover(order_digest(content, domain), raw)
    contents_hash = _order_struct_hash(content)
    type_bytes = ORDER_TYPE.encode()
    tail = _separator(domain) + contents_hash + type_bytes + len(type_bytes).to_bytes(2, "big")
    if raw[_SIGNATURE_BYTES:] != tail:
        raise BadSignatureError("the wrapped signature does not carry this order")
    nested = keccak(
        keccak(text=_WRAPPED_ORDER_TYPE)
        + contents_hash
        + keccak(text="DepositWallet")
        + keccak(text="1")
        + _uint(domain.chain_id)
        + _address(content.signer)
        + bytes(_WORD)
    )
    return recover(keccak(b"\x19\x01" + _separator(domain) + nested), raw[:_SIGNATURE_BYTES])


def auth_signer(*, address: str, timestamp: str, nonce: int, signature: str, chain_id: int) -> str:
    """The checksummed address that signed a `ClobAuth` (venue.md 3.1), or `BadSignatureError`."""
    domain = keccak(
        keccak(text=_AUTH_DOMAIN_TYPE)
        + keccak(text="ClobAuthDomain")
        + keccak(text="1")
        + _uint(chain_id)
    )
    struct = keccak(
        keccak(text=_AUTH_TYPE)
        + _address(address)
        + keccak(text=timestamp)
        + _uint(nonce)
        + keccak(text=AUTH_MESSAGE)
    )
    return recover(keccak(b"\x19\x01" + domain + struct), _signature_bytes(signature))


def recover(digest: bytes, signature: bytes) -> str:
    """The checksummed address behind a 65-byte ECDSA signature, or `BadSignatureError`."""
    if len(signature) != _SIGNATURE_BYTES or signature[64] not in (0, 1, 27, 28):
        raise BadSignatureError("not an ECDSA signature")
    compact = signature[:64] + bytes([signature[64] % 27])
    try:
        return Signature(compact).recover_public_key_from_msg_hash(digest).to_checksum_address()
    except (BadSignature, ValidationError) as error:
        raise BadSignatureError(str(error)) from error


@lru_cache(maxsize=64)
def _separator(domain: Domain) -> bytes:
    return keccak(
        keccak(text=_DOMAIN_TYPE)
        + keccak(text="Polymarket CTF Exchange")
        + keccak(text=domain.version)
        + _uint(domain.chain_id)
        + _address(domain.contract)
    )


def _order_struct_hash(content: OrderContent) -> bytes:
    return keccak(
        keccak(text=ORDER_TYPE)
        + _uint(content.salt)
        + _address(content.maker)
        + _address(content.signer)
        + _uint(content.token_id)
        + _uint(content.maker_amount)
        + _uint(content.taker_amount)
        + _uint(content.side)
        + _uint(content.signature_type)
        + _uint(content.timestamp_ms)
        + _bytes32(content.metadata)
        + _bytes32(content.builder)
    )


def _uint(value: int) -> bytes:
    try:
        return value.to_bytes(_WORD, "big")
    except OverflowError as error:
        raise BadSignatureError("a number outside uint256") from error


def _address(text: str) -> bytes:
    try:
        return to_canonical_address(text).rjust(_WORD, b"\0")
    except (ValueError, TypeError) as error:
        raise BadSignatureError(f"not an address: {text[:50]}") from error


def _bytes32(text: str) -> bytes:
    try:
        value = bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise BadSignatureError("not hex") from error
    if len(value) != _WORD:
        raise BadSignatureError("not 32 bytes")
    return value


def _signature_bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise BadSignatureError("the signature is not hex") from error
