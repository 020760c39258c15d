"""One way to run a service: loop, logs, HTTP, the kill switch, the alive key, signals, exit.

When any task fails, the process ends with one log line; a restart recovers. On
SIGTERM or SIGINT, and when `run` returns, `stop` has `STOP_S` to cancel, verify and close, with
`run` still alive if it was. Exit codes: 0 done, 1 failed, 2 cannot start. After a step of the
wall clock the process stops in the same way and then begins again, with the same process id.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from starlette.types import ASGIApp

from pmcore.messages.control import ControlMessage, Halt, Resume
from pmcore.model.errors import TransportError
from pmcore.shell.bus.janitor import TrimmableBus
from pmcore.shell.clock import Clock, real_now_ns
from pmcore.shell.service.clock_watch import stepped_by_s
from pmcore.shell.service.control import control_token, create_control_app, instance_id
from pmcore.shell.service.errors import StartupError
from pmcore.shell.service.halt_file import unreadable_halt
from pmcore.shell.service.health import Health
from pmcore.shell.service.kill_switch import KillSwitch
from pmcore.shell.service.liveness import Liveness
from pmcore.shell.service.logs import Log, configure_logs
from pmcore.shell.service.metrics import ServiceMetrics
from pmcore.shell.service.tasks import retry_until_answered
from pmcore.shell.service.web import QuietServer, bounded_config, listen
from pmcore.shell.settings.common import CommonSettings
from pmcore.wire import keys
from pmcore.wire.ports import Ack, Bus, Incoming

STOP_S = 10.0
REDIS_START_S = 30.0
CTL_BLOCK_MS = 1000
BEGIN_AGAIN = 75
"""Returned by `ServiceProcess.run` after a step of the wall clock; never an exit code."""

SettingsT = TypeVar("SettingsT", bound=CommonSettings)


class Service(Protocol):
    """What a service must provide; everything else is done here."""

    name: str

    async def run(self) -> None:
        """Work until cancelled; returning ends the process with 0."""
        ...

    async def stop(self) -> None:
        """Cancel, verify, close."""
        ...

    def readiness(self) -> list[str]:
        """Why it is not ready, one short line each; empty means ready."""
        ...

    def state(self) -> Mapping[str, object]:
        """Return what /state shows: JSON-able, no secrets; a TypedDict names its fields."""
        ...

    async def on_halt(self, reason: str) -> None:
        """Stop trading now; may be called again, and before `run`."""
        ...

    async def on_resume(self) -> None:
        """Trade again, after the usual checks."""
        ...


class ServiceBus(Bus, TrimmableBus, Protocol):
    """The bus of a service; `RedisBus` in production, `MemoryBus` in tests."""


@dataclass(frozen=True)
class ServiceContext(Generic[SettingsT]):
    """What a service is given. `run_id` is new on every start."""

    settings: SettingsT
    clock: Clock
    bus: ServiceBus
    metrics: ServiceMetrics
    log: Log
    run_id: str
    health: Health = field(default_factory=Health)


Factory = Callable[[ServiceContext[SettingsT]], Service]


def serve(
    name: str,
    settings: SettingsT,
    factory: Factory[SettingsT],
    bus: ServiceBus | None = None,
) -> int:
    """Run a service to its end and return the exit code; without a `bus` it connects to Redis."""
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            code = runner.run(_serve(name, settings, factory, bus))
    except StartupError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # only while starting; later SIGINT is a request to stop
        return 130
    if code == BEGIN_AGAIN:
        command = [sys.executable, *sys.orig_argv[1:]]
        os.execv(command[0], command)  # noqa: S606 - no shell is wanted
    return code


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _serve(
    name: str, settings: SettingsT, factory: Factory[SettingsT], bus: ServiceBus | None
) -> int:
    log = configure_logs(name, settings.log_level)
    clock = Clock.from_spec(settings.clock)
    run_id = format(real_now_ns() // 1_000_000, "x")
    token = control_token(
        settings.control_token.get_secret_value() if settings.control_token else None,
        settings.data_dir,
    )
    with listen(settings.http_host, settings.port(name), "PM_HTTP_PORT") as listener:
        bus = bus or await _connect_bus(name, settings, clock, run_id, log)
        stopping = stop_on_signals()
        try:
            context = ServiceContext(
                settings=settings,
                clock=clock,
                bus=bus,
                metrics=ServiceMetrics(
                    name, version=running_version(), mode=settings.mode, speed=clock.speed
                ),
                log=log,
                run_id=run_id,
            )
            context.metrics.watch_disk(settings.data_dir)
            service = factory(context)
            log.info("starting", mode=settings.mode, run_id=run_id, settings=repr(settings))
            process = ServiceProcess(context, service, stopping)
            app = create_control_app(
                token=token,
                metrics=context.metrics,
                kill_switch=process.kill_switch,
                readiness=process.reasons,
                state=process.state,
                described=service.state,
            )
            app.openapi()  # made and kept now: it takes longer than an answer may
            return await process.run(partial(run_server, app, listener))
        finally:
            await bus.close()


class ServiceProcess(Generic[SettingsT]):
    """The tasks of a running service and how they end."""

    def __init__(
        self,
        context: ServiceContext[SettingsT],
        service: Service,
        stopping: asyncio.Event,
    ) -> None:
        settings = context.settings
        self._context = context
        self._service = service
        self._stopping = stopping
        self._ended = asyncio.Event()
        self._log = context.log
        self._ctl = keys.ctl(settings.account)
        self._ctl_group = keys.ctl_group(service.name, instance_id(settings.data_dir))
        self.kill_switch = KillSwitch(
            service,
            context.bus,
            account=settings.account,
            data_dir=settings.data_dir,
            now_ns=context.clock.now_ns,
            log=context.log,
        )
        self._heartbeat = Liveness(
            service.name,
            context.bus,
            context.metrics,
            self.kill_switch,
            readiness=service.readiness,
            account=settings.account,
            series=[spec.series for spec in settings.series],
            log=context.log,
            health=context.health,
            ctl_group=self._ctl_group,
        )

    def reasons(self) -> list[str]:
        """Why the service is not ready, Redis included."""
        return self._heartbeat.reasons()

    def state(self) -> dict[str, object]:
        """The service's state, with what keeps it from its work."""
        troubles = [msgspec.to_builtins(one) for one in self._context.health.troubles()]
        return {**self._service.state(), "troubles": troubles}

    async def run(self, *others: Callable[[], Coroutine[Any, Any, None]]) -> int:
        """Run the service, and `others` beside it, to the end; the exit code."""
        try:
            async with asyncio.timeout(REDIS_START_S):
                await self._take_up_halt()
        except TimeoutError:
            text = f"PM_REDIS_URL: Redis did not tell of a halt within {REDIS_START_S:.0f} s"
            raise StartupError(text) from None
        group = asyncio.create_task(self._run_group(others))
        asked = asyncio.create_task(self._stopping.wait())
        ended = asyncio.create_task(self._ended.wait())
        step = asyncio.create_task(stepped_by_s())
        await asyncio.wait({group, asked, ended, step}, return_when=asyncio.FIRST_COMPLETED)
        code = self._code_of(group) if group.done() else 0
        if step.done() and not (group.done() or asked.done() or ended.done()):
            code = BEGIN_AGAIN
            self._log.warning("clock_stepped", seconds=round(step.result(), 3))
        for task in (asked, ended, step):
            task.cancel()
        self._log.info("stopping", why=_why(ended=group.done(), code=code))
        if not await self._stop_service():
            code = 1
        group.cancel()
        await asyncio.wait({group})
        if code == BEGIN_AGAIN and self._stopping.is_set():
            code = 0  # asked to end meanwhile
        self._log.info("stopped", code=code)
        return code

    async def _run_group(self, others: Sequence[Callable[[], Coroutine[Any, Any, None]]]) -> None:
        async with asyncio.TaskGroup() as tasks:
            for other in others:
                tasks.create_task(other())
            tasks.create_task(self._watch_ctl())
            tasks.create_task(self._heartbeat.run())
            tasks.create_task(self._run_service())

    async def _run_service(self) -> None:
        await self._service.run()
        self._ended.set()

    def _code_of(self, group: asyncio.Task[None]) -> int:
        error = group.exception()
        if error is None:
            return 0
        first = _first_of(error)
        if isinstance(first, StartupError):
            raise first
        self._log.fatal("task_died", first)
        return 1

    async def _stop_service(self) -> bool:
        try:
            async with asyncio.timeout(STOP_S):
                await self._service.stop()
        except TimeoutError:
            self._log.error("stop_timed_out", seconds=STOP_S)
            return False
        except Exception as error:  # noqa: BLE001 - the end of the task group: log, then die
            self._log.fatal("stop_failed", error)
            return False
        return True

    async def _take_up_halt(self) -> None:
        """Read all of `ctl` again: a start trusts no halt or resume to have been heard before."""
        bus, group = self._context.bus, self._ctl_group
        create = partial(bus.create_group, group, [self._ctl], start="0", announce=None)
        await retry_until_answered(create)
        await retry_until_answered(partial(bus.set_group_id, group, self._ctl, "0-0"))
        consumer = self._context.settings.consumer
        read = partial(bus.read, group, consumer, [self._ctl], block_ms=0)
        backlog: list[Incoming] = []
        while batch := await retry_until_answered(read):
            backlog.extend(batch)
        heard = [_said_by(item) for item in backlog]
        told = [message for message in heard if message is not None]
        await retry_until_answered(partial(self.kill_switch.load, told))
        await self._ack(backlog)

    async def _watch_ctl(self) -> None:
        consumer = self._context.settings.consumer
        bus = self._context.bus
        read = partial(bus.read, self._ctl_group, consumer, [self._ctl], block_ms=CTL_BLOCK_MS)
        while True:
            await self._obey(await retry_until_answered(read))

    async def _obey(self, batch: Sequence[Incoming]) -> None:
        for item in batch:
            if (message := _said_by(item)) is not None:
                await self.kill_switch.hear(message)
        await self._ack(batch)

    async def _ack(self, batch: Sequence[Incoming]) -> None:
        acks = [Ack(self._ctl, self._ctl_group, item.entry_id) for item in batch]
        if acks:
            await retry_until_answered(partial(self._context.bus.ack, acks))


