"""Signs orders: EIP-712 digest and secp256k1, the hot path (docs/venue.md 3.3, 3.4, 4.1 to 4.3).

Byte for byte what the official client makes (docs/decisions/0002-signing.md; a property test holds
it to that), but some 0.1 ms instead of 1 to 9. Only BUY, post-only orders are made here. Salt
and time are given in. The key never leaves this object.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import IntEnum

import coincurve
from Crypto.Hash import keccak as _keccak

from pmcore.model.check import invariant
from pmcore.model.units import QTY_GRID_U6
from pmcore.shell.service.errors import StartupError
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

MAX_SALT = 1 << 53
"""The salt travels as a JSON number (docs/venue.md 4.1)."""
_BUY = 0
_CHECK_DIGEST = bytes(range(32))
_CHECK_KEY = b"\x11" * 32


def keccak(data: bytes) -> bytes:
    """Keccak-256, as Ethereum uses it."""
    return _keccak.new(digest_bits=256, data=data).digest()


class SignatureType(IntEnum):
    """Who owns the money (docs/venue.md 3.3)."""

    EOA = 0
    POLY_PROXY = 1
    POLY_GNOSIS_SAFE = 2
    POLY_1271 = 3


@dataclass(frozen=True)
class SignedOrder:
    """An order ready to be sent: its id, and the exact body of POST /order for an API key."""

    order_hash: str
    content: OrderContent
    signature: str

    def body(self, owner: str, expiration_s: int = 0) -> bytes:
        """The bytes that are sent and HMACed (docs/venue.md 4.2). The expiration is not signed."""
        content = self.content
        order = {
            "salt": content.salt,
            "maker": content.maker,
            "signer": content.signer,
            "tokenId": str(content.token_id),
            "makerAmount": str(content.maker_amount),
            "takerAmount": str(content.taker_amount),
            "side": "BUY",
            "expiration": str(expiration_s),
            "signatureType": content.signature_type,
            "timestamp": str(content.timestamp_ms),
            "metadata": content.metadata,
            "builder": content.builder,
            "signature": self.signature,
        }
        payload = {
            "order": order,
            "owner": owner,
            "orderType": "GTD" if expiration_s else "GTC",
            "deferExec": False,
            "postOnly": True,
        }
        return json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()


def buy_amounts_u6(price_e4: int, size_u6: int) -> tuple[int, int]:
    """Dollars paid and shares bought, in millionths: exact, for the size is floored to 0.01.

    A price on its tick's grid then never has more decimals than the venue's table allows
    (docs/venue.md 4.3; docs/price_precision.md), so that nothing is ever rounded.
    """
    hundredths = size_u6 // QTY_GRID_U6
    return price_e4 * hundredths, hundredths * QTY_GRID_U6


class OrderSigner:
    """One account. `maker` holds the money: the key's own address, or the funder's wallet."""

    def __init__(
        self,
        key: bytes,
        *,
        chain_id: int = 137,
        signature_type: SignatureType = SignatureType.EOA,
        funder: str | None = None,
    ) -> None:
        self._key = coincurve.PrivateKey(key)
        self._chain_id = chain_id
        self._type = signature_type
        self.address = address_of(self._key)
        invariant(
            (funder is not None) or signature_type is SignatureType.EOA,
            "signature types 1 to 3 need a funder",
        )
        self.maker = self.address if funder is None else checksum(bytes.fromhex(funder[2:]))
        wallet_signs = signature_type is SignatureType.POLY_1271
        self._order_signer = self.maker if wallet_signs else self.address
        self._separators: dict[Domain, bytes] = {}

    def __repr__(self) -> str:
        return f"OrderSigner({self.address})"

    def buy(
        self,
        *,
        token_id: int,
        price_e4: int,
        size_u6: int,
        domain: Domain,
        salt: int,
        timestamp_ms: int,
    ) -> SignedOrder:
        """Build and sign one BUY."""
        maker_amount, taker_amount = buy_amounts_u6(price_e4, size_u6)
        content = OrderContent(
            salt=salt,
            maker=self.maker,
            signer=self._order_signer,
            token_id=token_id,
            maker_amount=maker_amount,
            taker_amount=taker_amount,
            side=_BUY,
            signature_type=self._type,
            timestamp_ms=timestamp_ms,
        )
        return self.sign(content, domain)

    def sign(self, content: OrderContent, domain: Domain) -> SignedOrder:
        """The id is the plain digest for every type; type 3 signs it nested (ERC-7739)."""
        separator = self._separator(domain)
        contents_hash = _struct_hash(content)
        digest = keccak(b"\x19\x01" + separator + contents_hash)
        if content.signature_type == SignatureType.POLY_1271:
            signature = self._wrapped(content, domain, separator, contents_hash)
        else:
            signature = self._signature(digest)
        return SignedOrder("0x" + digest.hex(), content, "0x" + signature.hex())

    def _wrapped(
        self, content: OrderContent, domain: Domain, separator: bytes, contents_hash: bytes
    ) -> bytes:
        nested = keccak(
            keccak(WRAPPED_ORDER_TYPE)
            + contents_hash
            + keccak(WALLET_NAME.encode())
            + keccak(WALLET_VERSION.encode())
            + _uint(domain.chain_id)
            + _address(content.signer)
            + bytes(32)
        )
        inner = self._signature(keccak(b"\x19\x01" + separator + nested))
        return inner + separator + contents_hash + ORDER_TYPE + len(ORDER_TYPE).to_bytes(2, "big")

    def _separator(self, domain: Domain) -> bytes:
        separator = self._separators.get(domain)
        if separator is None:
            separator = self._separators[domain] = keccak(
                keccak(DOMAIN_TYPE)
                + keccak(EXCHANGE_NAME.encode())
                + keccak(domain.version.encode())
                + _uint(domain.chain_id)
                + _address(domain.contract)
            )
        return separator

    def _signature(self, digest: bytes) -> bytes:
        raw = self._key.sign_recoverable(digest, hasher=None)
        return raw[:64] + bytes([raw[64] + 27])


def assert_fast_curve() -> None:
    """Refuse to start when libsecp256k1 is not what signs, or does not sign as it must."""
    key = coincurve.PrivateKey(_CHECK_KEY)
    signature = key.sign_recoverable(_CHECK_DIGEST, hasher=None)
    recovered = coincurve.PublicKey.from_signature_and_message(
        signature, _CHECK_DIGEST, hasher=None
    )
    if recovered.format() != key.public_key.format():
        raise StartupError("coincurve does not sign as it must; reinstall it")


def address_of(key: coincurve.PrivateKey) -> str:
    """The checksummed address of a key."""
    return checksum(keccak(key.public_key.format(compressed=False)[1:])[12:])


def address_of_key(key: bytes) -> str:
    """The checksummed address of a raw key."""
    return address_of(coincurve.PrivateKey(key))


def checksum(address: bytes) -> str:
    """EIP-55."""
    text = address.hex()
    digest = keccak(text.encode()).hex()
    return "0x" + "".join(
        char.upper() if int(digest[i], 16) >= 8 else char for i, char in enumerate(text)
    )


_ORDER_TYPE_HASH = keccak(ORDER_TYPE)


def _struct_hash(content: OrderContent) -> bytes:
    return keccak(
        _ORDER_TYPE_HASH
        + _uint(content.salt)
        + _address(content.maker)
        + _address(content.signer)
        + _uint(content.token_id)
        + _uint(content.maker_amount)
        + _uint(content.taker_amount)
        + _uint(content.side)
        + _uint(content.signature_type)
        + _uint(content.timestamp_ms)
        + bytes.fromhex(content.metadata[2:])
        + bytes.fromhex(content.builder[2:])
    )


def _uint(value: int) -> bytes:
    return value.to_bytes(32, "big")


def _address(text: str) -> bytes:
    return bytes.fromhex(text[2:]).rjust(32, b"\0")
