"""Many series on one machine: one engine with 1, 4, 8 and 16 of them, at ten times real rate.

The simulator makes the market on the same processor, in its fitted world or the one in
`PM_SIM_WORLD`. So its share is said too, and how far its world is behind the clock at the end:
above a second, less happened than should have. A number that does not hold is told on stderr.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
from redis import Redis

from pmcore.shell.clock import Clock, monotonic_s, real_now_ns
from pmcore.shell.control_client import ControlClient, open_http
from pmcore.wire import keys
from pmtools.bench.figures import Measured, Round, measured
from pmtools.errors import CommandError
from pmtools.hosts.usage import use_of_process
from pmtools.hosts.watch import Watch
from pmtools.ports import free_ports
from pmtools.processes import Child, start_child
from pmtools.run.plan import PORTS, SERVICES, RunOptions, Surroundings, plan_run
from pmtools.run.redis_server import LocalRedis

SERIES = (1, 4, 8, 16)
SPEED = 10.0
WARM_S = 20.0
"""Imports, the first connections and the first quotes."""
_SAMPLE_S = 0.5
_START_S = 60.0
_ANSWER_S = 20.0
_MB = 1e6
_TOKEN = "bench"  # noqa: S105 - of this run only
_SETTINGS = {
    "PM_SIM_WORLD": os.environ.get("PM_SIM_WORLD", "fitted"),
    "PM_SIM_SEED": "7",
    "PM_OFI_MODE": "off",
    "PM_BID_SIZE": "5",
    "PM_PAIR_TARGET": "0.98",
    "PM_SIM_TIER": "off",
    "PM_RATE_TIER": "elite",
}
"""As the preset `show` quotes, and no limit of the venue's rate: it would be met before ours."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One number of series. `hops_ms` by name: p50 and p99; other rates are of all series."""

    series: int
    hops_ms: dict[str, tuple[float, float]]
    quantities: dict[str, float]


def measure(rounds: int, samples: int) -> list[Measured]:
    """A round takes `samples` seconds for each number of series, and 20 before them."""
    steps: dict[int, list[Step]] = {number: [] for number in SERIES}
    for _ in range(rounds):
        for number, found in steps.items():
            try:
                found.append(_step(number, samples))
            except CommandError as error:
                print(f"{number} series do not hold: {error}", file=sys.stderr)
                break
    one = steps[SERIES[0]]
    return [figure(found, one[: len(found)]) for found in steps.values() if found]


def figure(steps: list[Step], floors: list[Step]) -> Measured:
    """The time that the feed takes, beside that of one series; the last round's other figures."""
    last = steps[-1]
    hops = {
        f"{hop}, {name} ms": ms
        for hop, values in last.hops_ms.items()
        for name, ms in zip(("p50", "p99"), values, strict=True)
    }
    return measured(
        f"scale, {last.series} series",
        f"feed_parse of {last.series} series at {SPEED:g} x",
        "feed_parse of one series, in the same run",
        [
            Round([_feed_ns(step)], [_feed_ns(floor)])
            for step, floor in zip(steps, floors, strict=True)
        ],
        quantities={**hops, **last.quantities},
    )


def _feed_ns(step: Step) -> int:
    return int(step.hops_ms["feed_parse"][0] * 1e6)


def _step(number: int, seconds: float) -> Step:
    with (
        LocalRedis() as redis,
        tempfile.TemporaryDirectory(prefix="pm-bench-") as directory,
    ):
        return asyncio.run(_with_engine(redis, Path(directory), number, seconds))


async def _with_engine(redis: LocalRedis, directory: Path, number: int, seconds: float) -> Step:
    series = [f"bench{place}-5m" for place in range(number)]
    clock = Clock.starting_at(real_now_ns(), SPEED)
    around = Surroundings(
        directory=directory,
        redis_url=redis.address,
        redis_passwords={},
        control_token=_TOKEN,
        clock=clock.spec(),
        environ={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
            **_SETTINGS,
        },
    )
    market = ",".join(one.replace("-", "-updown-") for one in series)
    options = RunOptions(seconds=3_600, venue="sim", dry_run=False, market=market)
    plan = plan_run(options, around, free_ports(PORTS))
    children: dict[str, Child] = {}
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(open_http())
        controls = {spec.name: ControlClient(http, spec.url, _TOKEN) for spec in plan.children}
        venue = ControlClient(http, plan.children[0].env["POLYMARKET_REST_URL"], _TOKEN)
        for spec in plan.children:
            children[spec.name] = await start_child(spec, directory)
            stack.push_async_callback(children[spec.name].stop)
            if spec.name == "simulator":
                await _until_listening(controls[spec.name])
        await asyncio.sleep(WARM_S)
        step = _measured_step(redis, series, clock, children, controls, venue, seconds)
        return await _unless_one_ends(step, children)


