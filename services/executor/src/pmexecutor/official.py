"""All that we use of the official client: the L1 signature that gives or derives API keys.

It runs once per start; its speed does not matter. No other part of a service may import
`py_clob_client_v2`; `pm bench` measures against it.
"""

from __future__ import annotations

from typing import cast

from py_clob_client_v2.headers.headers import create_level_1_headers
from py_clob_client_v2.signer import Signer


def l1_headers(key: bytes, chain_id: int, timestamp_s: int) -> dict[str, str]:
    """The POLY_ headers of the API-key endpoints (docs/venue.md 3.1), nonce 0."""
    signer = Signer("0x" + key.hex(), chain_id)
    return cast("dict[str, str]", create_level_1_headers(signer, 0, timestamp_s))
