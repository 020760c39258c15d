"""What processes and Redis servers have used up to now. Differences of two readings are costs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import redis as redis_py

from pmtools.run.redis_server import LocalRedis

_TICK_MS = 1_000 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_USER_TIME, _SYSTEM_TIME = 11, 12
"""Of /proc/PID/stat, counted behind the name, which ends with the last bracket (proc(5))."""


class ProcessUse(msgspec.Struct, frozen=True):
    """CPU time, user and system, and resident memory."""

    cpu_ms: float
    resident_bytes: int


class ServerUse(msgspec.Struct, frozen=True):
    """Of a Redis server: its CPU time, commands that clients sent, and its data in memory."""

    cpu_ms: float
    commands: int
    data_bytes: int


def use_of_process(pid: int) -> ProcessUse:
    """Read it; raise OSError when the process is gone."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    ticks = int(fields[_USER_TIME]) + int(fields[_SYSTEM_TIME])
    return ProcessUse(ticks * _TICK_MS, pages * _PAGE)


def use_of_server(node: LocalRedis) -> ServerUse:
    """Ask it."""
    with redis_py.Redis.from_url(node.url) as client:
        info: dict[str, Any] = client.info()
    cpu_s = info["used_cpu_user"] + info["used_cpu_sys"]
    return ServerUse(cpu_s * 1_000, info["total_commands_processed"], info["used_memory_dataset"])


def entries_added(masters: Sequence[LocalRedis], streams: Sequence[str]) -> int:
    """How many entries these streams ever got; Redis counts them from version 7 on."""
    return sum(_entries_added(masters, key) for key in streams)


def _entries_added(masters: Sequence[LocalRedis], key: str) -> int:
    return int(_of_owner(masters, lambda client: client.xinfo_stream(key)["entries-added"]))


def bytes_per_entry(masters: Sequence[LocalRedis], stream: str) -> float:
    """What an entry of a stream takes in memory, on the average of those that are there."""
    held = _of_owner(masters, lambda client: client.xlen(stream))
    used = _of_owner(masters, lambda client: client.memory_usage(stream, samples=0))
    return used / held if held else 0.0


def _of_owner(masters: Sequence[LocalRedis], ask: Callable[[Any], Any]) -> Any:
    """The answer of the master that has the key; the others say MOVED."""
    for node in masters:
        with redis_py.Redis.from_url(node.url) as client:
            try:
                return ask(client)
            except redis_py.exceptions.MovedError:
                continue
    raise LookupError("no master has the key")