async def _unless_one_ends(step: Coroutine[Any, Any, Step], children: Mapping[str, Child]) -> Step:
    """Raise `CommandError` with its last words when a process ends meanwhile."""
    measuring = asyncio.create_task(step)
    ends = {asyncio.create_task(child.wait()): child for child in children.values()}
    done, _ = await asyncio.wait({measuring, *ends}, return_when=asyncio.FIRST_COMPLETED)
    for waiting in ends:
        waiting.cancel()
    if measuring in done:
        return measuring.result()
    measuring.cancel()
    ended = next(child for waiting, child in ends.items() if waiting in done)
    raise CommandError(f"{ended.spec.name} ended: {' / '.join(ended.tail(3))}")


async def _until_listening(simulator: ControlClient) -> None:
    until_s = monotonic_s() + _START_S
    while not (await simulator.get("/readyz")).ok:
        if monotonic_s() > until_s:
            raise CommandError(f"the simulator does not listen after {_START_S:g} s")
        await asyncio.sleep(_SAMPLE_S)


async def _measured_step(
    redis: LocalRedis,
    series: list[str],
    clock: Clock,
    children: Mapping[str, Child],
    controls: Mapping[str, ControlClient],
    venue: ControlClient,
    seconds: float,
) -> Step:
    pids = {name: child.pid for name, child in children.items()}
    pids["redis"] = redis.pid or 0
    md = [keys.md(one) for one in series]
    with Redis.from_url(redis.url) as client:
        used = {name: use_of_process(pid) for name, pid in pids.items()}
        refused, added = await _refusals(controls["executor"]), _added(client, md)
        begun_s, lags = monotonic_s(), []
        while (span_s := monotonic_s() - begun_s) < seconds:
            await asyncio.sleep(_SAMPLE_S)
            lags.append(_most_lag(client, md))
        uses = {name: use_of_process(pid) for name, pid in pids.items()}
        quantities = {
            "md entries a second": (_added(client, md) - added) / span_s,
            "Redis used_memory, MB a series": client.info("memory")["used_memory"]
            / len(series)
            / _MB,
        }
        held = [(client.memory_usage(key, samples=0), client.xlen(key)) for key in md]
        quantities["md, entries a series now"] = sum(one[1] for one in held) / len(held)
        quantities["md, bytes an entry"] = sum(one[0] for one in held) / sum(one[1] for one in held)
    for name in pids:
        taken_ms = uses[name].cpu_ms - used[name].cpu_ms
        quantities[f"{name}, ms of CPU a second"] = taken_ms / span_s
        quantities[f"{name}, resident MB"] = uses[name].resident_bytes / _MB
    lags.sort()
    quantities["lag of the slowest group of md, median"] = lags[len(lags) // 2]
    quantities["lag of the slowest group of md, most"] = lags[-1]
    now_refused = await _refusals(controls["executor"])
    for reason in sorted({"no_heartbeat", *now_refused}):
        quantities[f"refusals, {reason}"] = now_refused.get(reason, 0) - refused.get(reason, 0)
    watch, until_s = Watch(venue), monotonic_s() + _ANSWER_S
    while not watch.venue_ns:
        if monotonic_s() > until_s:
            raise CommandError(f"the simulator does not answer in {_ANSWER_S:g} s")
        await watch.look()
    behind_ns = (clock.now_ns() - watch.venue_ns) / clock.speed
    quantities["the simulator is behind, real ms"] = behind_ns / 1e6
    return Step(
        series=len(series),
        hops_ms=await _hops(controls),
        quantities={name: round(value, 1) for name, value in quantities.items()},
    )


async def _refusals(executor: ControlClient) -> dict[str, int]:
    return {**(await executor.get("/state")).body.get("rejections", {})}


async def _hops(controls: Mapping[str, ControlClient]) -> dict[str, tuple[float, float]]:
    """Of each service's last 10,000; on its own real time."""
    found: dict[str, tuple[float, float]] = {}
    for name in SERVICES:
        body = (await controls[name].get("/state")).body
        for hop, of_hop in body.get("hop_ms", {}).items():
            found[hop] = (of_hop["p50"], of_hop["p99"])
    if "feed_parse" not in found:
        raise CommandError("the feed published nothing")
    return found


def _added(client: Any, streams: list[str]) -> int:
    return sum(int(client.xinfo_stream(key)["entries-added"]) for key in streams)


def _most_lag(client: Any, streams: list[str]) -> int:
    """Of the strategy's groups: the executor's are read in dry mode only."""
    groups = [
        group for key in streams for group in client.xinfo_groups(key) if b":" not in group["name"]
    ]
    return max((group["lag"] or 0 for group in groups), default=0)
