"""A whole engine of real processes in which everything can be broken, and put right again."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import redis.asyncio as redis_py

from pmcore.shell.clock import Clock
from pmcore.shell.service.tasks import cancel_and_wait
from pmtools.run.plan import SERVICES
from pmtools.run.redis_server import LocalRedis
from support.chaos.link import Link
from support.whole_engine import REDIS_PASSWORDS, Engine

WINDOW_S = 30
SERIES = f"btc-{WINDOW_S}s"
RESTART_EVERY_S = 0.5
WORLDS = ("light", "fitted")
VARIABLES = {
    "PM_MAX_DAILY_LOSS": "100000",  # chance may lose; no schedule is about that
}
_VENUE_URLS = ("POLYMARKET_REST_URL", "POLYMARKET_GAMMA_URL", "POLYMARKET_DATA_URL")
_CHANNEL_URL = "POLYMARKET_WS_BASE_URL"


class NotYet(Exception):
    """Something else is in the way for now."""


class LastingRedis(LocalRedis):
    """A Redis that finds its data again after kill -9, unless they are removed."""

    def __init__(self, folder: Path) -> None:
        self._data = folder
        # "everysec" may hold back the writes of two seconds while the disk is slow
        kept = ("--appendonly", "yes", "--appendfsync", "no", "--dir", str(folder))
        super().__init__(passwords=REDIS_PASSWORDS, arguments=kept)

    def start(self) -> None:
        self._data.mkdir(exist_ok=True)
        super().start()
        self._wanted_port = self.port

    def forget(self) -> None:
        """Remove the data; only while it does not run."""
        shutil.rmtree(self._data)


class ChaosEngine(Engine):
    """Each service has its own way to Redis and to the venue. What ends by itself is restarted."""

    def __init__(
        self,
        directory: Path,
        redis: LastingRedis,
        seed: int,
        *,
        more_markets: str = "",
        environ: Mapping[str, str] | None = None,
    ) -> None:
        world = {"PM_SIM_WORLD": WORLDS[seed % len(WORLDS)]}
        variables = {**VARIABLES, **world, **(environ or {})}
        market = ",".join(filter(None, (f"btc-updown-{WINDOW_S}s", more_markets)))
        super().__init__(directory, redis, market=market, seed=seed, environ=variables)
        self.server = redis
        self.direct = redis_py.Redis.from_url(redis.url, socket_timeout=3)
        self.to_redis = {name: Link() for name in SERVICES}
        self.to_venue = {name: Link() for name in SERVICES}
        self.kept_down: set[str] = set()
        self.killed_s: float | None = None
        """When a service took an operator's kill; None: nobody killed, or somebody resumed."""
        self.deaf_s = 0.0
        """When a fault last was in force that may keep a halt from the executor."""
        self.ended: list[str] = []
        self.clock = Clock.from_spec(self.clock_spec)
        self._plans: dict[str, Mapping[str, Any]] = {}
        self._keeper: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Start everything, and keep it running. The venue needs no Redis of ours."""
        venue = self._specs["simulator"]
        alone = (*venue.argv, "alone")
        self._specs["simulator"] = msgspec.structs.replace(venue, argv=alone)
        await self.start("simulator")
        await self.until(self._venue_answers, "the venue up")
        for name in SERVICES:
            env = self._specs[name].env
            await self.to_redis[name].start(self.server.port)
            venue_port = urlsplit(env[_VENUE_URLS[0]]).port
            await self.to_venue[name].start(venue_port or 0)
            near, far = f":{self.to_venue[name].port}", f":{venue_port}"
            for variable in (*_VENUE_URLS, _CHANNEL_URL):
                env[variable] = env[variable].replace(far, near)
            env["PM_REDIS_URL"] = self.server.address.replace(
                f":{self.server.port}/", f":{self.to_redis[name].port}/"
            )
        for name in SERVICES:
            await self.start(name)
        self._keeper = asyncio.create_task(self._keep_running())

    async def end(self) -> None:
        """End every process of it."""
        if self._keeper is not None:
            await cancel_and_wait(self._keeper)
        for link in (*self.to_redis.values(), *self.to_venue.values()):
            link.close()
        await super().end()
        await self.direct.aclose()

    async def _keep_running(self) -> None:
        """As Compose does: what ended is started again."""
        while True:
            await asyncio.sleep(RESTART_EVERY_S)
            for name in SERVICES:
                code = self.children[name].exit_code
                if code is not None and name not in self.kept_down:
                    self.ended.append(f"{name} ended by itself with {code}: {self._cause(name)}")
                    await self.start(name)

    def _cause(self, name: str) -> str:
        """What it wrote before it ended, in one line."""
        for line in reversed(self.children[name].tail(20)):
            row = msgspec.json.decode(line) if line.startswith("{") else {}
            if row.get("level") == "critical":
                return f"{row.get('error')}: {row.get('detail')}"
        return "it does not say why"

    def log(self, name: str) -> str:
        """All that a process wrote."""
        return self.children[name].log_path.read_text(errors="replace")

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process of ours, the simulator and Redis included."""
        pid = self.server.pid if name == "redis" else self.children[name].pid
        if pid is not None and (name == "redis" or self.children[name].exit_code is None):
            os.kill(pid, number)

    async def kill_9(self, name: str) -> None:
        """It dies, and stays dead until `revive`."""
        self.kept_down.add(name)
        self.signal(name, signal.SIGKILL)
        await self.until(lambda: self._gone(name), f"{name} dead")

    async def revive(self, name: str) -> None:
        """Start it again after `kill_9`."""
        if name in self.kept_down:
            await self.start(name)
            self.kept_down.discard(name)

    async def plan(self, of: str, fields: Mapping[str, Any] | None) -> None:
        """What the simulator does wrong because of one fault; None: nothing any more."""
        self._plans.pop(of, None)
        if fields is not None:
            self._plans[of] = fields
        merged: dict[str, Any] = {}
        for one in self._plans.values():
            for name, value in one.items():
                known = merged.get(name)
                both = isinstance(known, dict) and isinstance(value, dict)
                merged[name] = {**known, **value} if both else value  # type: ignore[dict-item] # both are
        answer = await self._venue.post("/sim/faults", merged)
        if not answer.ok:
            raise NotYet(f"{merged}: {answer}")

    async def ask_simulator(self, path: str, body: dict[str, Any]) -> None:
        """One of the simulator's own requests; that the market is over is no problem."""
        await self._venue.post(path, body)

    async def kill(self, reason: str, first: str) -> None:
        """As an operator does: at one service, and if it does not answer at the others."""
        for name in (first, *SERVICES):
            if (await self.service(name).post("/kill", {"reason": reason})).ok:
                self.killed_s = asyncio.get_running_loop().time()
                return
        raise NotYet("no service takes a kill")

    async def halted(self) -> list[str]:
        """The services that are halted."""
        answers = [(name, (await self.service(name).get("/readyz")).body) for name in SERVICES]
        return [name for name, body in answers if body.get("halted")]

    async def resume(self) -> None:
        """Resume at every service that is halted; one that does not answer is asked again."""
        self.killed_s = None
        for name in await self.halted():
            if not (await self.service(name).post("/resume", {})).ok:
                raise NotYet(f"{name} does not resume")

    async def resume_again(self) -> None:
        """Resume everywhere; what does not answer now is asked later."""
        self.killed_s = None
        for name in SERVICES:
            await self.service(name).post("/resume", {})

    async def restart_in_order(self, name: str) -> None:
        """As an operator restarts a service."""
        self.kept_down.add(name)
        await self.children[name].stop()
        await self.revive(name)

    async def _venue_answers(self) -> bool:
        return await self.audit_now() is not None

    async def audit_now(self) -> dict[str, Any] | None:
        """The venue's own records, or None while it does not answer."""
        answer = await self._venue.get("/audit")
        return answer.body if answer.ok else None


@asynccontextmanager
async def chaos_engine(directory: Path, seed: int, **more: Any) -> AsyncIterator[ChaosEngine]:
    """A whole engine that quotes. `more`: for `ChaosEngine`."""
    directory.mkdir()  # noqa: ASYNC240 - a moment
    server = LastingRedis(directory / "redis")
    with server:
        made = ChaosEngine(directory, server, seed, **more)
        try:
            await made.begin()
            yield made
        finally:
            await made.end()
