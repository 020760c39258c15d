"""The simulator and the four services as processes, each of which may die and be started again."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import msgspec
import redis as redis_py

from pmcore.model.units import NS_PER_S
from pmcore.shell.clock import Clock, real_now_ns
from pmcore.shell.control_client import ControlClient, open_http
from pmcore.shell.service.tasks import cancel_and_wait
from pmcore.wire.access import USERS
from pmtools.ports import free_ports
from pmtools.processes import Child, start_child
from pmtools.run.plan import PORTS, SERVICES, STOP_ORDER, RunOptions, Surroundings, plan_run
from pmtools.run.redis_server import LocalRedis

TOKEN = "token-of-the-test-engine"
REDIS_PASSWORDS = {user: f"password-of-the-test-{user}" for user in USERS}
PATIENCE_S = 60.0
"""At most: each wait ends when what it waits for is there."""
WINDOW_OPENED_S = 1_800_000_000  # a multiple of half an hour
MAX_NET_DIFF = 10


class RedisOfTest(Protocol):
    """A server, or several that are one."""

    passwords: dict[str, str]

    @property
    def address(self) -> str:
        """What PM_REDIS_URL is set to."""

    @property
    def url(self) -> str:
        """The server of now, as the operator."""

    @property
    def pid(self) -> int | None:
        """Its process."""

    def url_of(self, user: str) -> str:
        """As one of its users."""


class Engine:
    """The simulator and the four services, each of which may be killed and started again."""

    def __init__(
        self,
        directory: Path,
        redis: RedisOfTest,
        key: str = "",
        *,
        market: str = "btc-updown-30m",
        seed: int = 7,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.redis = redis
        self.http = open_http()
        self.children: dict[str, Child] = {}
        self.directory = directory
        clock = Clock((WINDOW_OPENED_S + 30) * NS_PER_S, real_now_ns(), 1.0)
        self.clock_spec = clock.spec()
        options = RunOptions(seconds=90, venue="sim", dry_run=False, market=market, seed=seed)
        variables = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
            "PM_MAX_NET_DIFF": str(MAX_NET_DIFF),
            "PM_USERWS_RECONCILE_S": "1",  # a restarted strategy waits for two of them
            "PM_MAX_POSITION_VALUE": "1000",  # else the engine rightly stops in mid test
            **(environ or {}),
        }
        around = Surroundings(
            directory=directory,
            redis_url=redis.address,
            redis_passwords=redis.passwords,
            control_token=TOKEN,
            clock=self.clock_spec,
            environ=variables,
        )
        plan = plan_run(options, around, free_ports(PORTS))
        self._specs = {spec.name: spec for spec in plan.children}
        if key:
            self._specs["executor"].env["POLYMARKET_PRIVATE_KEY"] = key
        self.venue_url = self._specs["simulator"].env["POLYMARKET_REST_URL"]
        self._venue = ControlClient(self.http, self.venue_url, "")

    def service(self, name: str) -> ControlClient:
        return ControlClient(self.http, self._specs[name].url, TOKEN)

    def url(self, name: str) -> str:
        """Where a service listens."""
        return self._specs[name].url

    async def start(self, name: str) -> None:
        self.children[name] = await start_child(self._specs[name], self.directory)

    async def start_twin(self, name: str) -> None:
        """A second process of a service, as on another machine: its own port and data."""
        spec, twin = self._specs[name], f"{name}-twin"
        (port,) = free_ports(1)
        env = {
            **spec.env,
            "PM_HTTP_PORT": str(port),
            "PM_DATA_DIR": str(self.directory / twin),
        }
        url = f"http://127.0.0.1:{port}"
        self._specs[twin] = msgspec.structs.replace(spec, name=twin, env=env, url=url)
        await self.start(twin)

    async def metric(self, name: str, sample: str) -> float:
        """A sample of `/metrics`, by its name and labels; 0 if there is none yet."""
        lines = (await self.http.get(f"{self.url(name)}/metrics")).text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(f"{sample} "))

    async def restart(self, name: str) -> None:
        """As when the machine's memory ran out."""
        os.kill(self.children[name].pid, signal.SIGKILL)
        await self.until(lambda: self._gone(name), f"{name} dead")
        await self.start(name)
        await self.until(lambda: self._answers(name), f"{name} up again")

    async def start_all(self) -> None:
        await self.start("simulator")
        await self.until(lambda: self._answers("simulator"), "simulator up")
        for name in SERVICES:
            await self.start(name)

    async def stop_all(self) -> dict[str, Any]:
        """Stop as `pm run` does; return what the venue says before it is stopped too."""
        for name in STOP_ORDER[:-1]:
            assert await self.children[name].stop() == 0, self.children[name].tail()
        left = await self.audit()
        assert await self.children["simulator"].stop() == 0
        return left

    async def end(self) -> None:
        for child in self.children.values():
            await child.stop(0)
        await self.http.aclose()

    async def audit(self) -> dict[str, Any]:
        return (await self._venue.get("/audit")).body

    async def open_orders(self) -> int:
        count: int = (await self.audit())["orders_open"]
        return count

    def denied(self) -> list[tuple[str, str, str]]:
        """What Redis refused: user, kind of refusal, and key or command."""
        with redis_py.Redis.from_url(self.redis.url, decode_responses=True) as operator:
            rows = [(row["username"], row["reason"], row["object"]) for row in operator.acl_log()]
        return sorted(rows)

    async def positions(self) -> list[Decimal]:
        accounts = (await self.audit())["accounts"]
        return sorted(Decimal(held) for one in accounts for held in one["positions"].values())

    async def believed(self) -> list[Decimal]:
        """What the strategy thinks that we hold."""
        state = (await self.service("strategy").get("/state")).body
        return sorted(
            Decimal(str(side["qty"]))
            for view in state.get("windows", {}).values()
            for side in view["outcomes"].values()
            if side["qty"]
        )

    async def until_quoting(self, after: str) -> None:
        async def quoting() -> bool:
            return await self.open_orders() > 0

        async def ready() -> bool:
            answers = [(await self.service(name).get("/readyz")).ok for name in SERVICES]
            return all(answers)

        await self.until(ready, f"ready after {after}")
        await self.until(quoting, f"quoting after {after}")

    async def until(self, happened: Callable[[], Awaitable[bool]], what: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not await happened():  # noqa: ASYNC110 - any condition, not an event
                    await asyncio.sleep(0.1)
        except TimeoutError:
            state = (await self.service("strategy").get("/state")).body
            views = state.get("windows", {})
            logs = [line for child in self.children.values() for line in child.tail(15)]
            raise AssertionError("\n".join([f"never: {what}", f"{views}", *logs])) from None

    async def _gone(self, name: str) -> bool:
        return self.children[name].exit_code is not None

    async def _answers(self, name: str) -> bool:
        return (await self.service(name).get("/healthz")).ok


@asynccontextmanager
async def engine(
    directory: Path,
    *,
    key: str = "",
    redis: RedisOfTest | None = None,
    environ: Mapping[str, str] | None = None,
) -> AsyncIterator[Engine]:
    """A whole engine that quotes; `key`: the wallet's private key, else that of the simulator.

    Without `redis` it has a server of its own, whose users are `REDIS_PASSWORDS`.
    """
    with ExitStack() as stack:
        given = redis or stack.enter_context(LocalRedis(passwords=REDIS_PASSWORDS))
        made = Engine(directory, given, key, environ=environ)
        try:
            await made.start_all()
            await made.until_quoting("the start")
            yield made
        finally:
            await made.end()


async def assert_books_agree(running: Engine) -> None:
    """The strategy believes what the venue holds."""

    async def agree() -> bool:
        return await running.believed() == await running.positions()

    await running.until(agree, "the strategy's inventory equal to the venue's")


@asynccontextmanager
async def watched_limits(running: Engine) -> AsyncIterator[None]:
    """The venue's own positions never leave the limit, looked at all the time."""
    worst = Decimal(0)

    async def watch() -> None:
        nonlocal worst
        while True:
            held = await running.positions()
            worst = max(worst, abs(sum(held[1:], Decimal(0)) - sum(held[:1], Decimal(0))))
            await asyncio.sleep(0.2)

    watcher = asyncio.create_task(watch())
    try:
        yield
    finally:
        await cancel_and_wait(watcher)
    assert worst < MAX_NET_DIFF
