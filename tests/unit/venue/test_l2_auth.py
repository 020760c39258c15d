from __future__ import annotations

import base64
import gzip
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from py_clob_client_v2.signing.hmac import build_hmac_signature

from pmcore.model.errors import MalformedInputError
from pmcore.venue.l2_auth import ApiCredentials, l2_headers, l2_signature

_SECRET = base64.urlsafe_b64encode(b"0123456789abcdef0123456789abcdef").decode()
_RECORDINGS = Path(os.environ.get("PM_RECORDINGS") or Path(__file__).parents[4] / "shared" / "data")


@given(
    secret=st.binary(min_size=1, max_size=64),
    timestamp_s=st.integers(min_value=0, max_value=4_000_000_000),
    method=st.sampled_from(["GET", "POST", "DELETE"]),
    path=st.sampled_from(["/data/orders", "/data/trades", "/order"]),
    body=st.text(max_size=200),
)
def test_signatures_equal_the_official_client(
    secret: bytes, timestamp_s: int, method: str, path: str, body: str
) -> None:
    text = base64.urlsafe_b64encode(secret).decode()
    theirs = build_hmac_signature(text, str(timestamp_s), method, path, body or None)
    assert l2_signature(text, timestamp_s, method, path, body.encode()) == theirs


@pytest.mark.recordings
def test_signatures_equal_the_recorded_vectors() -> None:
    file = _RECORDINGS / "vectors" / "official_clients_hmac.json.gz"
    if not file.exists():
        pytest.skip(f"no recordings at {_RECORDINGS}; set PM_RECORDINGS")
    vectors = json.loads(gzip.decompress(file.read_bytes()))["vectors"]
    for vector in vectors:
        assert vector["signature"] == l2_signature(
            vector["secret"],
            int(vector["timestamp"]),
            vector["method"],
            vector["path"],
            vector["body"].encode(),
        )


def test_a_request_has_five_headers() -> None:
    headers = l2_headers(ApiCredentials("0xa", "key", _SECRET, "phrase"), 1, "GET", "/data/orders")
    assert headers == {
        "POLY_ADDRESS": "0xa",
        "POLY_SIGNATURE": l2_signature(_SECRET, 1, "GET", "/data/orders"),
        "POLY_TIMESTAMP": "1",
        "POLY_API_KEY": "key",
        "POLY_PASSPHRASE": "phrase",
    }


def test_secrets_do_not_print() -> None:
    text = repr(ApiCredentials("0xa", "key", _SECRET, "phrase"))
    assert _SECRET not in text
    assert "phrase" not in text


def test_a_secret_that_is_not_base64_is_refused() -> None:
    with pytest.raises(MalformedInputError, match="base64"):
        ApiCredentials("0xa", "key", "x", "phrase")
