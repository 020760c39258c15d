"""The bare relay as a floor: its three processes with a Redis and a stub venue of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter_ns
from typing import Any

from redis import Redis

from pmtools.bench import bare_relay
from pmtools.bench.stub_venue import stub_venue
from pmtools.processes import start_module
from pmtools.run.redis_server import LocalRedis

FRAME = b"x" * 500


class BareRelay:
    """The three processes of the floor, and when each frame was sent to them."""

    def __init__(self, redis: LocalRedis, port: int) -> None:
        self._redis = redis
        self._port = port
        self._sent_ns: list[int] = []
        self._writer: asyncio.StreamWriter | None = None

    async def connect(self) -> None:
        """Before the first frame."""
        _, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    def send(self) -> None:
        """The next frame."""
        assert self._writer is not None
        frame = b"%d %s\n" % (len(self._sent_ns), FRAME)
        self._sent_ns.append(perf_counter_ns())
        self._writer.write(frame)

    def rounds(self, samples: int) -> list[list[int]]:
        """What each frame took, `samples` of them in a round."""
        found: list[list[int]] = [[] for _ in range(len(self._sent_ns) // samples)]
        with Redis.from_url(self._redis.url) as redis:
            rows: Any = redis.xrange(bare_relay.DONE)
            for _, fields in rows:
                number = int(fields[b"number"])
                found[number // samples].append(int(fields[b"ns"]) - self._sent_ns[number])
        return found


@contextmanager
def bare_relay_hops() -> Iterator[BareRelay]:
    """Start the relay with a Redis and a stub venue of its own."""
    with LocalRedis() as redis, stub_venue() as stub_port:
        running = [
            start_module("pmtools.bench.bare_relay", hop, redis.url, str(stub_port))
            for hop in bare_relay.HOPS
        ]
        try:
            assert running[0].stdout is not None
            yield BareRelay(redis, int(running[0].stdout.readline()))
        finally:
            for process in running:
                process.terminate()
                process.wait()
