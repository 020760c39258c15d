"""Clients of redis-py with every option said, the nodes of a Cluster, and errors made ours.

redis-py retries by default and so may publish twice; here nothing is retried. RESP2 and the
`legacy_responses=False` shapes are what `redis_bus` parses; both are set here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis import exceptions as redis_errors
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot

from pmcore.model.errors import Sent, TransportError

WRITER_TIMEOUT_S = 2.0
MAX_BLOCK_MS = 5_000
READER_TIMEOUT_S = MAX_BLOCK_MS / 1000 + WRITER_TIMEOUT_S

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


def make_client(
    url: str, *, address: Address, name: str, timeout_s: float, max_connections: int | None
) -> Client:
    """A client with its own connections. Nothing is sent before the first command."""
    options: dict[str, Any] = {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": WRITER_TIMEOUT_S,
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
                timeout_s=WRITER_TIMEOUT_S,
                max_connections=None,
            )
        return self._writers[address]

    def reader(self, address: Address, name: str) -> Client:
        """A new client with one connection, for one blocking reader."""
        return make_client(
            self._url, address=address, name=name, timeout_s=READER_TIMEOUT_S, max_connections=1
        )

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
        return [(int(row[0]), int(row[1]), (row[2][0].decode(), int(row[2][1]))) for row in rows]

    @contextmanager
    def translate(self, *, writes: bool) -> Iterator[None]:
        """Turn what redis-py raises into `TransportError`; after MOVED, learn the nodes anew."""
        try:
            yield
        except (redis_errors.RedisError, OSError) as error:
            if isinstance(error, redis_errors.AskError | redis_errors.ClusterDownError):
                self.forget()
            raise transport_error(error, writes=writes) from error
