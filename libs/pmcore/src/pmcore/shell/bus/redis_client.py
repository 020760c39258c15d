"""Clients of redis-py with every option set, and its errors as `TransportError`.

redis-py retries by default and so may publish twice; here nothing is retried. RESP2 and the
`legacy_responses=False` shapes are what `redis_bus` parses; both are set here and nowhere else.
Time limits are `request`'s, on the whole call: with a `socket_timeout`, redis-py sends under
`asyncio.wait_for`, which on Python 3.11 may lose a cancellation.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from redis import exceptions as redis_errors
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from pmcore.model.errors import Sent, TransportError

REQUEST_TIMEOUT_S = 2.0
"""For one call and its connection; a blocked read has this on top of its waiting time."""

_MENDING = (
    redis_errors.AskError,
    redis_errors.BusyLoadingError,
    redis_errors.ClusterDownError,
    redis_errors.MasterDownError,
    redis_errors.OutOfMemoryError,
    redis_errors.ReadOnlyError,
    redis_errors.TryAgainError,
)
"""Answers that pass: the command was refused whole, and may be sent again later."""

_MENDING_TEXTS = ("NOREPLICAS", "READONLY", "instance state changed")
"""The same, of those for which redis-py has no class: too few replicas, or (in a script of 6.2, or
while a read waited) the server became a replica."""

Client = Any
"""`redis.asyncio.Redis`; its types join the reply shapes of all protocols, ours is one of them."""

Address = tuple[str, int] | None
"""One server of several; None for the one that the URL names."""


def make_client(
    url: str,
    *,
    address: Address,
    name: str,
    max_connections: int | None,
    on_connect: Callable[[Any], Awaitable[None]] | None = None,
) -> Client:
    """A client with its own connections. Nothing is sent before the first command.

    `on_connect` takes the place of redis-py's own login.
    """
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
        "redis_connect_func": on_connect,
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
    if isinstance(error, _MENDING) or any(word in str(error) for word in _MENDING_TEXTS):
        return TransportError(text, retryable=True, sent=Sent.NO)
    if isinstance(error, redis_errors.ResponseError | redis_errors.AuthenticationError):
        return TransportError(text, retryable=False, sent=Sent.NO)
    if isinstance(error, redis_errors.ConnectionError | redis_errors.TimeoutError | OSError):
        return TransportError(text, retryable=True, sent=Sent.UNKNOWN if writes else Sent.NO)
    return TransportError(text, retryable=False, sent=Sent.UNKNOWN)


def may_have_moved(error: redis_errors.RedisError | OSError) -> bool:
    """Whether another server may have taken over: time to ask again who serves what."""
    gone = (
        redis_errors.AskError,
        redis_errors.ClusterDownError,
        redis_errors.ConnectionError,
        redis_errors.MasterDownError,
        redis_errors.ReadOnlyError,
        redis_errors.TimeoutError,
        OSError,
    )
    return isinstance(error, gone) or any(word in str(error) for word in _MENDING_TEXTS)
