"""A service that does nothing but remember what the shell told it: `python -m`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

from pmcore.shell.machine import Machine, machine, use_machine
from pmcore.shell.service.errors import StartupError
from pmcore.shell.service.process import ServiceContext, serve
from pmcore.shell.settings.common import CommonSettings, load_settings


class SteppedMachine(Machine):
    """Its wall clock goes back by an hour when the service runs; once, as the file remembers."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark
        self._behind_ns = 0

    def step(self) -> None:
        if not self._mark.exists():
            self._mark.touch()
            self._behind_ns = 3_600 * 10**9

    def wall_ns(self) -> int:
        return time.time_ns() - self._behind_ns


class LeverService:
    name = "strategy"

    def __init__(self, context: ServiceContext[CommonSettings]) -> None:
        self._context = context
        self._heard: list[str] = []
        self._halted = ""

    async def run(self) -> None:
        self._heard.append("run")
        if isinstance(here := machine(), SteppedMachine):
            here.step()
        match os.environ.get("LEVER_END"):
            case "return":
                return
            case "die":
                raise RuntimeError("boom")
            case "cannot":
                raise StartupError("no key: set one")
            case _:
                await asyncio.Event().wait()

    async def stop(self) -> None:
        self._context.log.info("stop_called")
        if os.environ.get("LEVER_STOP") == "signal":
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(0.1)  # the loop hears of it
        if os.environ.get("LEVER_STOP") == "fail":
            raise RuntimeError("orders left")

    def readiness(self) -> list[str]:
        return []

    def state(self) -> dict[str, object]:
        return {"heard": self._heard}

    async def on_halt(self, reason: str) -> None:
        self._heard.append(f"halt {reason}")

    async def on_resume(self) -> None:
        self._heard.append("resume")


if __name__ == "__main__":
    if "LEVER_STEP" in os.environ:
        use_machine(SteppedMachine(Path(os.environ["LEVER_STEP"])))
    sys.exit(serve("strategy", load_settings(CommonSettings), LeverService))
