"""The bare relay as a floor: its three processes with a Redis and a stub venue of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter_ns
from typing import Any

from redis import Redis

from pmcore.model.check import invariant
from pmtools.bench.bare_relay import BARE, DONE, HOPS, RECORD, RECORDED
from pmtools.bench.stub_venue import stub_venue
from pmtools.processes import start_module
from pmtools.run.redis_server import LocalRedis

PADDING = b"x" * 500


class BareRelay:
    """The three processes of the floor, and when each frame was sent to them, by its kind."""

    def __init__(self, redis: LocalRedis, port: int) -> None:
        self._redis = redis
        self._port = port
        self._sent_ns: dict[bytes, list[int]] = {BARE: [], RECORDED: []}
        self._writer: asyncio.StreamWriter | None = None

    async def connect(self) -> None:
        """Before the first frame."""
        _, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    def send(self, kind: bytes = BARE) -> None:
        """The next frame of a kind."""
        assert self._writer is not None
        sent_ns = self._sent_ns[kind]
        frame = b"%d %s %s\n" % (len(sent_ns), kind, PADDING)
        sent_ns.append(perf_counter_ns())
        self._writer.write(frame)

    def rounds(self, samples: int, kind: bytes = BARE) -> list[list[int]]:
        """What each frame of a kind took, `samples` of them in a round."""
        sent_ns = self._sent_ns[kind]
        found: list[list[int]] = [[] for _ in range(len(sent_ns) // samples)]
        with Redis.from_url(self._redis.url) as redis:
            recorded = redis.xlen(RECORD)
            invariant(recorded == len(self._sent_ns[RECORDED]), "a frame was not recorded")
            rows: Any = redis.xrange(DONE)
            for _, fields in rows:
                if fields[b"kind"] == kind:
                    number = int(fields[b"number"])
                    found[number // samples].append(int(fields[b"ns"]) - sent_ns[number])
        return found


@contextmanager
def bare_relay_hops() -> Iterator[BareRelay]:
    """Start the relay with a Redis and a stub venue of its own."""
    with LocalRedis() as redis, stub_venue() as stub_port:
        running = [
            start_module("pmtools.bench.bare_relay", hop, redis.url, str(stub_port)) for hop in HOPS
        ]
        try:
            assert running[0].stdout is not None
            yield BareRelay(redis, int(running[0].stdout.readline()))
        finally:
            for process in running:
                process.terminate()
                process.wait()
