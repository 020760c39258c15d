"""API credentials from the key: derived, else made, else the venue's words."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pmcore.model.units import NS_PER_S
from pmcore.shell.service.errors import StartupError
from pmcore.venue.l2_auth import ApiCredentials
from pmexecutor.clob_http import ClobHttp
from pmexecutor.credentials import derive_credentials
from pmexecutor.settings import THROWAWAY_ADDRESS
from support.builders import T0_NS
from support.scripted_http import ScriptedHttp, scripted_http

KEY = b"\x11" * 32
ROW = {"apiKey": "key", "secret": "c2VjcmV0", "passphrase": "phrase"}
CREDENTIALS = ApiCredentials(THROWAWAY_ADDRESS, "key", "c2VjcmV0", "phrase")


@pytest.fixture
async def venue() -> AsyncIterator[ScriptedHttp]:
    async with scripted_http() as scripted:
        yield scripted


async def derive(venue: ScriptedHttp) -> ApiCredentials:
    http = ClobHttp(venue.url, lambda: T0_NS)
    try:
        return await derive_credentials(http, KEY, THROWAWAY_ADDRESS, 137)
    finally:
        await http.close()


async def test_a_key_that_has_credentials_gets_them(venue: ScriptedHttp) -> None:
    venue.answers.append((200, ROW))
    assert await derive(venue) == CREDENTIALS
    (request,) = venue.requests
    assert request.line == "GET /auth/derive-api-key"
    assert request.headers["poly_address"] == THROWAWAY_ADDRESS
    assert request.headers["poly_timestamp"] == str(T0_NS // NS_PER_S)
    assert request.headers["poly_nonce"] == "0"


async def test_a_key_without_credentials_gets_new_ones(venue: ScriptedHttp) -> None:
    venue.answers.extend([(400, {"error": "Could not derive api key!"}), (200, ROW)])
    assert await derive(venue) == CREDENTIALS
    assert venue.lines == ["GET /auth/derive-api-key", "POST /auth/api-key"]


async def test_two_refusals_are_told_with_the_last_words_of_the_venue(venue: ScriptedHttp) -> None:
    venue.answers.extend([(400, {"error": "first"}), (401, {"error": "Invalid L1 headers"})])
    with pytest.raises(StartupError) as raised:
        await derive(venue)
    assert str(raised.value) == (
        f"no API credentials for {THROWAWAY_ADDRESS}: POST /auth/api-key: 401 Invalid L1 headers"
    )


async def test_a_refusal_without_words_has_its_status(venue: ScriptedHttp) -> None:
    venue.answers.extend([(503, {}), (503, {})])
    with pytest.raises(StartupError) as raised:
        await derive(venue)
    assert str(raised.value).endswith(": POST /auth/api-key: 503")


@pytest.mark.parametrize("row", [{}, [], "key", {**ROW, "secret": 5}, {**ROW, "secret": "a"}])
async def test_an_answer_that_holds_no_credentials_ends_the_start(
    venue: ScriptedHttp, row: object
) -> None:
    venue.answers.append((200, row))
    with pytest.raises(StartupError, match="the venue's answer has"):
        await derive(venue)
    assert len(venue.requests) == 1


async def test_a_venue_that_hangs_up_ends_the_start(venue: ScriptedHttp) -> None:
    with pytest.raises(StartupError, match="no API credentials: GET /auth/derive-api-key: "):
        await derive(venue)
