"""From a market frame on the feed's socket to the last byte of the POST and of the DELETE.

Through the real feed, strategy, executor and userws and a real Redis, in a market that moves by a
script. In each pause between two moves the bare relay takes a frame of its own, in every second one
with what no order may go without: a signature, and a record that Redis has confirmed.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from redis import Redis

from pmcore.model.units import NS_PER_S
from pmcore.shell.clock import Clock, real_now_ns
from pmcore.shell.control_client import open_http
from pmtools.bench.bare_relay import BARE, RECORDED
from pmtools.bench.figures import Measured, Round, measured
from pmtools.bench.order_ways import OrderWay, read_ways
from pmtools.bench.relay import bare_relay_hops
from pmtools.bench.scripted_engine import START_S, scripted_engine
from pmtools.bench.scripted_market import FIRST_MOVE_NS, MOVE_NS, scripted_windows, write_script
from pmtools.run.redis_server import LocalRedis, new_passwords

CYCLE_NS = 2 * MOVE_NS
PAUSES_NS = (CYCLE_NS // 4, CYCLE_NS * 3 // 4)
"""After the frame that cancels: the middle of the pause, and of the one behind the next frame."""
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
            script = write_script(Path(directory) / "script.jsonl", windows, moves)
            async with scripted_engine(redis, Path(directory), windows, script) as engine:
                async with open_http() as http:
                    await engine.until_resting(http, 2)
                begun_ns = real_now_ns()
                await relay.connect()
                for _ in range(rounds * samples):
                    for kind, after_ns in zip((RECORDED, BARE), PAUSES_NS, strict=True):
                        await _until_pause(engine.clock, after_ns)
                        relay.send(kind)
                await asyncio.sleep(1.0)
                shift_ns = engine.clock.now_ns() - real_now_ns()
            with Redis.from_url(redis.url) as client:
                ways = read_ways(client, windows[0].series, engine.seen, shift_ns)
            round_ns = samples * CYCLE_NS
            floors = relay.rounds(samples)
            first = [way for way in ways.posts if way.place == 0]
            second = [way for way in ways.posts if way.place == 1]
            recording = zip(relay.rounds(samples, RECORDED), floors, strict=True)
            return [
                measured(
                    "tick-to-wire, relay with a record",
                    "the relay, which signs, records and has it confirmed",
                    _FLOOR,
                    [Round(path, floor) for path, floor in recording],
                )
            ] + [
                _figure(name, found, floors, begun_ns, round_ns)
                for name, found in (
                    ("POST", first),
                    ("second POST", second),
                    ("DELETE", ways.deletes),
                )
                if found
            ]

        return asyncio.run(run())


async def _until_pause(clock: Clock, after_ns: int) -> None:
    """Until the middle of the next pause of this kind in the script."""
    passed = (clock.now_ns() - FIRST_MOVE_NS - after_ns) // CYCLE_NS
    await clock.sleep_until(FIRST_MOVE_NS + after_ns + (passed + 1) * CYCLE_NS)


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
