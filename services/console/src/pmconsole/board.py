"""The newest snapshot, for any number of pages: made into bytes once, kept once, never queued.

A page waits for a snapshot newer than the one it got. One that reads slowly finds the newest when
it comes back; what it missed is gone, and nothing grows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from pmcore.shell.clock import monotonic_s


class Board:
    """One writer, many readers."""

    def __init__(self) -> None:
        self._number = 0
        self._newest = b""
        self._renewed = asyncio.Event()
        self.pages = 0

    def show(self, snapshot: bytes) -> None:
        """Replace the newest snapshot and wake all who wait."""
        self._number += 1
        self._newest = snapshot
        renewed, self._renewed = self._renewed, asyncio.Event()
        renewed.set()

    async def follow(self, for_s: float) -> AsyncGenerator[bytes, None]:
        """Snapshots, the newest first, until the time is over."""
        until_s = monotonic_s() + for_s
        seen = 0
        self.pages += 1
        try:
            while (left_s := until_s - monotonic_s()) > 0:
                if seen == self._number and not await self._renewed_within(left_s):
                    return
                seen = self._number
                yield self._newest
        finally:
            self.pages -= 1

    async def _renewed_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._renewed.wait(), seconds)
        except TimeoutError:
            return False
        return True
