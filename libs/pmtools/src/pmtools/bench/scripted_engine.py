"""The real services against the simulator, which plays a scripted market; a tap between them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from subprocess import Popen

import httpx
import msgspec

from pmcore.model.market import Window
from pmcore.shell.clock import Clock, monotonic_s
from pmcore.shell.control_client import ControlClient, open_http
from pmtools.bench.scripted_market import OPENED_NS
from pmtools.bench.wire_tap import TapRecord
from pmtools.errors import CommandError
from pmtools.ports import free_ports
from pmtools.processes import Child, start_child, start_module
from pmtools.run.plan import PORTS, SERVICES, RunOptions, RunPlan, Surroundings, plan_run
from pmtools.run.redis_server import LocalRedis

START_S = 90.0
TOKEN = "bench"  # noqa: S105 - of this run only
SETTINGS = {
    "PM_OFI_MODE": "off",
    "PM_DEBOUNCE_MS": "10",
    "PM_BID_SIZE": "5",
    "PM_SIM_TIER": "off",
    "PM_RATE_TIER": "elite",
}
_POLL_S = 0.1


class ScriptedEngine:
    """What a measurement needs of the running services. `seen` is there when they have ended."""

    def __init__(self, redis: LocalRedis, clock: Clock, plan: RunPlan) -> None:
        self.redis = redis
        self.clock = clock
        self.urls: Mapping[str, str] = plan.urls()
        self.console = plan.console
        """What to start for a console; a measurement that wants one starts it."""
        self.children: list[Child] = []
        self.seen = TapRecord()

    def control(self, http: httpx.AsyncClient, service: str) -> ControlClient:
        """The control port of a service."""
        return ControlClient(http, self.urls[service], TOKEN)

    async def until_resting(self, http: httpx.AsyncClient, orders: int) -> None:
        """Wait until so many orders rest at the venue; raise `CommandError` if they never do."""
        simulator = self.control(http, "simulator")

        async def rest() -> bool:
            return (await simulator.get("/state")).body.get("orders_open") == orders

        await self._until(rest, f"{orders} orders do not rest")

    async def until_listening(self, http: httpx.AsyncClient, name: str) -> None:
        """Wait for a process; raise `CommandError` if it does not come."""
        process = self.control(http, name)

        async def listens() -> bool:
            return (await process.get("/readyz")).ok

        await self._until(listens, f"the {name} does not listen")

    async def _until(self, holds: Callable[[], Awaitable[bool]], problem: str) -> None:
        begun_s = monotonic_s()
        while not await holds():
            for child in self.children:
                if child.exit_code is not None:
                    raise CommandError(f"{child.spec.name} ended: {' / '.join(child.tail(3))}")
            if monotonic_s() - begun_s > START_S:
                raise CommandError(f"{problem} after {START_S:g} s")
            await asyncio.sleep(_POLL_S)


@asynccontextmanager
async def scripted_engine(
    redis: LocalRedis, directory: Path, windows: Sequence[Window], script: Path
) -> AsyncIterator[ScriptedEngine]:
    """Start all, with the simulator playing `script`, and stop all."""
    clock = Clock.starting_at(OPENED_NS, 1.0)
    around = Surroundings(
        directory=directory,
        redis_url=redis.address,
        redis_passwords=redis.passwords,
        control_token=TOKEN,
        clock=clock.spec(),
        environ={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
            **SETTINGS,
        },
    )
    options = RunOptions(
        seconds=1_800,
        venue="sim",
        dry_run=False,
        market=",".join(window.slug.rpartition("-")[0] for window in windows),
        recording=script,
    )
    ports = free_ports(PORTS)
    plan = plan_run(options, around, ports)
    specs = {spec.name: spec for spec in plan.children}
    engine = ScriptedEngine(redis, clock, plan)

    async def start(stack: AsyncExitStack, name: str) -> None:
        engine.children.append(await start_child(specs[name], directory))
        stack.push_async_callback(engine.children[-1].stop)

    async with AsyncExitStack() as stack:
        tap = start_module("pmtools.bench.wire_tap", str(ports[0]))
        stack.callback(_read_tap, tap, engine)
        assert tap.stdout is not None
        tap_port = int(tap.stdout.readline())
        specs["feed"].env["POLYMARKET_WS_BASE_URL"] = f"ws://127.0.0.1:{tap_port}/ws"
        specs["executor"].env["POLYMARKET_REST_URL"] = f"http://127.0.0.1:{tap_port}"
        await start(stack, "simulator")
        async with open_http() as http:
            await engine.until_listening(http, "simulator")
        for name in SERVICES:
            await start(stack, name)
        yield engine


def _read_tap(tap: Popen[str], engine: ScriptedEngine) -> None:
    tap.send_signal(signal.SIGTERM)
    engine.seen = msgspec.json.decode(tap.communicate()[0], type=TapRecord)
