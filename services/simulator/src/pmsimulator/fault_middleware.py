"""Faults of the connection to the venue: requests that wait, responses that are lost."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pmsimulator.answers import answer
from pmsimulator.faults import Dice
from pmsimulator.server import abort
from pmsimulator.world import World

_OPERATORS = ("/sim/", "/audit")


class Road:
    """The whole application as seen from outside. The operator's own paths are spared."""

    def __init__(self, app: ASGIApp, world: World, seed: int) -> None:
        self._app = app
        self._world = world
        self._dice = Dice(seed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection's request, as ASGI has it."""
        path = scope.get("path", "")
        if path.startswith(_OPERATORS):
            await self._app(scope, receive, send)
            return
        faults = self._world.venue.faults.transport
        if faults.refuse_connections:
            abort(scope)
        elif scope["type"] != "http":
            await self._app(scope, receive, send)
        else:
            if delay_ms := self._dice.delay_ms(faults):
                await asyncio.sleep(self._world.clock.real_s(delay_ms))
            if self._dice.loses_response(faults, scope["method"], path):
                if await self._carry_out(scope, receive, send):
                    abort(scope)
            elif self._dice.answers_late_error(faults, scope["method"], path):
                if await self._carry_out(scope, receive, send):
                    late = answer({"error": faults.error_after_text}, 500)
                    await late(scope, receive, send)
            else:
                await self._app(scope, receive, send)

    async def _carry_out(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Whether it went well, with the response kept back; a refusal is sent as it is."""
        kept: list[Message] = []

        async def keep(message: Message) -> None:
            kept.append(message)

        await self._app(scope, receive, keep)
        if kept and kept[0].get("status") == 200:
            return True
        for message in kept:
            await send(message)
        return False
