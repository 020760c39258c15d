"""The hosts with everything on them: Redis Cluster, venue, engines. What ends is started again."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import msgspec

from pmcore.shell.clock import Clock, monotonic_s, real_now_ns
from pmcore.shell.control_client import ControlClient, open_http
from pmcore.shell.service.tasks import cancel_and_wait
from pmcore.wire.access import OPERATOR
from pmtools.errors import CommandError
from pmtools.hosts.network import HostNetwork
from pmtools.hosts.plan import (
    REDIS_HOSTS,
    VENUE,
    HostEngine,
    Shared,
    begin_clock_ns,
    plan_services,
    plan_venue,
)
from pmtools.processes import Child, ChildSpec, start_child
from pmtools.run.redis_cluster import MASTERS, cluster_arguments, join
from pmtools.run.redis_server import LocalRedis, new_passwords

START_TIMEOUT_S = 300.0
RESTART_EVERY_S = 0.5
_STOP_ORDER = ("strategy", "executor", "userws", "feed")
_MASTER_PORT, _REPLICA_PORT = 6379, 6380


class LabOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a lab is built."""

    engines: tuple[HostEngine, ...]
    node_timeout_ms: int
    latency_ms: int
    seed: int
    world: str = "light"


class Lab:
    """Running hosts. `ended` names each process that ended by itself, and its exit code."""

    def __init__(
        self, network: HostNetwork, nodes: Sequence[LocalRedis], options: LabOptions, shared: Shared
    ) -> None:
        self.network = network
        self.nodes = tuple(nodes)
        self.options = options
        self.children: dict[str, Child] = {}
        self.ended: list[str] = []
        self.http = open_http()
        self._keeper: asyncio.Task[None] | None = None
        self.clock = shared.clock
        self._shared = shared
        venue = plan_venue(options.engines, shared)
        self._specs = {VENUE: _on(network, VENUE, venue)}
        for engine in options.engines:
            for spec in plan_services(engine, shared):
                self._specs[spec.name] = _on(network, engine.host, spec)
        self.venue = ControlClient(self.http, venue.url, "")

    def service(self, host: str, name: str) -> ControlClient:
        """The control port of a service."""
        spec = self._specs[f"{host}.{name}"]
        return ControlClient(self.http, spec.url, self._shared.control_token)

    async def start(self) -> None:
        """The venue, then all services. Raise `CommandError` when one does not come up."""
        await self._start(VENUE)
        await self.until(self._venue_answers, "the simulator answers")
        for name in self._specs:
            if name != VENUE:
                await self._start(name)
        await self.until(self._all_ready, "all services are ready")
        self._keeper = asyncio.create_task(self._keep_running())

    async def until(
        self,
        holds: Callable[[], Awaitable[bool]],
        what: str,
        timeout_s: float = START_TIMEOUT_S,
        every_s: float = 0.25,
    ) -> None:
        """Wait; raise `CommandError` with the processes' last words when it takes too long."""
        end_s = monotonic_s() + timeout_s
        while not await holds():
            if monotonic_s() > end_s:
                raise CommandError(f"not within {timeout_s:g} s: {what}", *self._last_words())
            await asyncio.sleep(every_s)

    async def _keep_running(self) -> None:
        """As `restart: unless-stopped` of Compose does, until cancelled."""
        while True:
            for name, child in list(self.children.items()):
                if child.exit_code is not None:
                    self.ended.append(f"{name} ended by itself with {child.exit_code}")
                    await self._start(name)
            await asyncio.sleep(RESTART_EVERY_S)

    async def stop(self) -> int:
        """All engines as `pm run` stops one; return how many orders the venue still has open."""
        await self._stop_keeping()
        for name in _STOP_ORDER:
            stopped = [
                self.children[f"{engine.host}.{name}"]
                for engine in self.options.engines
                if name in engine.services
            ]
            await asyncio.gather(*(child.stop() for child in stopped))
        answer = await self.venue.get("/audit")
        await self.children[VENUE].stop()
        left = answer.body.get("orders_open")
        if not isinstance(left, int):
            raise CommandError(f"the simulator does not say what rests: {answer.problem}")
        return left

    async def end(self) -> None:
        """End every process at once, however far it is."""
        await self._stop_keeping()
        await asyncio.gather(*(child.stop(0) for child in self.children.values()))
        await self.http.aclose()

    async def _stop_keeping(self) -> None:
        if self._keeper is not None:
            await cancel_and_wait(self._keeper)

    async def _start(self, name: str) -> None:
        self.children[name] = await start_child(self._specs[name], self._shared.directory)

    async def _venue_answers(self) -> bool:
        return (await self.venue.get("/sim/activity")).ok

    async def _all_ready(self) -> bool:
        clients = [self.service(e.host, name) for e in self.options.engines for name in e.services]
        answers = await asyncio.gather(*(client.get("/readyz") for client in clients))
        return all(answer.ok for answer in answers)

    def _last_words(self) -> list[str]:
        return [
            f"{name}: {line}" for name, child in self.children.items() for line in child.tail(2)
        ]


@asynccontextmanager
async def open_lab(directory: Path, options: LabOptions) -> AsyncIterator[Lab]:
    """Build the hosts and start everything; whatever happens, nothing of it is left.

    Logs and data come into `directory`. Raise `NotPermittedError`, `CommandError` and
    `LocalRedisError`.
    """
    hosts = dict.fromkeys([*(e.host for e in options.engines), *REDIS_HOSTS, VENUE])
    with ExitStack() as stack:
        network = stack.enter_context(HostNetwork(tuple(hosts), latency_ms=options.latency_ms))
        passwords = new_passwords()
        nodes = [
            stack.enter_context(_redis(network, index, options.node_timeout_ms, passwords))
            for index in range(2 * MASTERS)
        ]
        join(nodes)
        named = ",".join(f"{node.host}:{node.port}" for node in nodes)
        shared = Shared(
            directory=directory,
            addresses={host: network.address(host) for host in hosts},
            redis_url=f"redis://{named}/0",
            redis_passwords=passwords,
            control_token=secrets.token_urlsafe(24),
            clock=Clock(begin_clock_ns(), real_now_ns(), 1.0).spec(),
            seed=options.seed,
            world=options.world,
        )
        lab = Lab(network, nodes, options, shared)
        try:
            await lab.start()
            yield lab
        finally:
            await lab.end()


def _redis(
    network: HostNetwork, index: int, timeout_ms: int, passwords: dict[str, str]
) -> LocalRedis:
    """Masters on the hosts in their order; each one's replica stands on the host after it."""
    is_replica = index >= MASTERS
    host = REDIS_HOSTS[(index + is_replica) % MASTERS]
    arguments = cluster_arguments(timeout_ms, passwords[OPERATOR])
    return LocalRedis(
        port=_REPLICA_PORT if is_replica else _MASTER_PORT,
        passwords=passwords,
        arguments=arguments,
        host=network.address(host),
        within=network.within(host),
    )


def _on(network: HostNetwork, host: str, spec: ChildSpec) -> ChildSpec:
    return msgspec.structs.replace(spec, argv=(*network.within(host), *spec.argv))
