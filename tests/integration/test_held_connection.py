"""A kept connection never takes one call's answer for another's, and repeats nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import redis as redis_py
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from pmcore.shell.bus.held_connection import HeldConnection
from pmcore.shell.bus.redis_client import close_client, make_client
from support.redis import SERVER_PARAMS

pytestmark = pytest.mark.parametrize("redis_url", SERVER_PARAMS, indirect=True)

NAME = "held"


@pytest.fixture
async def held(redis_url: str) -> AsyncIterator[HeldConnection]:
    client = make_client(redis_url, address=None, name=NAME, max_connections=1)
    yield HeldConnection(client)
    await close_client(client)


@pytest.fixture
def raw(redis_url: str) -> Iterator[Any]:
    with redis_py.Redis.from_url(redis_url) as client:
        yield client


def own_ids(raw: Any) -> list[str]:
    return [row["id"] for row in raw.client_list() if row["name"] == NAME]


async def test_one_connection_serves_all_calls(held: HeldConnection, raw: Any) -> None:
    assert await held.call("SET", "k", b"v") == b"OK"
    (first,) = own_ids(raw)
    assert await held.call("GET", "k") == b"v"
    assert await held.transaction([("INCR", "n"), ("GET", "k")]) == [1, b"v"]
    assert own_ids(raw) == [first]


async def test_an_error_inside_a_transaction_stands_in_its_place(held: HeldConnection) -> None:
    await held.call("SET", "text", "no number")
    before, error, after = await held.transaction(
        [("SET", "a", "1"), ("INCR", "text"), ("GET", "a")]
    )
    assert (before, after) == (b"OK", b"1")
    assert isinstance(error, ResponseError)


async def test_a_refused_transaction_does_nothing_and_leaves_no_answer_behind(
    held: HeldConnection,
) -> None:
    with pytest.raises(ResponseError, match="unknown command"):
        await held.transaction([("SET", "b", "1"), ("NOSUCH",), ("SET", "c", "1")])
    assert await held.call("GET", "b") is None
    assert await held.call("ECHO", "mine") == b"mine"


async def test_after_a_call_that_broke_off_the_next_answer_is_its_own(
    held: HeldConnection, raw: Any
) -> None:
    waiting = asyncio.create_task(held.call("BLPOP", "list", 5))
    while raw.info("clients")["blocked_clients"] != 1:  # noqa: ASYNC110 - the server knows
        await asyncio.sleep(0.001)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    raw.rpush("list", "for nobody")
    assert await held.call("ECHO", "mine") == b"mine"


async def test_an_end_of_the_connection_is_seen_before_the_next_call(
    held: HeldConnection, raw: Any
) -> None:
    await held.call("PING")
    (first,) = own_ids(raw)
    raw.client_kill_filter(_id=first)
    while await _looks_open(held):  # noqa: ASYNC110 - the loop reads it in its own time
        await asyncio.sleep(0.001)
    assert await held.call("INCR", "once") == 1
    assert own_ids(raw) != [first]


async def test_a_connection_that_ends_inside_a_call_is_an_error_and_not_repeated(
    held: HeldConnection, raw: Any
) -> None:
    waiting = asyncio.create_task(held.call("BLPOP", "nothing", 5))
    while raw.info("clients")["blocked_clients"] != 1:  # noqa: ASYNC110 - the server knows
        await asyncio.sleep(0.001)
    raw.client_kill_filter(_id=own_ids(raw)[0])
    with pytest.raises(RedisConnectionError):
        await waiting
    assert await held.call("PING") == b"PONG"


async def test_a_released_connection_can_be_used_by_the_client(held: HeldConnection) -> None:
    await held.call("PING")
    with pytest.raises(RedisConnectionError):
        await held.client.ping()
    await held.release()
    assert await held.client.ping()
    assert await held.call("PING") == b"PONG"


async def _looks_open(held: HeldConnection) -> bool:
    """Whether the loop has not read the end of the connection yet."""
    connection = held._connection
    return bool(connection.is_connected) and not await connection.can_read()
