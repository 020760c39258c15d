"""What the executor's extra questions to Redis cost, in turn with a command's own way.

`PYTHONPATH=... tests` as in `make bench`. Prints the median and the 99th percentile in µs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from statistics import median, quantiles

from pmcore.shell.bus.redis_bus import RedisBus
from pmcore.shell.clock import real_now_ns
from pmcore.shell.service.lease_keeper import holder_of
from pmcore.wire import keys
from pmcore.wire.ports import Ack, Outgoing
from support.messages import SERIES, command
from support.redis_sentinel import redis_set

ROUNDS = 2_000
PAUSE_S = 0.002
CMD, USER, LEASE = keys.cmd(SERIES), keys.user("main"), keys.lease(SERIES)


async def _measure(bus: RedisBus, confirmed: RedisBus) -> dict[str, list[float]]:
    await bus.create_group("g", [CMD], announce=None)
    await bus.create_group("g", [USER], announce=None)
    await bus.put(LEASE, b'{"deployment":"a","run":"1","token":1}')

    async def way_of_a_command() -> None:
        await bus.publish([Outgoing(CMD, command(1))])
        (item,) = await bus.read("g", "c", [CMD], block_ms=0)
        await bus.ack([Ack(CMD, "g", item.entry_id)])

    async def renew(over: RedisBus) -> None:
        held = await over.get(LEASE)
        await over.swap(LEASE, expected=held, value=held, ttl_ms=6_000, replicated=True)

    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "a command: publish, read, acknowledge": way_of_a_command,
        "each batch: own events, none new": lambda: bus.read("g", "c", [USER], block_ms=0),
        "another token than known: the lease": lambda: holder_of(bus, LEASE),
        "each second: renew the lease": lambda: renew(bus),
        "each second: renew it, one replica": lambda: renew(confirmed),
    }
    took: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            began_s = time.perf_counter()
            await call()
            took[name].append((time.perf_counter() - began_s) * 1e6)
        await asyncio.sleep(PAUSE_S)
    return took


async def main() -> None:
    """Measure on a primary with two replicas, without and with waiting for one of them."""
    with redis_set() as servers:
        buses = [
            RedisBus.connect(
                servers.url_of(), source="b", run_id="1", clock_ns=real_now_ns, replicas=number
            )
            for number in (0, 1)
        ]
        for name, times in (await _measure(*buses)).items():
            print(f"{name:40} {median(times):7.0f} {quantiles(times, n=100)[98]:7.0f}")
        for bus in buses:
            await bus.close()


if __name__ == "__main__":
    asyncio.run(main())
