"""L2 headers: an HMAC over time, method, path and the exact body (docs/venue.md 3.2)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field

from pmcore.model.errors import MalformedInputError


@dataclass(frozen=True)
class ApiCredentials:
    """What the venue gives for a key; `address` is the signing one, not the funder.

    Raise `MalformedInputError` for a secret that is not base64. Secrets do not print.
    """

    address: str
    api_key: str
    secret: str = field(repr=False)
    passphrase: str = field(repr=False)

    def __post_init__(self) -> None:
        check_secret(self.secret)


def check_secret(secret: str) -> None:
    """Raise `MalformedInputError` for a secret that is not base64."""
    try:
        base64.urlsafe_b64decode(secret)
    except ValueError:
        raise MalformedInputError("bad_secret", "the API secret is not base64") from None


def l2_signature(secret: str, timestamp_s: int, method: str, path: str, body: bytes = b"") -> str:
    """Sign a request; `path` without host and query, `body` exactly as sent."""
    message = f"{timestamp_s}{method}{path}".encode() + body.replace(b"'", b'"')
    mac = hmac.digest(base64.urlsafe_b64decode(secret), message, hashlib.sha256)
    return base64.urlsafe_b64encode(mac).decode()


def l2_headers(
    credentials: ApiCredentials, timestamp_s: int, method: str, path: str, body: bytes = b""
) -> dict[str, str]:
    """Return the five POLY_ headers of a signed request."""
    return {
        "POLY_ADDRESS": credentials.address,
        "POLY_SIGNATURE": l2_signature(credentials.secret, timestamp_s, method, path, body),
        "POLY_TIMESTAMP": str(timestamp_s),
        "POLY_API_KEY": credentials.api_key,
        "POLY_PASSPHRASE": credentials.passphrase,
    }
