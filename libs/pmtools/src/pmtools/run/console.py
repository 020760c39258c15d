"""The console of a run: a page beside the engine, whose absence is said and stops nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx

from pmcore.shell.control_client import ControlClient
from pmtools.processes import Child, ChildSpec, start_child


class RunConsole:
    """Its process, and what the operator is told of it, once."""

    def __init__(self, spec: ChildSpec, http: httpx.AsyncClient, token: str) -> None:
        self._spec = spec
        self._client = ControlClient(http, spec.url, token)
        self._child: Child | None = None
        self._told = ""

    async def start(self, directory: Path) -> None:
        """Start the process; the page comes later."""
        self._child = await start_child(self._spec, directory)

    async def news(self) -> str:
        """What is new since the last call: its address, or that it ended; "" mostly."""
        child = self._child
        if child is not None and child.exit_code is not None:
            text = f"the console ended with exit code {child.exit_code}; see {child.log_path}"
        elif self._told or not (await self._client.get("/healthz")).ok:
            return ""
        else:
            text = await self._address()
        if text == self._told:
            return ""
        self._told = text
        return text

    async def stop(self) -> None:
        """End the process."""
        if self._child is not None:
            await self._child.stop()

    async def _address(self) -> str:
        """With a link for one use on a terminal only: other output may be kept as a log."""
        if sys.stderr.isatty():
            link = await self._client.post("/links", {})
            if link.ok and isinstance(path := link.body.get("path"), str):
                return (
                    f"console: {self._spec.url}{path} (this link opens it once, within 10 minutes)"
                )
        return f"console: {self._spec.url} (a link that opens it: pm console)"
