"""Asks Redis Sentinels which server is the primary now."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from redis import exceptions as redis_errors

from pmcore.shell.bus.redis_client import Client, close_client, make_client
from pmcore.shell.bus.redis_url import Host, RedisAddress

ANSWER_S = 0.5
"""For one Sentinel, with its connection: all are asked together, and one may be gone."""


class Sentinels:
    """The Sentinels of a URL. Those that answer are believed by the newest configuration."""

    def __init__(self, address: RedisAddress, name: str) -> None:
        self._primary = address.primary
        self._clients: list[Client] = [
            make_client(url, address=None, name=name, max_connections=None)
            for url in address.sentinel_urls
        ]

    async def primary(self) -> Host:
        """The primary's host and port; raise a `ConnectionError` of redis-py if none is known."""
        answers = await asyncio.gather(*(self._ask(client) for client in self._clients))
        known = [answer for answer in answers if not isinstance(answer, str)]
        if not known:
            texts = "; ".join(dict.fromkeys(str(answer) for answer in answers))
            raise redis_errors.ConnectionError(f"no Sentinel knows {self._primary}: {texts}")
        newest = max(known, key=lambda state: int(state["config-epoch"]))
        return str(newest["ip"]), int(newest["port"])

    async def close(self) -> None:
        """Close all connections."""
        for client in self._clients:
            await close_client(client)

    async def _ask(self, client: Client) -> Mapping[str, Any] | str:
        """What one Sentinel says of the primary, or why it does not count."""
        try:
            async with asyncio.timeout(ANSWER_S):
                state: Mapping[str, Any] = await client.sentinel_master(self._primary)
        except (redis_errors.RedisError, OSError) as error:
            return str(error) or "no answer in time"
        return "it is down" if state["is_sdown"] or state["is_odown"] else state


async def be_a_primary(connection: Any) -> None:
    """Log in, and end a connection to a server that has become a replica: what it has is old."""
    await connection.on_connect()
    await connection.send_command("ROLE")
    role, *_ = await connection.read_response()
    if role != b"master":
        raise redis_errors.ConnectionError("this server is a replica now")
