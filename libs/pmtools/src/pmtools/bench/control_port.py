"""The control port under a running engine: `/healthz`, and `/kill` with twenty resting orders."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter_ns

from pmcore.shell.clock import real_now_ns
from pmcore.shell.control_client import open_http
from pmtools.bench.bare_http import BareHttp
from pmtools.bench.figures import Measured, Round, measured
from pmtools.bench.relay import BareRelay, bare_relay_hops
from pmtools.bench.scripted_engine import TOKEN, ScriptedEngine, scripted_engine
from pmtools.bench.scripted_market import scripted_windows, write_script
from pmtools.bench.stub_venue import stub_venue
from pmtools.bench.wire_tap import TapRecord
from pmtools.errors import CommandError
from pmtools.run.redis_server import LocalRedis, new_passwords

ORDERS = 20
KILLED = ("executor", "strategy")
"""One that sends the cancels itself, and one that tells it through Redis."""
SAMPLES_A_KILL = 20
GAP_S = 0.01
QUIET_S = 0.5
STILL_MOVES = 1_700
"""Seconds: to the end of the window."""


def measure_control(rounds: int, samples: int) -> list[Measured]:
    """`GET /healthz` of the executor on a kept connection, there and back."""
    found: list[Round] = []

    async def run(engine: ScriptedEngine) -> None:
        with stub_venue() as stub_port:
            for _ in range(rounds):
                with (
                    BareHttp(engine.urls["executor"]) as ours,
                    BareHttp(f"http://127.0.0.1:{stub_port}") as stub,
                ):
                    found.append(await _round_trips(ours, stub, samples))

    _with_engine(1, run)
    return [measured("/healthz", "executor's control port, there and back", "a stub", found)]


async def _round_trips(ours: BareHttp, stub: BareHttp, samples: int) -> Round:
    found, request = Round(), ours.request("GET", "/healthz")
    for connection in (ours, stub):
        connection.exchange(request)
    for _ in range(samples):
        for connection, times in ((ours, found.path_ns), (stub, found.floor_ns)):
            await asyncio.sleep(GAP_S)
            sent_ns = perf_counter_ns()
            connection.exchange(request)
            times.append(perf_counter_ns() - sent_ns)
    return found


def measure_kill(rounds: int, samples: int) -> list[Measured]:
    """`POST /kill` to the DELETE by which all orders are cancelled; few kills: each takes 3 s."""
    samples = max(samples // SAMPLES_A_KILL, 1)
    with bare_relay_hops() as relay:
        asked_ns: dict[str, list[int]] = {service: [] for service in KILLED}

        async def run(engine: ScriptedEngine) -> None:
            await relay.connect()
            for _ in range(rounds * samples):
                for service in KILLED:
                    asked_ns[service].append(await _kill(engine, service, relay))
            await asyncio.sleep(QUIET_S)

        seen = _with_engine(ORDERS // 2, run)
        floors = relay.rounds(samples * len(KILLED))
    return [
        measured(
            f"kill, at the {service}",
            f"POST /kill to the last DELETE, {ORDERS} orders",
            "a bare relay",
            [
                Round([covered_ns(seen, at) - at for at in asked[number : number + samples]], floor)
                for number, floor in zip(range(0, len(asked), samples), floors, strict=True)
            ],
        )
        for service, asked in asked_ns.items()
    ]


async def _kill(engine: ScriptedEngine, service: str, relay: BareRelay) -> int:
    """Kill when all orders rest, and resume when none does; when the kill was sent.

    A frame of the floor goes before it, when all is quiet.
    """
    async with open_http() as http:
        await engine.until_resting(http, ORDERS)
        await asyncio.sleep(QUIET_S)
        relay.send()
        await asyncio.sleep(QUIET_S)
        with BareHttp(engine.urls[service]) as bare:
            request = bare.request("POST", "/kill", b'{"reason":"bench"}', TOKEN)
            sent_ns = real_now_ns()
            head, _ = bare.exchange(request)
        if not head.startswith(b"HTTP/1.1 200"):
            raise CommandError(f"{service} did not obey: {head.decode().splitlines()[0]}")
        await engine.until_resting(http, 0)
        await asyncio.sleep(QUIET_S)
        if not (answer := await engine.control(http, service).post("/resume", {})).ok:
            raise CommandError(f"{service} did not resume: {answer.problem} {answer.body}")
    return sent_ns


def covered_ns(seen: TapRecord, asked_ns: int) -> int:
    """When each order that rested then was named in a DELETE, or all were taken back at once."""
    ends = [at_ns for at_ns in seen.cancel_alls_ns if at_ns > asked_ns][:1]
    resting = [
        order_hash
        for order_hash, posted_ns in seen.posts_ns.items()
        if posted_ns < asked_ns and seen.deletes_ns.get(order_hash, asked_ns) >= asked_ns
    ]
    if all(order_hash in seen.deletes_ns for order_hash in resting):
        ends.append(max(seen.deletes_ns[order_hash] for order_hash in resting))
    return min(ends)


def _with_engine(windows: int, run: Callable[[ScriptedEngine], Awaitable[None]]) -> TapRecord:
    """Run it while an engine quotes in so many still markets; what the tap saw."""

    async def inside(redis: LocalRedis, directory: Path) -> TapRecord:
        markets = scripted_windows(windows)
        script = write_script(directory / "script.jsonl", markets, STILL_MOVES, still=True)
        async with scripted_engine(redis, directory, markets, script) as engine:
            async with open_http() as http:
                await engine.until_resting(http, 2 * windows)
            await run(engine)
        return engine.seen

    with (
        LocalRedis(passwords=new_passwords()) as redis,
        tempfile.TemporaryDirectory(prefix="pm-bench-") as directory,
    ):
        return asyncio.run(inside(redis, Path(directory)))
