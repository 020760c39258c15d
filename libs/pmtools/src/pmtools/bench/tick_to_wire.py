"""From a market frame on the feed's socket to the last byte of the POST and of the DELETE.

Through the real feed, strategy, executor and userws, a real Redis and the simulator, which a tap
stands before. The bare relay takes a frame of its own in between, in the same seconds.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from time import perf_counter_ns
from typing import Any

import msgspec
from redis import Redis

from pmcore.messages.execution import OrderSubmitting
from pmcore.messages.orders import CancelOrders, SubmitOrder
from pmcore.model.market import parse_series
from pmcore.model.units import NS_PER_S
from pmcore.shell.clock import Clock, real_now_ns
from pmcore.wire import codec, keys
from pmtools.bench import bare_relay
from pmtools.bench.figures import Measured, Round, measured
from pmtools.bench.stub_venue import stub_venue
from pmtools.bench.wire_tap import TapRecord
from pmtools.processes import free_ports, start_child
from pmtools.run.plan import PORTS, SERVICES, RunOptions, Surroundings, plan_run
from pmtools.run.redis_server import LocalRedis, new_passwords

MARKET = "btc-updown-30m"
SERIES = parse_series(MARKET).series
OPENED_S = 1_800_000_000  # a multiple of half an hour
WARM_UP_S = 12.0
FLOOR_GAP_S = 0.3
FRAME = b"x" * 1_000
SETTINGS = {
    "PM_SIM_WORLD": "busy",
    "PM_OFI_MODE": "off",
    "PM_DEBOUNCE_MS": "10",
    "PM_REPRICE_THRESHOLD": "0.001",
    "PM_MAX_NET_DIFF": "1000",
    "PM_MAX_POSITION_VALUE": "100000",
    "PM_MAX_PORTFOLIO_COST": "1.5",
}


def measure(rounds: int, samples: int) -> list[Measured]:
    """Run it; `samples` of the floor make a round, the engine makes as many as it does."""
    redis_passwords = new_passwords()
    with (
        LocalRedis(passwords=redis_passwords) as redis,
        LocalRedis() as other,
        stub_venue() as stub_port,
        _hops(other.url, stub_port) as relay_port,
        tempfile.TemporaryDirectory(prefix="pm-bench-") as directory,
    ):
        run = _Run(redis, Path(directory), rounds, samples * FLOOR_GAP_S)
        asyncio.run(run.go(relay_port))
        return run.result(other)


class _Run:
    def __init__(self, redis: LocalRedis, directory: Path, rounds: int, round_s: float) -> None:
        self._redis = redis
        self._directory = directory
        self._rounds = rounds
        self._round_s = round_s
        self._clock = Clock((OPENED_S + 30) * NS_PER_S, real_now_ns(), 1.0)
        self._begun_ns = 0
        self._sent_ns: list[int] = []
        self._seen = TapRecord()

    async def go(self, relay_port: int) -> None:
        """Start all, send the floor's frames, stop all."""
        variables = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
            **SETTINGS,
        }
        options = RunOptions(seconds=600, venue="sim", dry_run=False, market=MARKET, seed=7)
        around = Surroundings(
            directory=self._directory,
            redis_url=self._redis.address,
            redis_passwords=self._redis.passwords,
            control_token="bench",  # noqa: S106 - of this run only
            clock=self._clock.spec(),
            environ=variables,
        )
        ports = free_ports(PORTS)
        specs = {spec.name: spec for spec in plan_run(options, around, ports).children}
        children = [await start_child(specs["simulator"], self._directory)]
        await asyncio.sleep(3.0)
        tap = _python("pmtools.bench.wire_tap", str(ports[0]))
        assert tap.stdout is not None
        tap_port = int(tap.stdout.readline())
        specs["feed"].env["POLYMARKET_WS_BASE_URL"] = f"ws://127.0.0.1:{tap_port}/ws"
        specs["executor"].env["POLYMARKET_REST_URL"] = f"http://127.0.0.1:{tap_port}"
        children += [await start_child(specs[name], self._directory) for name in SERVICES]
        try:
            await asyncio.sleep(WARM_UP_S)
            await self._send(relay_port)
        finally:
            for child in reversed(children):
                await child.stop()
            tap.send_signal(signal.SIGTERM)
            self._seen = msgspec.json.decode(tap.communicate()[0], type=TapRecord)

    async def _send(self, relay_port: int) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", relay_port)
        self._begun_ns = real_now_ns()
        for number in range(round(self._rounds * self._round_s / FLOOR_GAP_S)):
            await asyncio.sleep(FLOOR_GAP_S)
            self._sent_ns.append(perf_counter_ns())
            writer.write(b"%d %s\n" % (number, FRAME))
        await asyncio.sleep(1.0)

    def result(self, other: LocalRedis) -> list[Measured]:
        """Put commands, requests and frames together."""
        hashes: dict[str, str] = {}
        causes: list[tuple[dict[str, int], int, str]] = []
        with Redis.from_url(self._redis.url) as redis:
            for message in _messages(redis, keys.exe(SERIES)):
                if isinstance(message, OrderSubmitting):
                    hashes[message.client_order_id] = message.order_hash
            for message in _messages(redis, keys.cmd(SERIES)):
                if isinstance(message, SubmitOrder):
                    order_hash = hashes.get(message.client_order_id, "")
                    causes.append((self._seen.posts_ns, message.ts_cause_ns, order_hash))
                elif isinstance(message, CancelOrders) and message.client_order_ids:
                    order_hash = hashes.get(message.client_order_ids[0], "")
                    causes.append((self._seen.deletes_ns, message.ts_cause_ns, order_hash))
        floors: list[list[int]] = [[] for _ in range(self._rounds)]
        with Redis.from_url(other.url) as redis:
            per_round = len(self._sent_ns) // self._rounds
            rows: Any = redis.xrange(bare_relay.DONE)
            for _, fields in rows:
                number = int(fields[b"number"])
                if number // per_round < self._rounds:
                    floor_ns = int(fields[b"ns"]) - self._sent_ns[number]
                    floors[number // per_round].append(floor_ns)
        figures = []
        for name, wire in (("POST", self._seen.posts_ns), ("DELETE", self._seen.deletes_ns)):
            rounds = [Round([], floor) for floor in floors]
            for found, cause_ns, order_hash in causes:
                if found is wire and cause_ns:
                    self._add(rounds, wire, cause_ns, order_hash)
            path = f"frame on the feed's socket to the {name}'s last byte"
            kept = [one for one in rounds if one.path_ns and one.floor_ns]
            if kept:
                figures.append(measured(f"tick-to-wire, {name}", path, "a bare relay", kept))
        return figures

    def _add(
        self, rounds: list[Round], wire: Mapping[str, int], cause_ns: int, order_hash: str
    ) -> None:
        """The frame is the last one that was written before the feed took it."""
        shift_ns = self._clock.now_ns() - real_now_ns()
        frames = self._seen.frames_ns
        at = bisect_right(frames, cause_ns - shift_ns) - 1
        if at < 0 or order_hash not in wire:
            return
        number = int((frames[at] - self._begun_ns) / NS_PER_S // self._round_s)
        if 0 <= number < len(rounds):
            rounds[number].path_ns.append(wire[order_hash] - frames[at])


def _messages(redis: Redis, stream: str) -> Iterator[object]:
    rows: Any = redis.xrange(stream)
    for _, fields in rows:
        yield codec.decode(fields[codec.FIELD_BODY])


def _python(module: str, *arguments: str) -> Popen[str]:
    command = [sys.executable, "-m", module, *arguments]
    return Popen(command, stdout=PIPE, text=True)  # noqa: S603 - our own module


@contextmanager
def _hops(redis_url: str, stub_port: int) -> Iterator[int]:
    running = [
        _python("pmtools.bench.bare_relay", hop, redis_url, str(stub_port))
        for hop in bare_relay.HOPS
    ]
    try:
        assert running[0].stdout is not None
        yield int(running[0].stdout.readline())
    finally:
        for process in running:
            process.terminate()
            process.wait()
