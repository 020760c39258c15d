"""The console as a process beside a whole engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pmtools.run.plan import SERVICES
from support.processes import TOKEN as CONSOLE_TOKEN
from support.processes import ServiceProcess, service_process
from support.whole_engine import TOKEN, Engine


@asynccontextmanager
async def console_of(
    running: Engine, directory: Path, **more: str
) -> AsyncIterator[ServiceProcess]:
    """A console that is given what `pm run` gives it, and `more` variables."""
    urls = {f"PM_{name.upper()}_URL": running.url(name) for name in SERVICES}
    variables = {**urls, "PM_CONTROL_TOKEN": TOKEN, "PM_CLOCK": running.clock_spec}
    variables |= more
    async with service_process("pmconsole", directory, **variables) as console:
        assert CONSOLE_TOKEN != TOKEN
        console.http.headers["Authorization"] = f"Bearer {TOKEN}"
        await console.wait_for("/readyz")
        yield console
