"""Servers that become one Redis Cluster: masters that share the slots, and a replica of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import redis as redis_py
from redis.crc import key_slot

from pmcore.shell.clock import monotonic_s
from pmcore.wire.access import OPERATOR
from pmtools.run.redis_server import LocalRedis, LocalRedisError

MASTERS = 3
SLOTS = 16_384
PATIENCE_S = 30.0


def cluster_arguments(timeout_ms: int, operator_password: str) -> list[str]:
    """Of each server's command line; after `timeout_ms` without an answer a node counts as gone."""
    arguments = ["--cluster-enabled", "yes", "--cluster-node-timeout", str(timeout_ms)]
    arguments += ["--repl-diskless-sync-delay", "0"]
    if operator_password:
        arguments += ["--masteruser", OPERATOR, "--masterauth", operator_password]
    return arguments


def shard_of(tag: str) -> int:
    """Which of the masters is given a hash tag's slot when the slots are given out."""
    slot: int = key_slot(tag.encode())
    return next(index for index in range(MASTERS) if slot < (index + 1) * SLOTS // MASTERS)


def join(nodes: Sequence[LocalRedis]) -> None:
    """Make running servers one Cluster: `MASTERS` masters, then in the same order their replicas.

    Raise `LocalRedisError` when they do not come together.
    """
    with _clients(nodes) as clients:
        for index, client in enumerate(clients[:MASTERS]):
            first, last = index * SLOTS // MASTERS, (index + 1) * SLOTS // MASTERS
            client.execute_command("CLUSTER", "ADDSLOTS", *range(first, last))
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
        for node in nodes[1:]:
            clients[0].execute_command("CLUSTER", "MEET", node.host, node.port)
        _until_all(clients, lambda client: _is_whole(client, len(nodes)))
        for master, replica in zip(clients, clients[MASTERS:], strict=False):
            name = master.execute_command("CLUSTER", "MYID").decode()
            replica.execute_command("CLUSTER", "REPLICATE", name)
        _until_all(clients[MASTERS:], lambda client: client.info()["master_link_status"] == "up")


@contextmanager
def _clients(nodes: Sequence[LocalRedis]) -> Iterator[list[Any]]:
    clients: list[Any] = [redis_py.Redis.from_url(node.url) for node in nodes]
    try:
        yield clients
    finally:
        for client in clients:
            client.close()


def _until_all(clients: Sequence[Any], holds: Callable[[Any], bool]) -> None:
    end_s = monotonic_s() + PATIENCE_S
    while not all(holds(client) for client in clients):
        if monotonic_s() > end_s:
            raise LocalRedisError("the Redis Cluster does not come together")
        time.sleep(0.02)


def _is_whole(client: Any, number: int) -> bool:
    info: bytes = client.execute_command("CLUSTER", "INFO")
    return b"cluster_state:ok" in info and b"cluster_known_nodes:%d\r" % number in info
