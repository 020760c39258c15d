"""From a market frame on the feed's socket to the last byte of the POST and of the DELETE.

Through the real feed, strategy, executor and userws and a real Redis, in a market that moves by a
script. The bare relay takes a frame of its own in each pause between two moves.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from redis import Redis

from pmcore.model.units import NS_PER_S
from pmcore.shell.clock import Clock, real_now_ns
from pmcore.shell.control_client import open_http
from pmtools.bench import bare_relay
from pmtools.bench.figures import Measured, Round, measured
from pmtools.bench.order_ways import OrderWay, read_ways
from pmtools.bench.scripted_engine import START_S, python_module, scripted_engine
from pmtools.bench.scripted_market import FIRST_MOVE_NS, MOVE_NS, scripted_windows
from pmtools.bench.stub_venue import stub_venue
from pmtools.run.redis_server import LocalRedis, new_passwords

FRAME = b"x" * 500
CYCLE_NS = 2 * MOVE_NS
FLOOR_AFTER_NS = CYCLE_NS * 3 // 4
"""After the frame that cancels: half a pause after the one that places."""
_FLOOR = "a bare relay"


def measure(rounds: int, samples: int) -> list[Measured]:
    """Run it; a round has `samples` frames that cancel, that place, and of the floor."""
    windows = scripted_windows(1)
    moves = 2 * rounds * samples + int(START_S * NS_PER_S / MOVE_NS)
    with (
        LocalRedis(passwords=new_passwords()) as redis,
        bare_relay_hops() as relay,
        tempfile.TemporaryDirectory(prefix="pm-bench-") as directory,
    ):

        async def run() -> list[Measured]:
            async with scripted_engine(redis, Path(directory), windows, moves) as engine:
                async with open_http() as http:
                    await engine.until_resting(http, 2)
                begun_ns = real_now_ns()
                await relay.send(rounds * samples, engine.clock)
                shift_ns = engine.clock.now_ns() - real_now_ns()
            with Redis.from_url(redis.url) as client:
                ways = read_ways(client, windows[0].series, engine.seen, shift_ns)
            round_ns = samples * CYCLE_NS
            floors = relay.rounds(samples)
            first = [way for way in ways.posts if way.place == 0]
            second = [way for way in ways.posts if way.place == 1]
            return [
                _figure(name, found, floors, begun_ns, round_ns)
                for name, found in (
                    ("POST", first),
                    ("second POST", second),
                    ("DELETE", ways.deletes),
                )
                if found
            ]

        return asyncio.run(run())


def _figure(
    name: str, ways: Sequence[OrderWay], floors: list[list[int]], begun_ns: int, round_ns: int
) -> Measured:
    rounds = [Round([], floor) for floor in floors]
    hops: dict[str, list[int]] = {}
    for way in ways:
        number = (way.frame_ns - begun_ns) // round_ns
        if 0 <= number < len(rounds):
            rounds[number].path_ns.append(way.took_ns)
            for hop, took_ns in way.hops_ns.items():
                hops.setdefault(hop, []).append(took_ns)
    kept = [one for one in rounds if one.path_ns and one.floor_ns]
    path = f"frame on the feed's socket to the {name}'s last byte"
    return measured(f"tick-to-wire, {name}", path, _FLOOR, kept, parts=hops)


class BareRelay:
    """The three processes of the floor, and when each frame was sent to them."""

    def __init__(self, redis: LocalRedis, port: int) -> None:
        self._redis = redis
        self._port = port
        self._sent_ns: list[int] = []

    async def send(self, frames: int, clock: Clock) -> None:
        """A frame in each cycle of the script, in the middle of a pause."""
        _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        for number in range(frames):
            passed = (clock.now_ns() - FIRST_MOVE_NS - FLOOR_AFTER_NS) // CYCLE_NS
            await clock.sleep_until(FIRST_MOVE_NS + FLOOR_AFTER_NS + (passed + 1) * CYCLE_NS)
            self._sent_ns.append(perf_counter_ns())
            writer.write(b"%d %s\n" % (number, FRAME))
        await asyncio.sleep(1.0)
        writer.close()

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
            python_module("pmtools.bench.bare_relay", hop, redis.url, str(stub_port))
            for hop in bare_relay.HOPS
        ]
        try:
            assert running[0].stdout is not None
            yield BareRelay(redis, int(running[0].stdout.readline()))
        finally:
            for process in running:
                process.terminate()
                process.wait()
