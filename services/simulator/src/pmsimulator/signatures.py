"""Who signed: EIP-712 digests of `ClobAuth` and of orders, and the address behind a signature.

Verifies only; no key of an account is ever here. Types: `pmcore.venue.contracts`, and
docs/venue.md 3.1.
"""

from __future__ import annotations

from functools import lru_cache

from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.address import to_canonical_address
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError

from pmcore.venue.contracts import (
    DOMAIN_TYPE,
    EXCHANGE_NAME,
    ORDER_TYPE,
    WALLET_NAME,
    WALLET_VERSION,
    WRAPPED_ORDER_TYPE,
    Domain,
    OrderContent,
)

AUTH_MESSAGE = "This message attests that I control the given wallet"
_AUTH_TYPE = "ClobAuth(address address,string timestamp,uint256 nonce,string message)"
_AUTH_DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId)"
_WORD = 32
_SIGNATURE_BYTES = 65


class BadSignatureError(ValueError):
    """Not a signature, or not over this content."""


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
    tail = _separator(domain) + contents_hash + ORDER_TYPE + len(ORDER_TYPE).to_bytes(2, "big")
    if raw[_SIGNATURE_BYTES:] != tail:
        raise BadSignatureError("the wrapped signature does not carry this order")
    nested = keccak(
        keccak(WRAPPED_ORDER_TYPE)
        + contents_hash
        + keccak(text=WALLET_NAME)
        + keccak(text=WALLET_VERSION)
        + _uint(domain.chain_id)
        + _address(content.signer)
        + bytes(_WORD)
    )
    return recover(keccak(b"\x19\x01" + _separator(domain) + nested), raw[:_SIGNATURE_BYTES])


def auth_signer(*, address: str, timestamp: str, nonce: int, signature: str, chain_id: int) -> str:
    """The checksummed address that signed a `ClobAuth`, or `BadSignatureError`.

    See docs/venue.md 3.1.
    """
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
        keccak(DOMAIN_TYPE)
        + keccak(text=EXCHANGE_NAME)
        + keccak(text=domain.version)
        + _uint(domain.chain_id)
        + _address(domain.contract)
    )


def _order_struct_hash(content: OrderContent) -> bytes:
    return keccak(
        keccak(ORDER_TYPE)
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
