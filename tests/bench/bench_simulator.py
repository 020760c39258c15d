"""How well the simulator's market channel fans out: `python tests/bench/bench_simulator.py`.

The server runs in one process, twenty readers in another; a twenty-first never reads. The frames
are those of a synthetic world, sent at a steady 2,000 a second. Prints what arrived, how late, and
what the server used.
"""

from __future__ import annotations

import asyncio
import base64
import json
import multiprocessing
import os
import resource
import struct
import sys
from collections.abc import Iterator
from itertools import cycle
from multiprocessing.queues import Queue
from statistics import quantiles
from time import perf_counter_ns, process_time

import msgspec

from pmcore.model.market import parse_series
from pmcore.model.units import NS_PER_S
from pmcore.shell.clock import Clock
from pmcore.shell.service.web import listen
from pmsim.run.synthetic import SyntheticParams, SyntheticVenue
from pmsim.venue.ports import MarketFrame
from pmsimulator.app import create_app
from pmsimulator.rate_limits import Tier
from pmsimulator.server import VenueServer
from pmsimulator.world import World

RATE_HZ, READERS, SECONDS, TICK_MS = 2_000, 20, 10, 10
OUTBOX_FRAMES = 5_000
START_NS = 1_790_000_110 * NS_PER_S
SERIES = (parse_series("btc-updown-5m"),)


class Reading(msgspec.Struct):
    """What one reader saw."""

    frames: int
    late_us: list[float]


def frames_of_a_world() -> Iterator[MarketFrame]:
    """Frames of two busy minutes, again and again."""
    venue = SyntheticVenue(SyntheticParams(series=SERIES, seed=1, start_ns=START_NS))
    events = venue.advance(START_NS + 120 * NS_PER_S)
    return cycle([event for event in events if isinstance(event, MarketFrame)])


async def serve(rate_hz: int, addresses: Queue[str], readings: Queue[list[Reading]]) -> None:
    clock = Clock.starting_at(START_NS, 0.000_001)
    venue = SyntheticVenue(SyntheticParams(series=SERIES, seed=1, start_ns=START_NS))
    world = World(
        venue, clock, series=SERIES, chain_id=137, outbox_frames=OUTBOX_FRAMES, listed_ahead_s=0
    )
    listener = listen("127.0.0.1", 0, "PM_SIM_PORT")
    listener.listen()
    server = VenueServer(create_app(world, Tier.OFF), listener)
    serving = asyncio.create_task(server.run())
    frames = frames_of_a_world()
    window = world.listings()[0].window
    addresses.put(f"{listener.getsockname()[1]} {window.up_token_id}")
    while len(world.subscriptions.readers_of(window.up_token_id)) < READERS + 1:  # noqa: ASYNC110 - they come over sockets
        await asyncio.sleep(0.01)
    memory_mb, used_s = _peak_mb(), process_time()
    started_ns = perf_counter_ns()
    for number in range(rate_hz * SECONDS):
        if number % (rate_hz * TICK_MS // 1_000) == 0:
            due_ns = started_ns + number * NS_PER_S // rate_hz
            await asyncio.sleep(max(due_ns - perf_counter_ns(), 0) / NS_PER_S)
        text = f'{{"sent":{perf_counter_ns():020d},{next(frames).text[1:]}'
        world.subscriptions.deliver(
            MarketFrame(at_ns=0, condition_id="", token_ids=(window.up_token_id,), text=text)
        )
    took_s = (perf_counter_ns() - started_ns) / NS_PER_S
    used_s = process_time() - used_s
    world.subscriptions.drop("all")
    found = await asyncio.to_thread(readings.get)
    late_us = sorted(late for reading in found for late in reading.late_us)
    cuts = quantiles(late_us, n=1_000)
    print(
        f"fan-out of {rate_hz * SECONDS / took_s:,.0f} frames/s to {READERS} readers and one that "
        f"never reads: {sum(reading.frames for reading in found) / took_s:,.0f} frames/s arrived, "
        f"late by p50 {cuts[499] / 1000:.1f} ms, p99 {cuts[989] / 1000:.1f} ms; server "
        f"{100 * used_s / took_s:.0f} % of a core, +{_peak_mb() - memory_mb:.0f} MB, "
        f"{world.subscriptions.slow_disconnects} cut off"
    )
    assert [reading.frames for reading in found] == [rate_hz * SECONDS] * READERS
    server.close()
    await serving


def read_all(addresses: Queue[str], readings: Queue[list[Reading]]) -> None:
    """The readers' process."""
    port, token_id = addresses.get().split()
    readings.put(asyncio.run(_read_all(int(port), token_id)))


async def _read_all(port: int, token_id: str) -> list[Reading]:
    idle = await _subscribe(port, token_id)
    readers = [asyncio.create_task(_read(port, token_id)) for _ in range(READERS)]
    found = await asyncio.gather(*readers)
    idle[1].close()
    return found


async def _read(port: int, token_id: str) -> Reading:
    """Count frames with the least of work, so that the server is what is measured."""
    reader, writer = await _subscribe(port, token_id)
    reading, waiting = Reading(0, []), b""
    try:
        while chunk := await reader.read(1 << 18):
            waiting, at, now_ns = waiting + chunk, 0, perf_counter_ns()
            while (end := _end_of_frame(waiting, at)) is not None:
                start = waiting.find(b'{"sent":', at, end)
                if start >= 0:
                    sent_ns = int(waiting[start + 8 : start + 28])
                    reading.frames += 1
                    reading.late_us.append((now_ns - sent_ns) / 1_000)
                at = end
            waiting = waiting[at:]
    except ConnectionResetError:
        pass
    writer.close()
    return reading


def _end_of_frame(data: bytes, at: int) -> int | None:
    if len(data) < at + 10:
        return None
    size, head = data[at + 1], 2
    if size == 126:
        size, head = struct.unpack_from(">H", data, at + 2)[0], 4
    elif size == 127:
        size, head = struct.unpack_from(">Q", data, at + 2)[0], 10
    end: int = at + head + size
    return end if end <= len(data) else None


async def _subscribe(port: int, token_id: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 18)
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET /ws/market HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        "\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    wanted = {"type": "market", "assets_ids": [token_id], "initial_dump": False}
    body = json.dumps(wanted).encode()
    writer.write(struct.pack(">BBH", 0x81, 0x80 | 126, len(body)) + bytes(4) + body)
    return reader, writer


def _peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20) if sys.platform == "darwin" else peak / 1024


def test_fan_out() -> None:
    spawn = multiprocessing.get_context("spawn")
    addresses, readings = spawn.Queue(), spawn.Queue()
    reader = spawn.Process(target=read_all, args=(addresses, readings))
    reader.start()
    try:
        asyncio.run(serve(RATE_HZ, addresses, readings))
        reader.join(timeout=20)
    finally:
        if reader.is_alive():
            reader.terminate()
        reader.join()


if __name__ == "__main__":
    test_fan_out()
