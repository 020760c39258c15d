"""Clients of redis-py with every option set, the nodes of a Cluster, errors as `TransportError`.

redis-py retries by default and so may publish twice; here nothing is retried. RESP2 and the
`legacy_responses=False` shapes are what `redis_bus` parses; both are set here and nowhere else.
Time limits are `request`'s, on the whole call: with a `socket_timeout`, redis-py sends under
`asyncio.wait_for`, which on Python 3.11 may lose a cancellation.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from redis import exceptions as redis_errors
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot

from pmcore.model.errors import Sent, TransportError

REQUEST_TIMEOUT_S = 2.0
"""For one call and its connection; a blocked read has this on top of its waiting time."""

_MENDING = (
    redis_errors.AskError,
    redis_errors.BusyLoadingError,
    redis_errors.ClusterDownError,
    redis_errors.OutOfMemoryError,
    redis_errors.ReadOnlyError,
    redis_errors.TryAgainError,
)
"""Answers that pass: the command was refused whole, and may be sent again later."""

Client = Any
"""`redis.asyncio.Redis`; its types join the reply shapes of all protocols, ours is one of them."""

Address = tuple[str, int] | None
"""A node of a Cluster; None for the server that the URL names."""


def make_client(url: str, *, address: Address, name: str, max_connections: int | None) -> Client:
    """A client with its own connections. Nothing is sent before the first command."""
    options: dict[str, Any] = {
        "socket_timeout": None,
        "socket_connect_timeout": REQUEST_TIMEOUT_S,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_error": [],
        "health_check_interval": 0,
        "decode_responses": False,
        "encoding": "utf-8",
        "protocol": 2,
        "legacy_responses": False,
        "client_name": name,
        "driver_info": None,
        **parse_url(url),
    }
    if address is not None:
        options["host"], options["port"] = address
    return Redis(connection_pool=ConnectionPool(max_connections=max_connections, **options))


async def close_client(client: Client) -> None:
    """Close all connections of a client of `make_client`, also those in use."""
    await client.connection_pool.disconnect(inuse_connections=True)


def transport_error(error: redis_errors.RedisError | OSError, *, writes: bool) -> TransportError:
    """What a failure means: may it be tried again, and can it have been done all the same?"""
    text = f"redis: {type(error).__name__}: {error}"
    if isinstance(error, _MENDING):
        return TransportError(text, retryable=True, sent=Sent.NO)
    if isinstance(error, redis_errors.ResponseError | redis_errors.AuthenticationError):
        return TransportError(text, retryable=False, sent=Sent.NO)
    if isinstance(error, redis_errors.ConnectionError | redis_errors.TimeoutError | OSError):
        return TransportError(text, retryable=True, sent=Sent.UNKNOWN if writes else Sent.NO)
    return TransportError(text, retryable=False, sent=Sent.UNKNOWN)


class Nodes:
    """Which node serves a hash tag. Learnt at the first use, again after MOVED."""

    def __init__(self, url: str, name: str) -> None:
        self.name = name
        self._url = url
        self._slots: list[tuple[int, int, Address]] | None = None
        self._writers: dict[Address, Client] = {}

    async def address(self, tag: str) -> Address:
        """The node of a tag's slot; None when the server is no Cluster."""
        if self._slots is None:
            self._slots = await self._load_slots()
        slot = key_slot(tag.encode())
        for first, last, address in self._slots:
            if first <= slot <= last:
                return address
        raise redis_errors.ClusterDownError(f"slot {slot} is not served")

    async def writer(self, tag: str) -> Client:
        """The client for everything about a tag that does not block."""
        return self.node(await self.address(tag))

    def node(self, address: Address) -> Client:
        """The client of a node that does not block; None is the URL's own."""
        if address not in self._writers:
            self._writers[address] = make_client(
                self._url,
                address=address,
                name=self.name,
                max_connections=None,
            )
        return self._writers[address]

    def reader(self, address: Address, name: str) -> Client:
        """A new client with one connection, for one blocking reader."""
        return make_client(self._url, address=address, name=name, max_connections=1)

    def forget(self) -> None:
        """Ask again who serves what."""
        self._slots = None

    async def close(self) -> None:
        """Close the connections of all nodes."""
        for client in self._writers.values():
            await close_client(client)
        self._writers.clear()

    async def _load_slots(self) -> list[tuple[int, int, Address]]:
        try:
            rows = await self.node(None).execute_command("CLUSTER", "SLOTS")
        except redis_errors.ResponseError as error:
            if "cluster support disabled" not in str(error):
                raise
            return [(0, 16_383, None)]
        own_host = parse_url(self._url).get("host", "localhost")
        return [
            (first, last, (host.decode() if host else own_host, port))
            for first, last, (host, port, *_), *_ in rows
        ]

    @asynccontextmanager
    async def request(
        self, *, writes: bool, timeout_s: float = REQUEST_TIMEOUT_S
    ) -> AsyncIterator[None]:
        """Bound a call, and turn what redis-py raises into `TransportError`.

        After MOVED the nodes are learnt anew; the caller tries again.
        """
        try:
            async with asyncio.timeout(timeout_s):
                yield
        except (redis_errors.RedisError, OSError) as error:
            if isinstance(error, redis_errors.AskError | redis_errors.ClusterDownError):
                self.forget()
            raise transport_error(error, writes=writes) from error
