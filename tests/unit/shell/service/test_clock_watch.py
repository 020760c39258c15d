"""A step of the wall clock is noticed, in both directions; a slow drift is none."""

from __future__ import annotations

import asyncio
import time

import pytest

from pmcore.shell.machine import Machine, use_machine
from pmcore.shell.service.clock_watch import MOST_S, stepped_by_s


class Stepped(Machine):
    """A machine whose wall clock is ahead of the true one by `lead_s`."""

    lead_s = 0.0

    def wall_ns(self) -> int:
        return time.time_ns() + int(self.lead_s * 1e9)


@pytest.mark.parametrize("by_s", [-3_600.0, -2.0, 2.0, 3_600.0])
async def test_a_step_ends_the_wait(by_s: float) -> None:
    machine = Stepped()
    use_machine(machine)
    watch = asyncio.create_task(stepped_by_s())
    await asyncio.sleep(0)  # it has looked once
    machine.lead_s = by_s
    assert await watch == pytest.approx(by_s, abs=MOST_S / 2)


async def test_a_drift_is_no_step() -> None:
    machine = Stepped()
    use_machine(machine)
    watch = asyncio.create_task(stepped_by_s())
    for _ in range(3):
        await asyncio.sleep(0.26)
        machine.lead_s += MOST_S * 0.4
    assert not watch.done()
    watch.cancel()
