"""One simulated process: a real service on a machine of its own, killed and started at will."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any

from pmcore.model.errors import TransportError
from pmcore.shell.clock import Clock, real_now_ns
from pmcore.shell.machine import use_machine
from pmcore.shell.service.errors import StartupError
from pmcore.shell.service.kill_switch import ResumeRefusedError
from pmcore.shell.service.lease_keeper import LeaseLostError
from pmcore.shell.service.logs import Log
from pmcore.shell.service.metrics import ServiceMetrics
from pmcore.shell.service.process import Service, ServiceBus, ServiceContext, ServiceProcess
from pmtools.simulate.loop import LIFE, Life, VirtualLoop
from pmtools.simulate.machine import SimulatedMachine

RESTART_S = 1.0
_WORLDS_FAULTS = (TransportError, StartupError, LeaseLostError, ResumeRefusedError)


class HostLog(Log):
    """Hands each line to the world instead of printing it."""

    def __init__(
        self,
        name: str,
        say: Callable[[str, str], None],
        on_fatal: Callable[[BaseException], None],
    ) -> None:
        self._name = name
        self._say = say
        self._on_fatal = on_fatal

    def _write(self, level: int, event: str, fields: dict[str, object]) -> None:
        shown = " ".join(f"{key}={value}" for key, value in fields.items())
        self._say(self._name, f"{event} {shown}".rstrip())

    def fatal(self, event: str, error: BaseException, **fields: object) -> None:
        """See `Log`."""
        self._write(0, event, {"error": repr(error), **fields})
        self._on_fatal(error)


class Host:
    """Starts a service, and starts it again when it ends, as Compose does."""

    def __init__(
        self,
        name: str,
        loop: VirtualLoop,
        machine: SimulatedMachine,
        *,
        settings: Any,
        factory: Callable[[ServiceContext[Any]], Service],
        make_bus: Callable[[str, str], ServiceBus],
        on_death: Callable[[Life], None],
        say: Callable[[str, str], None],
    ) -> None:
        self.name = name
        self.machine = machine
        self.settings = settings
        self.service: Service | None = None
        self.process: ServiceProcess[Any] | None = None
        self.errors: list[BaseException] = []
        self._loop = loop
        self._factory = factory
        self._make_bus = make_bus
        self._on_death = on_death
        self._say = say
        self._life: Life | None = None
        self._context: contextvars.Context | None = None
        self._tasks: list[asyncio.Task[Any]] = []
        self.lives: list[Life] = []
        self.started_s = 0.0
        self._wanted = False

    @property
    def alive(self) -> bool:
        """Whether it runs now, or is frozen."""
        return self._life is not None and not self._life.dead

    @property
    def frozen(self) -> bool:
        """Whether it was stopped as by SIGSTOP."""
        return self._life is not None and self._life.frozen and not self._life.dead

    def start(self) -> None:
        """Start a new life."""
        if self.alive:
            return
        self._wanted = True
        life = self._life = Life(self.name)
        context = self._context = contextvars.copy_context()
        context.run(LIFE.set, life)
        context.run(use_machine, self.machine)
        self._say(self.name, "started")
        self.lives.append(life)
        self.started_s = self._loop.time()
        self._tasks.append(self._loop.create_task(self._main(life), context=context))

    def kill(self) -> None:
        """As kill -9: nothing of it runs any more, its connections break."""
        if self._life is None or self._life.dead:
            return
        self._wanted = False
        self._bury(self._life)
        self._say(self.name, "killed")

    def restart_later(self, delay_s: float) -> None:
        """Kill it now, start it again after a while."""
        self.kill()
        self._loop.call_later(delay_s, self.start, context=contextvars.Context())

    def freeze(self) -> None:
        """As SIGSTOP."""
        if self._life is not None and not self._life.dead:
            self._life.frozen = True
            self._say(self.name, "frozen")

    def thaw(self) -> None:
        """As SIGCONT."""
        if self.frozen and self._life is not None:
            self._say(self.name, "goes on")
            self._loop.resume(self._life)

    def do(self, make: Callable[[], Any]) -> None:
        """Run a coroutine function inside the process, as a request to its HTTP port would."""
        if self.alive and self._context is not None:
            task = self._loop.create_task(make(), context=self._context)
            task.add_done_callback(self._done)
            self._tasks.append(task)

    def _note(self, error: BaseException) -> None:
        """Keep what is our own mistake; that Redis has lost a group, or a lease is gone, is not."""
        if not isinstance(error, _WORLDS_FAULTS):
            self.errors.append(error)

    def _done(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._note(error)

    def _bury(self, life: Life) -> None:
        life.dead = True
        self.process = self.service = None
        self._on_death(life)

    async def _main(self, life: Life) -> None:
        clock = Clock.from_spec("")
        run_id = format(real_now_ns() // 1_000_000, "x")
        context = ServiceContext(
            settings=self.settings,
            clock=clock,
            bus=self._make_bus(self.name, run_id),
            metrics=ServiceMetrics(
                self.name, version="simulated", mode=self.settings.mode, speed=1
            ),
            log=HostLog(self.name, self._say, self._note),
            run_id=run_id,
        )
        try:
            self.service = self._factory(context)
            self.process = ServiceProcess(context, self.service, asyncio.Event())
            code: object = await self.process.run()
        except StartupError as error:
            code = f"2 ({error})"
        except Exception as error:  # noqa: BLE001 - it ends the simulated process, and is judged
            self._note(error)
            code = repr(error)
        self._say(self.name, f"ended: {code}")
        self._bury(life)
        if self._wanted:
            self._loop.call_later(RESTART_S, self.start, context=contextvars.Context())
