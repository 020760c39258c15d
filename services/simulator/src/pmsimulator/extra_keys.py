"""Read-only keys and builder keys of an address: made, listed, revoked.

They open nothing here. Like all credentials of the simulator they are functions of the address and
a count, and protect nothing but a simulation.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import uuid
from collections.abc import Mapping

import msgspec

from pmcore.model.units import NS_PER_MS
from pmsimulator.answers import VenueError
from pmsimulator.credentials import UNAUTHORIZED

_SALT = b"pmsimulator extra keys"
MAX_KEYS = 100
"""So many keys of one kind may an address have."""


class BuilderKey(msgspec.Struct, kw_only=True):
    """A builder's credentials; `revoked_ms` is None while it is in use."""

    key: str
    secret: str
    passphrase: str
    created_ms: int
    revoked_ms: int | None = None

    def row(self) -> dict[str, object]:
        """The answer to its creation."""
        return {"key": self.key, "secret": self.secret, "passphrase": self.passphrase}

    def listed(self) -> dict[str, object]:
        """An element of the list: no secret."""
        revoked = {} if self.revoked_ms is None else {"revokedAt": str(self.revoked_ms)}
        return {"key": self.key, "createdAt": str(self.created_ms), **revoked}


class ExtraKeys:
    """The keys of every address. Raises `VenueError` with the venue's texts."""

    def __init__(self) -> None:
        self._readonly: dict[str, dict[str, None]] = {}
        self._builders: dict[str, list[BuilderKey]] = {}
        self._made = 0

    def create_readonly(self, address: str) -> str:
        """A new read-only key."""
        keys = self._readonly.setdefault(address, {})
        _check_room(len(keys))
        key = str(uuid.UUID(bytes=self._mac("readonly", address)[:16], version=4))
        keys[key] = None
        return key

    def readonly_of(self, address: str) -> list[str]:
        """An address's read-only keys, oldest first."""
        return list(self._readonly.get(address, ()))

    def delete_readonly(self, address: str, key: str) -> None:
        """Forget a read-only key, or 404."""
        if key not in self._readonly.get(address, {}):
            raise VenueError(404, "api key not found")
        del self._readonly[address][key]

    def create_builder(self, address: str, at_ns: int) -> BuilderKey:
        """A new builder key."""
        keys = self._builders.setdefault(address, [])
        _check_room(len(keys))
        made = BuilderKey(
            key=str(uuid.UUID(bytes=self._mac("builder", address)[:16], version=4)),
            secret=base64.urlsafe_b64encode(self._mac("secret", address)).decode(),
            passphrase=self._mac("passphrase", address).hex(),
            created_ms=at_ns // NS_PER_MS,
        )
        keys.append(made)
        return made

    def builders_of(self, address: str) -> list[BuilderKey]:
        """An address's builder keys, oldest first, also those that were revoked."""
        return list(self._builders.get(address, ()))

    def revoke_builders(self, address: str, at_ns: int) -> None:
        """Revoke every builder key of an address."""
        for key in self._builders.get(address, ()):
            if key.revoked_ms is None:
                key.revoked_ms = at_ns // NS_PER_MS

    def revoke_signed(self, headers: Mapping[str, str], method: str, path: str, at_ns: int) -> None:
        """Revoke the builder key that signed a request with `POLY_BUILDER_...` headers, or 401."""
        wanted = headers.get("POLY_BUILDER_API_KEY", "")
        keys = (key for found in self._builders.values() for key in found)
        key = next((key for key in keys if key.key == wanted and key.revoked_ms is None), None)
        if key is None or not _signed_by(key, headers, method, path):
            raise VenueError(401, UNAUTHORIZED)
        key.revoked_ms = at_ns // NS_PER_MS

    def _mac(self, purpose: str, address: str) -> bytes:
        self._made += 1
        text = f"{purpose} {address} {self._made}"
        return hmac.new(_SALT, text.encode(), hashlib.sha256).digest()


def _signed_by(key: BuilderKey, headers: Mapping[str, str], method: str, path: str) -> bool:
    message = headers.get("POLY_BUILDER_TIMESTAMP", "") + method + path
    secret = base64.urlsafe_b64decode(key.secret)
    expected = hmac.new(secret, message.encode(), hashlib.sha256).digest()
    try:
        given = base64.urlsafe_b64decode(headers.get("POLY_BUILDER_SIGNATURE", ""))
    except (binascii.Error, ValueError):
        return False
    known = headers.get("POLY_BUILDER_PASSPHRASE", "") == key.passphrase
    return known and hmac.compare_digest(expected, given)


def _check_room(count: int) -> None:
    if count >= MAX_KEYS:
        raise VenueError(400, f"at most {MAX_KEYS} keys")
