"""Three masters on loopback that share the slots: a Redis Cluster without replicas."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import redis as redis_py

from pmtools.run.redis_server import LocalRedis, free_port

_NODES = 3
_SLOTS = 16_384
_BUS_OFFSET = 10_000  # Redis 6.2 has no option for the port of the cluster bus


@contextmanager
def redis_cluster() -> Iterator[list[str]]:
    """URLs of the nodes; each knows all slots when they are given out."""
    with ExitStack() as stack:
        nodes = [stack.enter_context(_node()) for _ in range(_NODES)]
        clients: list[Any] = [
            stack.enter_context(redis_py.Redis.from_url(node.url)) for node in nodes
        ]
        for index, client in enumerate(clients):
            first, last = index * _SLOTS // _NODES, (index + 1) * _SLOTS // _NODES
            client.execute_command("CLUSTER", "ADDSLOTS", *range(first, last))
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
        for node in nodes[1:]:
            clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", node.port)
        while not all(_is_whole(client) for client in clients):
            time.sleep(0.02)
        yield [node.url for node in nodes]


def _node() -> LocalRedis:
    port = free_port()
    while port + _BUS_OFFSET > 65_535:
        port = free_port()
    arguments = ["--cluster-enabled", "yes", "--cluster-node-timeout", "5000"]
    return LocalRedis(port=port, arguments=arguments)


def _is_whole(client: Any) -> bool:
    info: bytes = client.execute_command("CLUSTER", "INFO")
    return b"cluster_state:ok" in info and b"cluster_known_nodes:%d\r" % _NODES in info
