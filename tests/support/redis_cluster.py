"""Redis Clusters on loopback: masters that share the slots, on request with a replica each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import redis as redis_py
from redis.crc import key_slot

from pmcore.wire.access import OPERATOR
from pmtools.ports import free_port
from pmtools.run.redis_cluster import MASTERS, cluster_arguments, join
from pmtools.run.redis_server import LocalRedis


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
        number = 2 * MASTERS if replicas else MASTERS
        nodes = [stack.enter_context(_node(passwords or {}, timeout_ms)) for _ in range(number)]
        join(nodes)
        yield nodes


def _node(passwords: Mapping[str, str], timeout_ms: int) -> LocalRedis:
    arguments = cluster_arguments(timeout_ms, passwords.get(OPERATOR, ""))
    return LocalRedis(port=free_port(), passwords=passwords, arguments=arguments)
