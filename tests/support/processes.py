"""Services as processes, the way `pm run` and Compose start them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from pmtools.ports import free_port

TOKEN = "test-token"
START_S = 30.0
END_S = 20.0


class ServiceProcess:
    """A running service and its HTTP face."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, log: Path) -> None:
        self.process = process
        self._log = log
        self.http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {TOKEN}"},
            trust_env=False,
            timeout=START_S,
        )

    @property
    def log(self) -> str:
        return self._log.read_text()

    async def status(self, path: str) -> int:
        """The HTTP status, or 0 while nothing listens."""
        try:
            return (await self.http.get(path)).status_code
        except httpx.HTTPError:
            return 0

    async def wait_for(self, path: str, status: int = 200) -> None:
        try:
            async with asyncio.timeout(START_S):
                while await self.status(path) != status:
                    assert self.process.returncode is None, self.log
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{path} never answered {status}:\n{self.log}") from None

    async def until(self, happened: Callable[[], Awaitable[bool]], what: str) -> None:
        """Wait until something holds."""
        try:
            async with asyncio.timeout(START_S):
                while not await happened():  # noqa: ASYNC110 - any condition, not an event
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"never: {what}:\n{self.log}") from None

    async def until_logged(self, text: str, times: int = 1) -> None:
        async def logged() -> bool:
            return self.log.count(text) >= times

        await self.until(logged, f"{text} in the log")

    async def state(self) -> Any:
        return (await self.http.get("/state")).json()

    async def terminate(self, number: int = signal.SIGTERM) -> int:
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await self.ended()

    async def ended(self) -> int:
        async with asyncio.timeout(END_S):
            return await self.process.wait()


@asynccontextmanager
async def service_process(
    module: str, data_dir: Path, *, inside: Sequence[str] = (), **variables: str
) -> AsyncIterator[ServiceProcess]:
    """Start `python -m <module>` with these variables; it is gone at the end.

    `inside`: a command that runs the command which follows it, in its own process.
    """
    port = free_port()
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PM_", "POLYMARKET_"))
    }
    environment |= {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PM_HTTP_PORT": str(port),
        "PM_CONTROL_TOKEN": TOKEN,
        "PM_DATA_DIR": str(data_dir),
        **variables,
    }
    log = data_dir / f"{module}.{port}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(*inside, sys.executable, "-m", module),
            env=environment,
            stdout=output,
            stderr=output,
        )
        service = ServiceProcess(process, port, log)
        try:
            yield service
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            await service.http.aclose()
