"""Redis Clusters on loopback: masters that share the slots, on request with a replica each."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import redis as redis_py
from redis.crc import key_slot

from pmcore.wire.access import OPERATOR
from pmtools.run.redis_server import LocalRedis, free_port

_MASTERS = 3
_SLOTS = 16_384
_BUS_OFFSET = 10_000  # Redis 6.2 has no option for the port of the cluster bus
_PATIENCE_S = 30.0


class ClusterSet:
    """Six nodes as one: what an engine is given."""

    def __init__(self, nodes: list[LocalRedis]) -> None:
        self.nodes = nodes
        self.passwords = nodes[0].passwords

    @property
    def address(self) -> str:
        """All of them, as PM_REDIS_URL."""
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        return f"redis://{hosts}/0"

    @property
    def url(self) -> str:
        """One that runs, as the operator."""
        return next(node.url for node in self.nodes if node.pid is not None)

    @property
    def pid(self) -> int | None:
        """Of the first one."""
        return self.nodes[0].pid

    def url_of(self, user: str) -> str:
        return self.address.replace("://", f"://{user}:{self.passwords[user]}@")

    def owner(self, key: str) -> LocalRedis:
        """The master of a key's slot."""
        slot = key_slot(key.encode())
        with redis_py.Redis.from_url(self.url) as client:
            rows = client.execute_command("CLUSTER", "SLOTS")
        port = next(row[2][1] for row in rows if row[0] <= slot <= row[1])
        return next(node for node in self.nodes if node.port == port)


@contextmanager
def redis_cluster() -> Iterator[list[str]]:
    """URLs of three masters; each knows all slots when they are given out."""
    with cluster_nodes() as nodes:
        yield [node.url for node in nodes]


@contextmanager
def cluster_nodes(
    passwords: Mapping[str, str] | None = None, *, replicas: bool = False, timeout_ms: int = 5_000
) -> Iterator[list[LocalRedis]]:
    """Three masters, then (with `replicas`) the replica of each, in the same order.

    `timeout_ms`: after so long without an answer a node counts as gone.
    """
    with ExitStack() as stack:
        number = 2 * _MASTERS if replicas else _MASTERS
        nodes = [stack.enter_context(_node(passwords or {}, timeout_ms)) for _ in range(number)]
        clients: list[Any] = [
            stack.enter_context(redis_py.Redis.from_url(node.url)) for node in nodes
        ]
        for index, client in enumerate(clients[:_MASTERS]):
            first, last = index * _SLOTS // _MASTERS, (index + 1) * _SLOTS // _MASTERS
            client.execute_command("CLUSTER", "ADDSLOTS", *range(first, last))
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
        for node in nodes[1:]:
            clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", node.port)
        _until_all(clients, lambda client: _is_whole(client, number))
        for master, replica in zip(clients, clients[_MASTERS:], strict=False):
            name = master.execute_command("CLUSTER", "MYID").decode()
            replica.execute_command("CLUSTER", "REPLICATE", name)
        _until_all(clients[_MASTERS:], lambda client: client.info()["master_link_status"] == "up")
        yield nodes


def _until_all(clients: list[Any], holds: Any) -> None:
    end = time.monotonic() + _PATIENCE_S
    while not all(holds(client) for client in clients):
        assert time.monotonic() < end, "the Cluster does not come together"
        time.sleep(0.02)


def _node(passwords: Mapping[str, str], timeout_ms: int) -> LocalRedis:
    port = free_port()
    while port + _BUS_OFFSET > 65_535:
        port = free_port()
    arguments = ["--cluster-enabled", "yes", "--cluster-node-timeout", str(timeout_ms)]
    arguments += ["--repl-diskless-sync-delay", "0"]
    if passwords:
        arguments += ["--masteruser", OPERATOR, "--masterauth", passwords[OPERATOR]]
    return LocalRedis(port=port, passwords=passwords, arguments=arguments)


def _is_whole(client: Any, number: int) -> bool:
    info: bytes = client.execute_command("CLUSTER", "INFO")
    return b"cluster_state:ok" in info and b"cluster_known_nodes:%d\r" % number in info
