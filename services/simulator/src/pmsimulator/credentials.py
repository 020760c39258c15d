"""API keys: who holds which, and whether a request was signed with one (docs/venue.md 3).

Credentials are a function of (address, nonce), so a restarted simulator knows the keys it gave
before: the passphrase names the address and the nonce and carries a check over both. They protect
only a simulation.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import uuid
from collections.abc import Mapping

import msgspec
from eth_utils.address import to_checksum_address

from pmcore.venue.fields import natural_of
from pmsimulator.answers import VenueError
from pmsimulator.signatures import BadSignatureError, auth_signer

_SALT = b"pmsimulator credentials"
_ADDRESS_BYTES = 20
_NONCE_BYTES = 4
UNAUTHORIZED = "Unauthorized/Invalid api key"
BAD_L1_HEADERS = "Invalid L1 Request headers"


class Credentials(msgspec.Struct, frozen=True):
    """What the venue gives for an (address, nonce); the wire names are in `row`."""

    address: str
    api_key: str
    secret: str
    passphrase: str

    def row(self) -> dict[str, str]:
        """The answer of the API-key endpoints."""
        return {"apiKey": self.api_key, "secret": self.secret, "passphrase": self.passphrase}


def credentials_for(address: str, nonce: int) -> Credentials:
    """The credentials of an address; the same in every simulator."""
    identity = bytes.fromhex(address.removeprefix("0x")) + nonce.to_bytes(_NONCE_BYTES, "big")
    check = _mac(b"passphrase", identity)[: 32 - len(identity)]
    return Credentials(
        address=to_checksum_address(address),
        api_key=str(uuid.UUID(bytes=_mac(b"key", identity)[:16], version=4)),
        secret=base64.urlsafe_b64encode(_mac(b"secret", identity)).decode(),
        passphrase=(identity + check).hex(),
    )


class KeyRing:
    """Every API key in use. Raises `VenueError` with the venue's texts."""

    def __init__(self, chain_id: int) -> None:
        self._chain_id = chain_id
        self._by_key: dict[str, Credentials] = {}
        self._revoked: set[str] = set()

    def create(self, headers: Mapping[str, str]) -> Credentials:
        """POST /auth/api-key: refused when the key exists, as its client expects."""
        credentials = self._prove_address(headers)
        if credentials.api_key in self._by_key or credentials.api_key in self._revoked:
            raise VenueError(400, "Could not create api key")
        self._by_key[credentials.api_key] = credentials
        return credentials

    def derive(self, headers: Mapping[str, str]) -> Credentials:
        """GET /auth/derive-api-key: only a key that was created or has been in use."""
        credentials = self._prove_address(headers)
        if credentials.api_key not in self._by_key:
            raise VenueError(400, "Could not derive api key!")
        return credentials

    def revoke(self, credentials: Credentials) -> None:
        """DELETE /auth/api-key: the key never works again."""
        self._by_key.pop(credentials.api_key, None)
        self._revoked.add(credentials.api_key)

    def keys_of(self, address: str) -> list[str]:
        """GET /auth/api-keys."""
        return [c.api_key for c in self._by_key.values() if c.address == address]

    def check_request(
        self, headers: Mapping[str, str], method: str, path: str, body: bytes
    ) -> Credentials:
        """L2: the HMAC over timestamp, method, path without query, and body (docs/venue.md 3.2)."""
        credentials = self.check_triple(
            headers.get("POLY_API_KEY", ""),
            credential_secret=None,
            passphrase=headers.get("POLY_PASSPHRASE", ""),
        )
        message = (headers.get("POLY_TIMESTAMP", "") + method + path).encode() + body
        expected = hmac.new(
            base64.urlsafe_b64decode(credentials.secret), message, hashlib.sha256
        ).digest()
        if (
            headers.get("POLY_ADDRESS", "").lower() != credentials.address.lower()
            or not headers.get("POLY_TIMESTAMP", "").isdigit()
            or not hmac.compare_digest(expected, _decode(headers.get("POLY_SIGNATURE", "")))
        ):
            raise VenueError(401, UNAUTHORIZED)
        return credentials

    def check_triple(
        self, api_key: str, *, credential_secret: str | None, passphrase: str
    ) -> Credentials:
        """The key as given in the user channel's `auth`; the secret only where it is sent."""
        credentials = _from_passphrase(passphrase)
        if (
            credentials is None
            or credentials.api_key != api_key
            or api_key in self._revoked
            or credential_secret not in (None, credentials.secret)
        ):
            raise VenueError(401, UNAUTHORIZED)
        self._by_key.setdefault(api_key, credentials)
        return credentials

    def _prove_address(self, headers: Mapping[str, str]) -> Credentials:
        address, nonce = headers.get("POLY_ADDRESS", ""), headers.get("POLY_NONCE", "0")
        number = natural_of(nonce)
        if number is None or number >= 1 << (8 * _NONCE_BYTES):
            raise VenueError(401, BAD_L1_HEADERS)
        try:
            signer = auth_signer(
                address=address,
                timestamp=headers.get("POLY_TIMESTAMP", ""),
                nonce=number,
                signature=headers.get("POLY_SIGNATURE", ""),
                chain_id=self._chain_id,
            )
        except BadSignatureError as error:
            raise VenueError(401, BAD_L1_HEADERS) from error
        if signer.lower() != address.lower():
            raise VenueError(401, BAD_L1_HEADERS)
        return credentials_for(signer, number)


def _mac(purpose: bytes, identity: bytes) -> bytes:
    return hmac.new(_SALT, purpose + identity, hashlib.sha256).digest()


def _decode(signature: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(signature)
    except (binascii.Error, ValueError):
        return b""


def _from_passphrase(passphrase: str) -> Credentials | None:
    try:
        raw = bytes.fromhex(passphrase)
    except ValueError:
        return None
    if len(raw) != 32:
        return None
    address = "0x" + raw[:_ADDRESS_BYTES].hex()
    nonce = int.from_bytes(raw[_ADDRESS_BYTES : _ADDRESS_BYTES + _NONCE_BYTES], "big")
    credentials = credentials_for(address, nonce)
    return credentials if hmac.compare_digest(credentials.passphrase, passphrase) else None
