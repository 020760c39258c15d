"""A service that does nothing but remember what the shell told it: `python -m`."""

from __future__ import annotations

import asyncio
import os
import sys

from pmcore.shell.service.errors import StartupError
from pmcore.shell.service.process import ServiceContext, serve
from pmcore.shell.settings.common import CommonSettings, load_settings


class LeverService:
    name = "strategy"

    def __init__(self, context: ServiceContext[CommonSettings]) -> None:
        self._context = context
        self._heard: list[str] = []
        self._halted = ""

    async def run(self) -> None:
        self._heard.append("run")
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
    sys.exit(serve("strategy", load_settings(CommonSettings), LeverService))
