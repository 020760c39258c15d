"""What series cost: CPU time and memory of each service, and of each shard of Redis.

CPU time, and not how long anything takes: it is nearly the same on a machine with other work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec

from pmcore.shell.clock import Clock, monotonic_s
from pmcore.wire import keys
from pmtools.hosts.lab import Lab, LabOptions, open_lab
from pmtools.hosts.plan import ENGINE_HOSTS, REDIS_HOSTS, VENUE, plan_engines, window_slug
from pmtools.hosts.usage import (
    bytes_per_entry,
    entries_added,
    use_of_process,
    use_of_server,
)
from pmtools.hosts.watch import Watch
from pmtools.run.plan import SERVICES
from pmtools.run.redis_cluster import MASTERS

QUOTE_TIMEOUT_S = 180.0
WARM_S = 10.0
"""After the first quotes, so that imports and first connections are not counted."""
_NODE_TIMEOUT_MS = 15_000
_MB = 1_000_000


class CapacityOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How many series, one measurement of so many seconds each, and in which world."""

    series: tuple[int, ...]
    seconds: float
    world: str
    seed: int


class ProcessCost(msgspec.Struct, frozen=True):
    """Milliseconds of CPU time for each second, and resident megabytes at the end."""

    name: str
    cpu_ms_per_s: float
    resident_mb: float


class ShardCost(msgspec.Struct, frozen=True):
    """Of one master: CPU time, commands, and the megabytes that its data grew by in a second."""

    host: str
    series: int
    cpu_ms_per_s: float
    commands_per_s: float
    data_mb_per_s: float


class CapacityRow(msgspec.Struct, frozen=True, kw_only=True):
    """One number of series. Rates are of all series together.

    `venue_behind_s`: how far the simulated world was behind the clock at the end; above a second
    less happened than should have.
    """

    series: int
    seconds: float
    md_per_s: float
    orders_per_s: float
    md_entry_bytes: int
    venue_behind_s: float
    processes: tuple[ProcessCost, ...]
    shards: tuple[ShardCost, ...]

    @property
    def engine_cpu_ms_per_s(self) -> float:
        """Of the four services together."""
        return sum(each.cpu_ms_per_s for each in self.processes if each.name in SERVICES)


async def measure_capacity(
    options: CapacityOptions, directory: Path, say: Callable[[CapacityRow], None]
) -> list[CapacityRow]:
    """One engine on one host, on a Cluster of three masters, for each number of series.

    `say` hears each row when it is there.
    """
    rows = []
    for number in options.series:
        engines = plan_engines(number, ENGINE_HOSTS[:1], same_shard=False)
        lab_options = LabOptions(
            engines=tuple(engines),
            node_timeout_ms=_NODE_TIMEOUT_MS,
            latency_ms=0,
            seed=options.seed,
            world=options.world,
        )
        folder = directory / str(number)
        folder.mkdir()
        async with open_lab(folder, lab_options) as lab:
            rows.append(await _measure(lab, options.seconds))
            say(rows[-1])
            await lab.stop()
    return rows


async def _measure(lab: Lab, seconds: float) -> CapacityRow:
    (engine,) = lab.options.engines
    slugs = [window_slug(place) for place in engine.places]
    watch = Watch(lab.venue)

    async def quoting() -> bool:
        await watch.look()
        return all(slug in watch.latest().series for slug in slugs)

    await lab.until(quoting, "an order of each series", QUOTE_TIMEOUT_S)
    await asyncio.sleep(WARM_S)
    streams = [keys.md(place.series) for place in engine.places]
    masters = lab.nodes[:MASTERS]
    pids = {name: lab.children[f"{engine.host}.{name}"].pid for name in SERVICES}
    pids["simulator"] = lab.children[VENUE].pid
    await watch.look()
    placed = _placed(watch)
    began_s = monotonic_s()
    before = {name: use_of_process(pid) for name, pid in pids.items()}
    served = [use_of_server(node) for node in masters]
    added = entries_added(masters, streams)
    await asyncio.sleep(seconds)
    after = {name: use_of_process(pid) for name, pid in pids.items()}
    serves = [use_of_server(node) for node in masters]
    span_s = monotonic_s() - began_s
    await watch.look()
    return CapacityRow(
        series=len(streams),
        seconds=round(span_s, 1),
        md_per_s=round((entries_added(masters, streams) - added) / span_s, 1),
        orders_per_s=round((_placed(watch) - placed) / span_s, 2),
        md_entry_bytes=round(bytes_per_entry(masters, streams[0])),
        venue_behind_s=round((Clock.from_spec(lab.clock).now_ns() - watch.venue_ns) / 1e9, 2),
        processes=tuple(
            ProcessCost(
                name,
                round((after[name].cpu_ms - before[name].cpu_ms) / span_s, 1),
                round(after[name].resident_bytes / _MB, 1),
            )
            for name in pids
        ),
        shards=tuple(
            ShardCost(
                REDIS_HOSTS[index],
                sum(place.shard == index for place in engine.places),
                round((new.cpu_ms - old.cpu_ms) / span_s, 1),
                round((new.commands - old.commands) / span_s, 1),
                round((new.data_bytes - old.data_bytes) / span_s / _MB, 3),
            )
            for index, (old, new) in enumerate(zip(served, serves, strict=True))
        ),
    )


def _placed(watch: Watch) -> int:
    return sum(seen.placed for seen in watch.latest().series.values())


def as_text(row: CapacityRow) -> str:
    """A line for all of it, one for each process, and one for each shard."""
    lines = [
        f"{row.series} series, {row.seconds:g} s: {row.md_per_s:g} md entries/s of "
        f"{row.md_entry_bytes} bytes, {row.orders_per_s:g} orders/s, "
        f"the engine {row.engine_cpu_ms_per_s:.0f} ms of CPU a second, "
        f"the venue {row.venue_behind_s:g} s behind"
    ]
    for one in row.processes:
        lines.append(f"  {one.name:10} {one.cpu_ms_per_s:7.1f} ms/s CPU {one.resident_mb:7.1f} MB")
    for shard in row.shards:
        lines.append(
            f"  Redis at {shard.host}, {shard.series:2} series: "
            f"{shard.cpu_ms_per_s:6.1f} ms/s CPU {shard.commands_per_s:8.1f} commands/s "
            f"{shard.data_mb_per_s:+.3f} MB/s"
        )
    return "\n".join(lines)
