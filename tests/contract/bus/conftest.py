from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from support.bus_worlds import BusWorld, MemoryWorld, RedisWorld
from support.redis import SERVER_PARAMS, RedisServers


@pytest.fixture(params=[pytest.param("memory", id="memory"), *SERVER_PARAMS])
async def world(
    request: pytest.FixtureRequest, redis_servers: RedisServers
) -> AsyncIterator[BusWorld]:
    made: BusWorld
    if request.param == "memory":
        made = MemoryWorld()
    else:
        made = RedisWorld(redis_servers.flushed_url(request.param))
    yield made
    await made.close()
