"""Notices a step of the wall clock; the service then ends in order and begins again.

Windows, expiries and signatures are in wall time, so a step makes every time that a process
remembers wrong by as much. A new start reads all of it anew, and the executor's start begins with
cancelling everything.
"""

from __future__ import annotations

import asyncio

from pmcore.model.units import NS_PER_S
from pmcore.shell.clock import monotonic_s, real_now_ns

CHECK_S = 0.25
MOST_S = 1.0
"""Of two clocks read one after the other on a busy machine; corrections by slewing stay below."""


async def stepped_by_s() -> float:
    """Wait for a step and return it, in seconds; negative when the clock went back."""
    lead_s = _lead_s()
    while True:
        await asyncio.sleep(CHECK_S)
        before_s, lead_s = lead_s, _lead_s()
        if abs(lead_s - before_s) > MOST_S:
            return lead_s - before_s


def _lead_s() -> float:
    """By how much the wall clock is ahead of the monotonic one."""
    return real_now_ns() / NS_PER_S - monotonic_s()
