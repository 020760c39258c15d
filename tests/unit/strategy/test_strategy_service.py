"""What the strategy service hands from window to window."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import msgspec

from pmcore.messages.rotation import WindowAnnounced
from pmcore.model.market import Outcome, Window
from pmcore.model.units import NS_PER_S
from pmcore.shell.clock import Clock
from pmcore.shell.logs import configure_logs
from pmcore.shell.metrics import ServiceMetrics
from pmcore.shell.service import ServiceContext
from pmcore.shell.strategy_settings import StrategySettings
from pmcore.sim.bus import MemoryBus, MemoryStore
from pmcore.wire import keys
from pmcore.wire.ports import Outgoing
from pmstrategy.results import DailyResults
from pmstrategy.runner import WindowRunner
from pmstrategy.service import StrategyService
from support.builders import T0_S, at, fill, window
from support.venue_peer import eventually

SERIES = window().series


async def announce(bus: MemoryBus, new: Window) -> None:
    streams = [keys.md(SERIES), keys.exe(SERIES)]
    said = WindowAnnounced(window=new, ts_recv_ns=0)
    await bus.create_group(new.slug, [keys.user("main")], announce=None)
    await bus.create_group(new.slug, streams, announce=Outgoing(keys.rot(SERIES), said))


async def test_a_new_window_knows_the_losses_of_today_and_what_may_still_be_lost(
    tmp_path: Path,
) -> None:
    clock = Clock.starting_at(at(890), 1.0)
    bus = MemoryBus(MemoryStore(clock.now_ns), source="strategy", run_id="r")
    await DailyResults(bus, "main").add("earlier", at(0), -1_000_000)
    service = StrategyService(
        ServiceContext(
            settings=StrategySettings.model_validate({"data_dir": tmp_path, "journal": False}),
            clock=clock,
            bus=bus,
            metrics=ServiceMetrics("strategy", version="1", mode="dry"),
            log=configure_logs("strategy", "debug", io.StringIO()),
            run_id="r",
        )
    )
    runners: dict[str, WindowRunner] = vars(service)["_runners"]
    first = window()
    second = msgspec.structs.replace(
        first,
        slug=first.slug.replace(str(T0_S), str(T0_S + 900)),
        open_ns=first.close_ns,
        close_ns=first.close_ns + 900 * NS_PER_S,
    )
    running = asyncio.create_task(service.run())
    await announce(bus, first)
    await eventually(lambda: first.slug in runners, "the first window")
    lost = fill(Outcome.UP, "5", "0.47")
    await bus.publish([Outgoing(keys.user("main"), lost)])
    await eventually(lambda: len(runners[first.slug].engine.session.inventory) == 1, "the fill")
    state = service.state()
    assert (state["profit_today"], state["worst_case_profit_today"]) == (-1.0, -3.35)
    await announce(bus, second)
    await eventually(lambda: second.slug in runners, "the second window")
    assert runners[first.slug].engine.session.prior_loss_u6 == 1_000_000
    assert runners[second.slug].engine.session.prior_loss_u6 == 3_350_000
    running.cancel()
    await asyncio.wait({running})
