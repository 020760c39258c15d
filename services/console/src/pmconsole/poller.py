"""Asks every service twice a second, once for all pages, and shows the result on the board.

The engine pays for one reader, whether no page is open or twenty. Each service is asked by a task
of its own, so one that does not answer delays no other.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import msgspec

from pmconsole.board import Board
from pmconsole.changes import Event, changes
from pmconsole.looks import Look
from pmconsole.snapshot import chart_point, make_snapshot
from pmcore.model.units import NS_PER_S
from pmcore.shell.clock import Clock, monotonic_s
from pmcore.shell.control_client import ControlClient

POLL_S = 0.5
ANSWER_S = 1.5
"""For an answer to a poll; a kill may take `control_client.TIMEOUT_S` and more."""
EVENTS_KEPT = 120
POINTS_KEPT = 3600
"""One a second: an hour."""


class Poller:
    """The looks at the services, what changed between them, and the points of the charts."""

    def __init__(
        self, http: httpx.AsyncClient, urls: Mapping[str, str], token: str, *, clock: Clock
    ) -> None:
        self.board = Board()
        self.newest: dict[str, Any] = {}
        self.polls = 0
        self._clients = {name: ControlClient(http, url, token) for name, url in urls.items()}
        self._looks = {name: Look(name=name) for name in urls}
        self._clock = clock
        self._events: deque[Event] = deque(maxlen=EVENTS_KEPT)
        self._event_number = 0
        self._points: deque[dict[str, Any]] = deque(maxlen=POINTS_KEPT)
        self._point_s = 0.0

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for name in self._clients:
                tasks.create_task(self._watch(name))
            tasks.create_task(self._show())

    @property
    def looks(self) -> Mapping[str, Look]:
        """The newest look at each service."""
        return self._looks

    def history(self) -> list[dict[str, Any]]:
        """The points of the last hour, oldest first."""
        return list(self._points)

    async def ask(self, name: str) -> None:
        """Look at one service now."""
        client, old = self._clients[name], self._looks[name]
        ready, state = await asyncio.gather(client.get("/readyz"), client.get("/state"))
        self.polls += 1
        if not state.ok:
            refused = state.refused
            self._looks[name] = msgspec.structs.replace(
                old, problem=state.problem, refused=refused, ready=False
            )
            return
        if name == "strategy":
            self._note(changes(old.state, state.body))
        reasons = ready.body.get("reasons")
        self._looks[name] = Look(
            name=name,
            answered_s=monotonic_s(),
            problem="",
            ready=ready.ok,
            reasons=tuple(map(str, reasons)) if isinstance(reasons, list) else (),
            state=state.body,
        )

    def show(self, now_s: float) -> None:
        """Put the newest snapshot on the board."""
        self.newest = make_snapshot(
            self._looks,
            clock_ns=self._clock.now_ns(),
            now_s=now_s,
            speed=self._clock.speed,
            events=reversed(self._events),
        )
        if now_s - self._point_s >= 1.0 and self.newest["windows"]:
            self._point_s = now_s
            self._points.append(chart_point(self.newest))
        self.board.show(msgspec.json.encode(self.newest))

    def _note(self, events: list[Event]) -> None:
        at_s = self._clock.now_ns() / NS_PER_S
        for event in events:
            self._event_number += 1
            self._events.append({"id": self._event_number, "at_s": at_s, **event})

    async def _watch(self, name: str) -> None:
        await _each(POLL_S, lambda: self.ask(name))

    async def _show(self) -> None:
        async def show() -> None:
            self.show(monotonic_s())

        await _each(POLL_S, show)


async def _each(every_s: float, work: Callable[[], Any]) -> None:
    """Do something, then wait for the rest of the time."""
    while True:
        begun_s = monotonic_s()
        await work()
        await asyncio.sleep(max(0.05, every_s - (monotonic_s() - begun_s)))
