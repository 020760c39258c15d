"""The venue's own word about every series, four times a second."""

from __future__ import annotations

import asyncio

import msgspec

from pmcore.shell.clock import monotonic_s
from pmcore.shell.control_client import ControlClient

EVERY_S = 0.25


class SeriesSeen(msgspec.Struct, frozen=True):
    """One series at one moment: orders accepted since the start, and orders that rest.

    `armed`: whether the orders of its wallet end when the wallet's heartbeats do.
    """

    placed: int
    resting: int
    armed: bool = False


class VenueSample(msgspec.Struct, frozen=True):
    """What the venue said. `at_s` is when it was asked, since the beginning of the watch.

    `series` is by window slug.
    """

    at_s: float
    series: dict[str, SeriesSeen]


class _Account(msgspec.Struct):
    armed: bool
    windows: dict[str, SeriesSeen]


class _Activity(msgspec.Struct):
    now_ns: int
    accounts: list[_Account]


class Watch:
    """Asks until cancelled, and keeps every sample of the run."""

    def __init__(self, venue: ControlClient) -> None:
        self.samples: list[VenueSample] = []
        self.venue_ns = 0
        self._venue = venue
        self._began_s = monotonic_s()

    def now_s(self) -> float:
        """Since the beginning."""
        return monotonic_s() - self._began_s

    def latest(self) -> VenueSample:
        """What was last heard; an empty one before the first."""
        return self.samples[-1] if self.samples else VenueSample(0.0, {})

    async def run(self) -> None:
        """One sample each `EVERY_S`; one that is missed is missed."""
        while True:
            at_s = self.now_s()
            await self.look()
            await asyncio.sleep(max(0.0, EVERY_S - (self.now_s() - at_s)))

    async def look(self) -> None:
        """Ask once."""
        at_s = self.now_s()
        answer = await self._venue.get("/sim/activity")
        if not answer.ok:
            return
        said = msgspec.convert(answer.body, _Activity)
        self.venue_ns = said.now_ns
        seen = {
            slug: msgspec.structs.replace(window, armed=account.armed)
            for account in said.accounts
            for slug, window in account.windows.items()
        }
        self.samples.append(VenueSample(at_s, seen))
