"""Which server serves a hash tag: one Redis, the nodes of a Cluster, the primary of Sentinels.

It is learnt at the first use, and again after every sign that another server took over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis import exceptions as redis_errors
from redis.crc import key_slot

from pmcore.shell.bus.redis_client import (
    REQUEST_TIMEOUT_S,
    Address,
    Client,
    close_client,
    make_client,
    may_have_moved,
    transport_error,
)
from pmcore.shell.bus.redis_url import read_redis_url
from pmcore.shell.bus.sentinels import Sentinels, be_a_primary

SLOTS = 16_384
LEARN_S = 0.5
"""For one node that is asked who serves what; then another one is asked."""
CLOSED_TRANSPORT = "the handler is closed"
"""uvloop's `RuntimeError` for a write to a connection that was reset; redis-py hands it on."""
_Served = tuple[int, int, Address]


class Nodes:
    """The clients of the servers that a URL stands for."""

    def __init__(self, url: str, name: str) -> None:
        self.name = name
        self._address = read_redis_url(url)
        hosts: tuple[Address, ...] = self._address.hosts
        self._named: tuple[Address, ...] = hosts if len(hosts) > 1 else (None,)
        self._to_ask = list(self._named)
        self._silent: set[Address] = set()
        self._learning = asyncio.Lock()
        self._sentinels = Sentinels(self._address, name) if self._address.primary else None
        self._slots: list[_Served] | None = None
        self._writers: dict[Address, Client] = {}

    async def address(self, tag: str) -> Address:
        """The node of a tag's slot; None for the one server that the URL names."""
        slots = self._slots or await self._learn()
        slot = key_slot(tag.encode())
        for first, last, address in slots:
            if first <= slot <= last:
                return address
        raise redis_errors.ClusterDownError(f"slot {slot} is not served")

    async def writer(self, tag: str) -> Client:
        """The client for everything about a tag that does not block."""
        return self._node(await self.address(tag))

    def reader(self, address: Address, name: str) -> Client:
        """A new client with one connection, for one blocking reader."""
        return self._client(address, name, max_connections=1)

    def forget(self) -> None:
        """Ask again who serves what."""
        self._slots = None

    async def close(self) -> None:
        """Close the connections of all nodes."""
        for client in self._writers.values():
            await close_client(client)
        self._writers.clear()
        if self._sentinels is not None:
            await self._sentinels.close()

    def _node(self, address: Address) -> Client:
        if address not in self._writers:
            self._writers[address] = self._client(address, self.name, max_connections=None)
        return self._writers[address]

    def _client(self, address: Address, name: str, *, max_connections: int | None) -> Client:
        return make_client(
            self._address.server_url,
            address=address,
            name=name,
            max_connections=max_connections,
            on_connect=be_a_primary if self._sentinels is not None else None,
        )

    async def _learn(self) -> list[_Served]:
        """One asks for all who want to know."""
        async with self._learning:
            if self._slots is None:
                self._slots = await self._load_slots()
            return self._slots

    async def _load_slots(self) -> list[_Served]:
        """Those that did not answer last time are asked last: a host that is cut off costs time."""
        if self._sentinels is not None:
            return [(0, SLOTS - 1, await self._sentinels.primary())]
        failure: redis_errors.RedisError | OSError | None = None
        for asked in sorted(self._to_ask, key=lambda one: one in self._silent):
            self._to_ask.remove(asked)
            self._to_ask.append(asked)  # if it knows nothing new, the next one is asked first
            try:
                async with asyncio.timeout(LEARN_S if len(self._to_ask) > 1 else None):
                    served = await self._ask_for_slots(asked)
            except (redis_errors.RedisError, OSError) as error:
                self._silent.add(asked)
                failure = error
            else:
                self._silent = (self._silent - {asked}) & {*self._to_ask}
                return served
        assert failure is not None
        raise failure

    async def _ask_for_slots(self, asked: Address) -> list[_Served]:
        try:
            rows = await self._node(asked).execute_command("CLUSTER", "SLOTS")
        except redis_errors.ResponseError as error:
            if "cluster support disabled" not in str(error):
                raise
            return [(0, SLOTS - 1, asked)]
        hosts = self._address.hosts
        own_host = asked[0] if asked else hosts[0][0] if hosts else "localhost"
        served: list[_Served] = [
            (first, last, (host.decode() if host else own_host, port))
            for first, last, (host, port, *_), *_ in rows
        ]
        known = dict.fromkeys([*self._to_ask, *(address for _, _, address in served)])
        still = {*self._named, *(address for _, _, address in served)}
        self._to_ask = [one for one in known if one in still]
        return served

    @asynccontextmanager
    async def request(
        self, *, writes: bool, timeout_s: float = REQUEST_TIMEOUT_S
    ) -> AsyncIterator[None]:
        """Bound a call, and turn what redis-py raises into `TransportError`.

        After one that says that another server may serve, it is learnt anew; the caller tries
        again.
        """
        try:
            async with asyncio.timeout(timeout_s):
                yield
        except (redis_errors.RedisError, OSError) as error:
            if may_have_moved(error):
                self.forget()
            raise transport_error(error, writes=writes) from error
        except RuntimeError as error:
            if CLOSED_TRANSPORT not in str(error):
                raise
            self.forget()
            broken = redis_errors.ConnectionError(str(error))
            raise transport_error(broken, writes=writes) from error
