"""The console as a process. It is not on the bus: all it knows comes over the control ports."""

from __future__ import annotations

import asyncio
import sys

from pmconsole.access import Access
from pmconsole.app import create_console_app
from pmconsole.engine_switch import ANSWER_S as SWITCH_S
from pmconsole.engine_switch import EngineSwitch
from pmconsole.faults import Bounds
from pmconsole.metrics import ConsoleMetrics
from pmconsole.notifier import Notifier
from pmconsole.poller import ANSWER_S, Poller
from pmconsole.settings import ConsoleSettings
from pmcore.model.units import NS_PER_S
from pmcore.shell.clock import Clock, real_now_ns
from pmcore.shell.control_client import open_http
from pmcore.shell.service.control import control_token
from pmcore.shell.service.errors import StartupError
from pmcore.shell.service.logs import configure_logs
from pmcore.shell.service.metrics import ProcessMetrics
from pmcore.shell.service.process import run_server, running_version, stop_on_signals
from pmcore.shell.service.web import listen

NAME = "console"


def serve_console(settings: ConsoleSettings) -> int:
    """Run to the end and return the exit code: 0 done, 2 cannot start."""
    try:
        asyncio.run(_serve(settings))
    except StartupError as error:
        print(f"{NAME}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # only while starting; later SIGINT is a request to stop
        return 130
    return 0


async def _serve(settings: ConsoleSettings) -> None:
    log = configure_logs(NAME, settings.log_level)
    clock = Clock.from_spec(settings.clock)
    given = settings.control_token.get_secret_value() if settings.control_token else None
    token = control_token(given, settings.data_dir)
    process_metrics = ProcessMetrics(NAME, version=running_version(), mode="none")
    process_metrics.watch_disk(settings.data_dir)
    metrics = ConsoleMetrics(process_metrics)
    with listen(settings.http_host, settings.port(NAME), "PM_HTTP_PORT") as listener:
        stopping = stop_on_signals()
        async with open_http(ANSWER_S) as asking, open_http(SWITCH_S) as telling:
            poller = Poller(asking, settings.urls, token, clock=clock)
            notifier = Notifier(
                poller,
                settings.notify_urls,
                bounds=Bounds(
                    not_quoting_s=settings.notify_not_quoting_s,
                    residual_shares=settings.notify_residual_shares,
                ),
                repeat_s=settings.notify_repeat_s,
                secrets=[token],
                clock=clock,
                data_dir=settings.data_dir,
                metrics=metrics,
                log=log,
            )
            app = create_console_app(
                access=Access(token),
                poller=poller,
                notifier=notifier,
                switch=EngineSwitch(telling, settings.urls, token),
                metrics=metrics,
                hosts=settings.console_hosts,
                wall_s=lambda: real_now_ns() / NS_PER_S,
            )
            log.info("starting", settings=repr(settings))
            async with asyncio.TaskGroup() as tasks:
                work = [tasks.create_task(poller.run())]
                work.append(tasks.create_task(notifier.run()))
                work.append(tasks.create_task(run_server(app, listener)))
                await stopping.wait()
                for task in work:
                    task.cancel()
    log.info("stopped", code=0)
