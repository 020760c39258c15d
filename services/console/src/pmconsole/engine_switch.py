"""Kill and resume: the same requests that `pm kill` sends, to every service at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx

from pmcore.shell.control_client import ControlClient

ANSWER_S = 8.0
"""How long a service may take: it obeys first, then tries for up to 4 s to tell Redis."""
_BY = "console"


class EngineSwitch:
    """Tells each service; the answer says by service what is wrong, or ""."""

    def __init__(self, http: httpx.AsyncClient, urls: Mapping[str, str], token: str) -> None:
        self._clients = {name: ControlClient(http, url, token) for name, url in urls.items()}

    async def kill(self, reason: str) -> dict[str, str]:
        """Stop quoting and cancel everything."""
        return await self._tell("/kill", {"reason": reason, "by": _BY})

    async def resume(self) -> dict[str, str]:
        """Lift a halt."""
        return await self._tell("/resume", {"by": _BY})

    async def _tell(self, path: str, body: dict[str, Any]) -> dict[str, str]:
        clients = self._clients
        answers = await asyncio.gather(*(one.post(path, body) for one in clients.values()))
        return {
            name: "" if answer.ok else str(answer.body.get("why") or answer.problem)
            for name, answer in zip(clients, answers, strict=True)
        }
