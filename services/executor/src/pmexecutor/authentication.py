"""L2 headers: an HMAC over time, method, path and the exact body (venue.md 3.2)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ApiCredentials:
    """What the venue gives for a key; bound to the signing address, not to the funder."""

    address: str
    api_key: str
    secret: str = field(repr=False)
    passphrase: str = field(repr=False)


def l2_signature(secret: str, timestamp_s: int, method: str, path: str, body: bytes) -> str:
    """`path` without host and query; `body` exactly as sent, empty where none is."""
    message = f"{timestamp_s}{method}{path}".encode() + body.replace(b"'", b'"')
    mac = hmac.digest(base64.urlsafe_b64decode(secret), message, hashlib.sha256)
    return base64.urlsafe_b64encode(mac).decode()


def l2_headers(
    credentials: ApiCredentials, timestamp_s: int, method: str, path: str, body: bytes = b""
) -> dict[str, str]:
    """The five POLY_ headers of a signed request."""
    return {
        "POLY_ADDRESS": credentials.address,
        "POLY_SIGNATURE": l2_signature(credentials.secret, timestamp_s, method, path, body),
        "POLY_TIMESTAMP": str(timestamp_s),
        "POLY_API_KEY": credentials.api_key,
        "POLY_PASSPHRASE": credentials.passphrase,
    }
