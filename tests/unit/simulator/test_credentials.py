"""Keys are proved by L1, requests by L2; texts and codes are the venue's."""

from __future__ import annotations

import pytest
from py_clob_client_v2.clob_types import ApiCreds, RequestArgs
from py_clob_client_v2.headers.headers import create_level_1_headers, create_level_2_headers
from py_clob_client_v2.signer import Signer
from starlette.datastructures import Headers

from pmsimulator.answers import VenueError
from pmsimulator.credentials import Credentials, KeyRing, credentials_for

SIGNER = Signer("0x" + "42" * 32, 137)
BODY = '{"heartbeat_id":""}'


def l1(nonce: int = 0) -> Headers:
    return Headers(create_level_1_headers(SIGNER, nonce=nonce))


def l2(credentials: Credentials, **changes: str) -> Headers:
    creds = ApiCreds(credentials.api_key, credentials.secret, credentials.passphrase)
    request = RequestArgs("POST", "/v1/heartbeats", body=BODY, serialized_body=BODY)
    return Headers({**create_level_2_headers(SIGNER, creds, request), **changes})


def check(keys: KeyRing, headers: Headers, body: str = BODY) -> Credentials:
    return keys.check_request(headers, "POST", "/v1/heartbeats", body.encode())


def test_a_key_is_created_once_and_derived_ever_after() -> None:
    keys = KeyRing(137)
    with pytest.raises(VenueError, match="Could not derive api key!"):
        keys.derive(l1())
    created = keys.create(l1())
    with pytest.raises(VenueError, match="Could not create api key"):
        keys.create(l1())
    assert keys.derive(l1()) == created
    assert created.address == SIGNER.address()
    assert keys.create(l1(nonce=1)).api_key != created.api_key
    assert keys.keys_of(SIGNER.address())[0] == created.api_key


def test_a_key_outlives_the_simulator_that_gave_it() -> None:
    credentials = KeyRing(137).create(l1())
    restarted = KeyRing(137)
    assert check(restarted, l2(credentials)) == credentials
    assert restarted.derive(l1()) == credentials


@pytest.mark.parametrize("name", ["POLY_ADDRESS", "POLY_SIGNATURE", "POLY_NONCE"])
def test_a_wrong_l1_header_is_401(name: str) -> None:
    headers = Headers({**create_level_1_headers(SIGNER), name: "0x" + "13" * 20})
    with pytest.raises(VenueError, match="Invalid L1 Request headers") as refused:
        KeyRing(137).create(headers)
    assert refused.value.status == 401


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POLY_SIGNATURE", "AAAA"),
        ("POLY_SIGNATURE", "é"),
        ("POLY_ADDRESS", "0x" + "13" * 20),
        ("POLY_TIMESTAMP", "soon"),
        ("POLY_API_KEY", "00000000-0000-4000-8000-000000000000"),
        ("POLY_PASSPHRASE", "ab" * 32),
        ("POLY_PASSPHRASE", "ab"),
        ("POLY_PASSPHRASE", "no hex"),
    ],
)
def test_a_wrong_l2_header_is_401(name: str, value: str) -> None:
    headers = l2(credentials_for(SIGNER.address(), 0), **{name: value})
    with pytest.raises(VenueError, match="Unauthorized/Invalid api key") as refused:
        check(KeyRing(137), headers)
    assert refused.value.status == 401


def test_the_hmac_covers_the_body() -> None:
    headers = l2(credentials_for(SIGNER.address(), 0))
    assert check(KeyRing(137), headers)
    with pytest.raises(VenueError):
        check(KeyRing(137), headers, body='{"heartbeat_id":"x"}')


def test_a_revoked_key_stays_revoked() -> None:
    keys = KeyRing(137)
    credentials = keys.create(l1())
    keys.revoke(credentials)
    with pytest.raises(VenueError):
        check(keys, l2(credentials))
    with pytest.raises(VenueError):
        keys.create(l1())


def test_the_user_channel_wants_all_three() -> None:
    keys = KeyRing(137)
    given = credentials_for(SIGNER.address(), 0)
    found = keys.check_triple(
        given.api_key, credential_secret=given.secret, passphrase=given.passphrase
    )
    assert found == given
    with pytest.raises(VenueError):
        keys.check_triple(given.api_key, credential_secret="", passphrase=given.passphrase)