def _said_by(item: Incoming) -> ControlMessage | None:
    """The message of an entry. One that is there and cannot be read may be a halt, so it is one."""
    if isinstance(item.message, Halt | Resume):
        return item.message
    if item.problem == "lost":
        return None
    return unreadable_halt("an unreadable entry on ctl", f"ctl {item.entry_id}")


def _why(*, ended: bool, code: int) -> str:
    if code == BEGIN_AGAIN:
        return "the wall clock was stepped: beginning again"
    return "ended" if ended else "asked to"


def _first_of(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _connect_bus(
    name: str, settings: CommonSettings, clock: Clock, run_id: str, log: Log
) -> ServiceBus:
    from pmcore.shell.bus.redis_bus import RedisBus

    url = settings.redis_login(name)
    bus = RedisBus.connect(
        url,
        source=name,
        run_id=run_id,
        clock_ns=clock.now_ns,
        replicas=settings.lease_replicas,
    )

    def on_away(error: TransportError) -> None:
        log.warning("redis_away", detail=str(error))

    try:
        async with asyncio.timeout(REDIS_START_S):
            await retry_until_answered(bus.ping, on_away)
    except TimeoutError:
        await bus.close()
        raise StartupError(f"PM_REDIS_URL: no Redis answered for {REDIS_START_S:.0f} s") from None
    except TransportError as error:
        await bus.close()
        raise StartupError(f"PM_REDIS_URL: {error}") from None
    return bus


async def run_server(app: ASGIApp, listener: socket.socket) -> None:
    """Serve until cancelled."""
    gc.collect()
    gc.freeze()
    await QuietServer(bounded_config(app)).serve(sockets=[listener])


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping


def running_version() -> str:
    """The version of the installed package."""
    try:
        return version("pmcore")
    except PackageNotFoundError:
        return "unpackaged"
