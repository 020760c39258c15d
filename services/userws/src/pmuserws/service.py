"""The user channel: authenticated socket, reconciled by REST, to the account's stream."""

from __future__ import annotations

import asyncio

from pmcore.model.errors import Cause
from pmcore.shell.http import JsonReader
from pmcore.shell.service.process import ServiceContext
from pmcore.shell.service.views import UserwsView
from pmcore.shell.settings.common import Mode
from pmuserws.channel import AccountChannel
from pmuserws.credentials import find_credentials, stay_with
from pmuserws.settings import UserwsSettings

_CREDENTIALS = "API credentials"


class UserwsService:
    """See `pmcore.shell.service.process.Service`. In dry mode it has nothing to do, and says so."""

    name = "userws"

    def __init__(self, context: ServiceContext[UserwsSettings]) -> None:
        self._context = context
        self._settings = context.settings
        self._log = context.log
        self._rest = JsonReader(context.settings.rest_url)
        self._data = JsonReader(context.settings.data_url)
        self._channel: AccountChannel | None = None

    async def run(self) -> None:
        """Follow the channel until cancelled."""
        if self._settings.mode is Mode.DRY:
            self._log.info("idle", why="dry mode: the executor's paper venue reports fills")
            await asyncio.Event().wait()
        health = self._context.health
        health.set_trouble(_CREDENTIALS, Cause.WAITING, "waiting for API credentials")
        credentials = await find_credentials(self._settings, self._log)
        health.clear_trouble(_CREDENTIALS)
        self._channel = AccountChannel(self._context, self._rest, self._data, credentials)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._channel.run())
            if self._settings.api_key is None:
                tasks.create_task(stay_with(credentials, self._settings))

    async def stop(self) -> None:
        """Tell the readers that nothing more will come, and close."""
        if self._channel is not None:
            await self._channel.close("userws stopped")
        await self._rest.close()
        await self._data.close()

    def readiness(self) -> list[str]:
        """Ready means: connected and reconciled, or nothing to do."""
        if self._settings.mode is Mode.DRY:
            return []
        if self._channel is None:
            return ["waiting for API credentials"]
        return self._channel.problems()

    def state(self) -> UserwsView:
        """Return the channel's state and counts."""
        mode = self._settings.mode
        if self._channel is None:
            channel = "idle (dry mode)" if mode is Mode.DRY else "waiting for API credentials"
            return {"channel": channel, "fills": 0, "frames": 0, "unusable": {}, "mode": mode}
        return {**self._channel.state(), "mode": mode}

    async def on_halt(self, reason: str) -> None:
        """Facts flow on: a halt is about orders."""

    async def on_resume(self) -> None:
        """A person has looked at what was told: an own order that took, above all."""
        if self._channel is not None:
            self._channel.resume()
