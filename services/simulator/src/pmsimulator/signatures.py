"""Who signed: EIP-712 digests of `ClobAuth` and of orders, and the address behind a signature.

`eth_account` encodes and recovers. Nothing of the executor's own encoding is used, not even the
texts of the types in `pmcore.venue.contracts`: what both had wrong, no test would find. Verifies
only; no key of an account is ever here. Types: docs/venue.md 3.1, 4.1 and 4.10.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from eth_abi.exceptions import EncodingError
from eth_account import Account
from eth_account.messages import SignableMessage, encode_typed_data
from eth_keys.exceptions import BadSignature
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError

from pmcore.venue.contracts import Domain, OrderContent

AUTH_MESSAGE = "This message attests that I control the given wallet"
_SIGNATURE_BYTES = 65
_REMEMBERED = 16
Types = dict[str, list[dict[str, str]]]


class BadSignatureError(ValueError):
    """Not a signature, or not over this content."""


def _struct(fields: str) -> list[dict[str, str]]:
    """Fields as `eth_account` takes them, from "type name" separated by commas."""
    return [dict(zip(("type", "name"), field.split(), strict=True)) for field in fields.split(",")]


_ORDER_FIELDS = (
    "uint256 salt,address maker,address signer,uint256 tokenId,uint256 makerAmount,"
    "uint256 takerAmount,uint8 side,uint8 signatureType,uint256 timestamp,bytes32 metadata,"
    "bytes32 builder"
)
_ORDER: Types = {"Order": _struct(_ORDER_FIELDS)}
_WRAPPED_ORDER: Types = _ORDER | {
    "TypedDataSign": _struct(
        "Order contents,string name,string version,uint256 chainId,"
        "address verifyingContract,bytes32 salt"
    )
}
_AUTH: Types = {
    "ClobAuth": _struct("address address,string timestamp,uint256 nonce,string message")
}


def order_digest(content: OrderContent, domain: Domain) -> bytes:
    """The EIP-712 digest of an order, which is its id. Raise `BadSignatureError` for odd values."""
    message = _order_message(content, domain)
    return keccak(b"\x19" + message.version + message.header + message.body)


def order_signer(content: OrderContent, domain: Domain, signature: str) -> str:
    """The checksummed address that signed an order; for type 3 the owner of the deposit wallet.

    Raise `BadSignatureError`. Type 3 is ERC-7739: the inner signature is over the order nested in
    the wallet's domain, with separator, contents hash, type and its length appended.
    """
    raw = _signature_bytes(signature)
    message = _order_message(content, domain)
    if content.signature_type != 3:
        return _recover(message, raw)
    order_type = f"Order({_ORDER_FIELDS})".encode()
    tail = message.header + message.body + order_type + len(order_type).to_bytes(2, "big")
    if raw[_SIGNATURE_BYTES:] != tail:
        raise BadSignatureError("the wrapped signature does not carry this order")
    wrapped = {
        "contents": _order_values(content),
        "name": "DepositWallet",
        "version": "1",
        "chainId": domain.chain_id,
        "verifyingContract": content.signer.lower(),
        "salt": bytes(32),
    }
    nested = _encoded(_exchange(domain), _WRAPPED_ORDER, wrapped)
    return _recover(nested, raw[:_SIGNATURE_BYTES])


def auth_signer(*, address: str, timestamp: str, nonce: int, signature: str, chain_id: int) -> str:
    """The checksummed address that signed a `ClobAuth`, or `BadSignatureError`.

    See docs/venue.md 3.1.
    """
    domain = {"name": "ClobAuthDomain", "version": "1", "chainId": chain_id}
    values = {
        "address": address.lower(),
        "timestamp": timestamp,
        "nonce": nonce,
        "message": AUTH_MESSAGE,
    }
    return _recover(_encoded(domain, _AUTH, values), _signature_bytes(signature))


def _recover(message: SignableMessage, signature: bytes) -> str:
    """The checksummed address behind a 65-byte ECDSA signature, or `BadSignatureError`."""
    if len(signature) != _SIGNATURE_BYTES or signature[64] not in (0, 1, 27, 28):
        raise BadSignatureError("not an ECDSA signature")
    standard = signature[:64] + bytes([27 + signature[64] % 27])
    try:
        return str(Account.recover_message(message, signature=standard))
    except (BadSignature, ValidationError) as error:
        raise BadSignatureError(str(error)) from error


@lru_cache(maxsize=_REMEMBERED)
def _order_message(content: OrderContent, domain: Domain) -> SignableMessage:
    """An order as it is signed; remembered, because the signer and the id are both asked for."""
    return _encoded(_exchange(domain), _ORDER, _order_values(content))


def _encoded(domain: dict[str, Any], types: Types, values: dict[str, Any]) -> SignableMessage:
    try:
        return encode_typed_data(domain, types, values)
    except (EncodingError, ValueError, TypeError) as error:
        raise BadSignatureError(f"cannot be encoded: {error}") from error


def _exchange(domain: Domain) -> dict[str, Any]:
    return {
        "name": "Polymarket CTF Exchange",
        "version": domain.version,
        "chainId": domain.chain_id,
        "verifyingContract": domain.contract,
    }


def _order_values(content: OrderContent) -> dict[str, Any]:
    """The order's fields. Addresses in lower case: the venue looks at no checksum of theirs."""
    return {
        "salt": content.salt,
        "maker": content.maker.lower(),
        "signer": content.signer.lower(),
        "tokenId": content.token_id,
        "makerAmount": content.maker_amount,
        "takerAmount": content.taker_amount,
        "side": content.side,
        "signatureType": content.signature_type,
        "timestamp": content.timestamp_ms,
        "metadata": _bytes32(content.metadata),
        "builder": _bytes32(content.builder),
    }


def _bytes32(text: str) -> bytes:
    """32 bytes; `eth_account` would fill up shorter ones and take text for bytes."""
    try:
        value = bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise BadSignatureError("not hex") from error
    if len(value) != 32:
        raise BadSignatureError("not 32 bytes")
    return value


def _signature_bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise BadSignatureError("the signature is not hex") from error
