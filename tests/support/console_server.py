"""A real console on a real port, before control ports that answer what a run once answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from pmconsole.access import Access
from pmconsole.app import create_console_app
from pmconsole.engine_switch import EngineSwitch
from pmconsole.faults import Bounds
from pmconsole.metrics import ConsoleMetrics
from pmconsole.notifier import Notifier
from pmconsole.poller import Poller
from pmcore.model.units import NS_PER_S
from pmcore.shell.clock import Clock, real_now_ns
from pmcore.shell.control_client import open_http
from pmcore.shell.service.logs import configure_logs
from pmcore.shell.service.metrics import ProcessMetrics
from pmcore.shell.service.process import run_server
from pmcore.shell.service.tasks import cancel_and_wait
from pmcore.shell.service.web import listen
from support.control_ports import FakeEngine

TOKEN = "token-of-the-recorded-engine"
Answers = Mapping[str, Mapping[str, Any]]


class RecordedConsole:
    """`url` of the console; `engine` has the four control ports, which may be closed."""

    def __init__(self, url: str, engine: FakeEngine, polling: asyncio.Task[None]) -> None:
        self.url = url
        self.engine = engine
        self._polling = polling

    def answer(self, service: str, path: str, body: Mapping[str, Any], status: int = 200) -> None:
        """Let a service say something else from now on."""
        self.engine.ports[service].answers[path] = (status, dict(body))

    async def fall_silent(self) -> None:
        """It takes connections, and shows nothing new."""
        await cancel_and_wait(self._polling)


@asynccontextmanager
async def recorded_console(answers: Answers, directory: Path) -> AsyncIterator[RecordedConsole]:
    """`answers` by service and path; the console's clock begins at the strategy's."""
    begin_ns = int(answers["strategy"]["/state"]["clock_s"] * NS_PER_S)
    clock = Clock(begin_ns, real_now_ns(), 1.0)
    with ExitStack() as stack:
        engine = FakeEngine(stack, TOKEN)
        for name, paths in answers.items():
            for path, body in paths.items():
                engine.ports[name].answers[path] = (200, dict(body))
        listener = stack.enter_context(listen("127.0.0.1", 0, "PM_HTTP_PORT"))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with open_http(1.5) as http, open_http() as telling:
            app, poller = _app(http, telling, engine, clock, directory)
            serving = asyncio.create_task(run_server(app, listener))
            console = RecordedConsole(url, engine, asyncio.create_task(poller.run()))
            try:
                yield console
            finally:
                await console.fall_silent()
                await cancel_and_wait(serving)


def _app(
    http: httpx.AsyncClient,
    telling: httpx.AsyncClient,
    engine: FakeEngine,
    clock: Clock,
    directory: Path,
) -> tuple[Any, Poller]:
    metrics = ConsoleMetrics(ProcessMetrics("console", version="1", mode="none"))
    poller = Poller(http, engine.urls, TOKEN, clock=clock)
    notifier = Notifier(
        poller,
        (),
        bounds=Bounds(),
        repeat_s=60.0,
        secrets=[TOKEN],
        clock=clock,
        data_dir=directory,
        metrics=metrics,
        log=configure_logs("console", "error"),
    )
    app = create_console_app(
        access=Access(TOKEN),
        poller=poller,
        notifier=notifier,
        switch=EngineSwitch(telling, engine.urls, TOKEN),
        metrics=metrics,
        hosts=(),
        wall_s=lambda: 1_800_000_000.0,
    )
    return app, poller
