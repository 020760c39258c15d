"""What the console with its pages open, and the scraping of metrics, cost an order on its way.

One engine in the scripted market; the console is on in one half of each round and stopped in the
other, in turn first and second. Off, nobody polls and nobody scrapes.
"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from redis import Redis

from pmcore.model.units import NS_PER_S
from pmcore.shell.clock import real_now_ns
from pmcore.shell.control_client import open_http
from pmtools.bench.figures import Measured, Round, measured
from pmtools.bench.order_ways import FRAME_TO_FEED, OrderWay, read_ways
from pmtools.bench.scripted_engine import START_S, TOKEN, ScriptedEngine, scripted_engine
from pmtools.bench.scripted_market import MOVE_NS, scripted_windows, write_script
from pmtools.errors import CommandError
from pmtools.processes import Child, start_child, start_module
from pmtools.run.plan import SERVICES
from pmtools.run.redis_server import LocalRedis, new_passwords

PAGES = 20
SETTLE_S = 2.0
"""After a change, before samples count."""


class HalfRound(msgspec.Struct, frozen=True):
    """A stretch of real time with the console on or off."""

    number: int
    on: bool
    from_ns: int
    until_ns: int


def measure(rounds: int, samples: int) -> list[Measured]:
    """A half of a round lasts as long as `samples` frames that place orders."""
    windows = scripted_windows(1)
    half_s = samples * 2 * MOVE_NS / NS_PER_S
    moves = int((START_S + rounds * 2 * (half_s + 2 * SETTLE_S)) * NS_PER_S / MOVE_NS)
    with (
        LocalRedis(passwords=new_passwords()) as redis,
        tempfile.TemporaryDirectory(prefix="pm-bench-") as directory,
    ):

        async def run() -> list[Measured]:
            script = write_script(Path(directory) / "script.jsonl", windows, moves)
            async with scripted_engine(redis, Path(directory), windows, script) as engine:
                console = await start_child(engine.console, Path(directory))
                try:
                    async with open_http() as http:
                        await engine.until_resting(http, 2)
                        await engine.until_listening(http, "console")
                    halves = await _halves(engine, console, rounds, half_s)
                finally:
                    os.kill(console.pid, signal.SIGCONT)
                    await console.stop()
                shift_ns = engine.clock.now_ns() - real_now_ns()
            with Redis.from_url(redis.url) as client:
                ways = read_ways(client, windows[0].series, engine.seen, shift_ns)
            return [figure(halves, [way for way in ways.posts if way.place == 0])]

        return asyncio.run(run())


async def _halves(
    engine: ScriptedEngine, console: Child, rounds: int, half_s: float
) -> list[HalfRound]:
    halves = []
    for number in range(rounds):
        for on in (True, False) if number % 2 == 0 else (False, True):
            os.kill(console.pid, signal.SIGCONT if on else signal.SIGSTOP)
            if on:
                with open_pages(engine, half_s):
                    halves.append(await _half(number, half_s, on=True))
            else:
                halves.append(await _half(number, half_s, on=False))
    return halves


async def _half(number: int, half_s: float, *, on: bool) -> HalfRound:
    await asyncio.sleep(SETTLE_S)
    from_ns = real_now_ns()
    await asyncio.sleep(half_s)
    return HalfRound(number, on, from_ns, real_now_ns())


@contextmanager
def open_pages(engine: ScriptedEngine, for_s: float) -> Iterator[None]:
    """The pages and the scraper; raise `CommandError` when the pages got less than they should."""
    urls = [engine.urls[name] for name in (*SERVICES, "console")]
    readers = start_module(
        "pmtools.bench.page_readers", engine.urls["console"], TOKEN, str(PAGES), *urls
    )
    assert readers.stdout is not None
    try:
        if not readers.stdout.readline():
            raise CommandError("the pages of the console did not open")
        yield
    finally:
        readers.send_signal(signal.SIGTERM)
        said = readers.communicate()[0].strip()
    least = int(PAGES * for_s)
    if int(said or 0) < least:
        raise CommandError(f"the pages read {said or 0} snapshots, and {least} were expected")


def figure(halves: Sequence[HalfRound], ways: Sequence[OrderWay]) -> Measured:
    """Book to order, on beside off: the ratio of the medians of each round, and their spread."""
    rounds = {half.number: Round() for half in halves}
    for way in ways:
        took_ns = way.took_ns - way.hops_ns[FRAME_TO_FEED]
        for half in halves:
            if half.from_ns <= way.frame_ns < half.until_ns:
                one = rounds[half.number]
                (one.path_ns if half.on else one.floor_ns).append(took_ns)
    kept = [one for one in rounds.values() if one.path_ns and one.floor_ns]
    if not kept:
        raise CommandError("no order was placed in both halves of a round")
    path = f"market data taken to the POST's last byte, {PAGES} pages"
    return measured("console", path, "without console and scraping", kept)
