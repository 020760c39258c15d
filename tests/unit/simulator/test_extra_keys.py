"""Read-only keys and builder keys: whose they are, and how they end."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from pmsimulator.answers import VenueError
from pmsimulator.extra_keys import MAX_KEYS, BuilderKey, ExtraKeys

ME, YOU = "0x01", "0x02"
PATH = "/auth/builder-api-key"
NOW_NS = 5_000_000_000


def headers(key: BuilderKey, *, path: str = PATH, passphrase: str = "") -> dict[str, str]:
    secret = base64.urlsafe_b64decode(key.secret)
    mac = hmac.new(secret, f"7DELETE{path}".encode(), hashlib.sha256).digest()
    return {
        "POLY_BUILDER_API_KEY": key.key,
        "POLY_BUILDER_TIMESTAMP": "7",
        "POLY_BUILDER_PASSPHRASE": passphrase or key.passphrase,
        "POLY_BUILDER_SIGNATURE": base64.urlsafe_b64encode(mac).decode(),
    }


def test_readonly_keys_belong_to_their_address() -> None:
    keys = ExtraKeys()
    first, second = keys.create_readonly(ME), keys.create_readonly(ME)
    assert keys.readonly_of(ME) == [first, second]
    assert keys.readonly_of(YOU) == []
    with pytest.raises(VenueError, match="not found"):
        keys.delete_readonly(YOU, first)
    keys.delete_readonly(ME, first)
    assert keys.readonly_of(ME) == [second]


def test_a_builder_key_revokes_itself_and_stays_in_the_list() -> None:
    keys = ExtraKeys()
    key, other = keys.create_builder(ME, NOW_NS), keys.create_builder(ME, NOW_NS)
    keys.revoke_signed(headers(key), "DELETE", PATH, NOW_NS + 1_000_000)
    assert [one.listed() for one in keys.builders_of(ME)] == [
        {"key": key.key, "createdAt": "5000", "revokedAt": "5001"},
        {"key": other.key, "createdAt": "5000"},
    ]
    keys.revoke_builders(ME, NOW_NS)
    assert all(one.revoked_ms is not None for one in keys.builders_of(ME))


def test_a_wrong_signature_revokes_nothing() -> None:
    keys = ExtraKeys()
    key = keys.create_builder(ME, NOW_NS)
    unsigned = {**headers(key), "POLY_BUILDER_SIGNATURE": "%%%"}
    for wrong in (headers(key, path="/"), headers(key, passphrase="x"), unsigned, {}):
        with pytest.raises(VenueError, match="Unauthorized"):
            keys.revoke_signed(wrong, "DELETE", PATH, NOW_NS)
    keys.revoke_signed(headers(key), "DELETE", PATH, NOW_NS)
    with pytest.raises(VenueError, match="Unauthorized"):
        keys.revoke_signed(headers(key), "DELETE", PATH, NOW_NS)


def test_an_address_has_only_so_many() -> None:
    keys = ExtraKeys()
    for _ in range(MAX_KEYS):
        keys.create_readonly(ME)
    with pytest.raises(VenueError, match="at most"):
        keys.create_readonly(ME)
    keys.create_readonly(YOU)
