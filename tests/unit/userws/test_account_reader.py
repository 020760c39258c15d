"""What REST is asked for, when the clock of this machine is not the venue's."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from pmcore.shell.http import JsonReader
from pmcore.venue.l2_auth import ApiCredentials
from pmcore.venue.user_frames import UserFrameParser
from pmuserws.reconcile import AccountReader
from support.scripted_http import scripted_http

EMPTY = {"data": [], "next_cursor": "LTE=", "limit": 100}
AFTER_S = 1_790_000_000


@pytest.mark.parametrize(
    ("ahead_s", "at_least_s", "at_most_s"),
    [
        (3_600, AFTER_S - 3_603, AFTER_S - 3_597),
        (-3_600, AFTER_S, AFTER_S),
        (None, AFTER_S, AFTER_S),
    ],
)
async def test_trades_are_asked_for_in_the_venues_time_when_our_clock_is_ahead(
    ahead_s: int | None, at_least_s: int, at_most_s: int
) -> None:
    async with scripted_http() as wire:
        if ahead_s is not None:
            wire.headers["date"] = formatdate(time.time() - ahead_s, usegmt=True)
        wire.answers += [(200, EMPTY), (200, EMPTY)]
        rest = JsonReader(wire.url)
        credentials = ApiCredentials("0xa", "k", "c2VjcmV0", "p")
        reader = AccountReader(
            rest, credentials, UserFrameParser(api_key="k", maker_addresses=frozenset())
        )
        await reader.open_orders(1)
        await reader.fills(AFTER_S, 1)
        await rest.close()
        assert at_least_s <= int(wire.requests[-1].query["after"]) <= at_most_s
