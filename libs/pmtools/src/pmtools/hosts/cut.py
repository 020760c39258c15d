"""The experiment: every series quotes, a host loses its network, and gets it back."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import msgspec

from pmcore.shell.clock import monotonic_s
from pmcore.shell.service.tasks import cancel_and_wait
from pmtools.errors import CommandError
from pmtools.hosts.lab import Lab, LabOptions, open_lab
from pmtools.hosts.laws import Marks, SeriesResult, Watched, judge
from pmtools.hosts.plan import (
    ENGINE_HOSTS,
    REDIS_HOSTS,
    HostEngine,
    plan_engines,
    plan_one_wallet,
    window_slug,
)
from pmtools.hosts.watch import Watch

QUOTE_TIMEOUT_S = 120.0
BACK_TIMEOUT_S = 120.0
MOST_BARE_S = 10.0
"""Without a failover; on a loaded machine a fill and the next quote may be seconds apart."""
FAILOVER_S = 15.0
"""After a master counts as gone: the election, and services that ask again."""


class CutOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds before, during and after the cut; the last two as in `pmtools.hosts.plan`."""

    series: int
    before_s: float
    cut_s: float
    after_s: float
    node_timeout_ms: int
    latency_ms: int
    seed: int
    world: str
    same_shard: bool
    one_wallet: bool


class CutResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the venue saw. `broken`: the laws that did not hold for the run as a whole."""

    cut_host: str
    masters_on_cut_host: int
    latency: str
    node_timeout_ms: int
    accounts: dict[str, str]
    """By host of the engine: the host with the master of its account's keys at the start."""
    cut_seconds: float
    up_after_s: float
    series: tuple[SeriesResult, ...]
    orders_left: int
    ended: tuple[str, ...]
    logs: str
    broken: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether no law was broken."""
        return not self.broken and not any(each.broken for each in self.series)


async def run_cut(options: CutOptions, directory: Path) -> CutResult:
    """Cut the first host off while every series quotes, plug it in again, and judge."""
    plan = plan_one_wallet if options.one_wallet else plan_engines
    engines = plan(options.series, ENGINE_HOSTS, same_shard=options.same_shard)
    lab_options = LabOptions(
        engines=tuple(engines),
        node_timeout_ms=options.node_timeout_ms,
        latency_ms=options.latency_ms,
        seed=options.seed,
        world=options.world,
    )
    began_s = monotonic_s()
    async with open_lab(directory, lab_options) as lab:
        watch = Watch(lab.venue)
        watching = asyncio.create_task(watch.run())
        try:
            await _until_quoting(lab, watch, engines)
            up_s = monotonic_s() - began_s
            marks = await _cut_and_restore(lab, watch, engines, options)
        finally:
            await cancel_and_wait(watching)
        ended = tuple(lab.ended)
        left = await lab.stop()
        latency = lab.network.latency
    series = [judge(each, watch.samples, marks) for each in _watched(engines, options)]
    broken = [f"{left} orders still rest at the end"] if left else []
    return CutResult(
        cut_host=engines[0].host,
        masters_on_cut_host=REDIS_HOSTS.count(engines[0].host),
        latency=latency,
        node_timeout_ms=options.node_timeout_ms,
        accounts={engine.host: REDIS_HOSTS[engine.shard] for engine in engines},
        cut_seconds=round(marks.restored_s - marks.cut_s, 2),
        up_after_s=round(up_s, 1),
        series=tuple(series),
        orders_left=left,
        ended=ended,
        logs=str(directory),
        broken=tuple(broken),
    )


async def _until_quoting(lab: Lab, watch: Watch, engines: list[HostEngine]) -> None:
    slugs = [window_slug(place) for engine in engines for place in engine.places]

    async def quoting() -> bool:
        seen = watch.latest().series
        return all(slug in seen and seen[slug].placed for slug in slugs)

    await lab.until(quoting, "an order of each series", QUOTE_TIMEOUT_S)


async def _cut_and_restore(
    lab: Lab, watch: Watch, engines: list[HostEngine], options: CutOptions
) -> Marks:
    host = engines[0].host
    slugs = [window_slug(place) for place in engines[0].places]
    await asyncio.sleep(options.before_s)
    lab.network.cut(host)
    cut_s = watch.now_s()
    await asyncio.sleep(options.cut_s)
    restored_s = watch.now_s()
    lab.network.restore(host)

    async def back() -> bool:
        sample = watch.latest()
        return sample.at_s > restored_s and all(sample.series[slug].resting for slug in slugs)

    with suppress(CommandError):  # the law about it says so, series by series
        await lab.until(back, "the first host quotes again", BACK_TIMEOUT_S)
    await asyncio.sleep(options.after_s)
    return Marks(cut_s, restored_s, watch.now_s())


def _watched(engines: list[HostEngine], options: CutOptions) -> list[Watched]:
    cut_host = engines[0].host
    found = []
    for engine in engines:
        for place in engine.places if "strategy" in engine.services else ():
            redis_hosts = (REDIS_HOSTS[place.shard], REDIS_HOSTS[engine.shard])
            failover_s = options.node_timeout_ms / 1000 + FAILOVER_S
            found.append(
                Watched(
                    series=place.series,
                    slug=window_slug(place),
                    host=place.host,
                    redis_host=redis_hosts[0],
                    is_cut=engine.host == cut_host,
                    most_bare_s=MOST_BARE_S + (failover_s if cut_host in redis_hosts else 0),
                )
            )
    return found
