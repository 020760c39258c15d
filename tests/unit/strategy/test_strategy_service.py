"""What the strategy service hands from window to window."""

from __future__ import annotations

import asyncio
import io
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from pmcore.messages.rotation import WindowAnnounced, WindowResolved
from pmcore.messages.user import (
    OrderUpdated,
    OrderUpdateKind,
    TradeStatus,
    UserChannelChanged,
    UserChannelState,
)
from pmcore.model.market import Outcome, Window
from pmcore.model.units import NS_PER_S
from pmcore.shell.clock import Clock
from pmcore.shell.service import lease_keeper
from pmcore.shell.service.logs import configure_logs
from pmcore.shell.service.metrics import ServiceMetrics
from pmcore.shell.service.process import ServiceContext
from pmcore.shell.settings.common import check_settings
from pmcore.shell.settings.strategy import StrategySettings
from pmcore.wire import keys
from pmcore.wire.ports import Outgoing
from pmsim.bus.memory_bus import MemoryBus, MemoryStore
from pmstrategy.results import DailyResults, WindowResult
from pmstrategy.runner import WindowRunner
from pmstrategy.service import FILLS_SHOWN, StrategyService
from support.builders import T0_S, at, fill, window
from support.venue_peer import eventually

SERIES = window().series
ALL_STREAMS = (keys.md(SERIES), keys.exe(SERIES), keys.user("main"))


def make_service(bus: MemoryBus, clock: Clock, data_dir: Path, **settings: str) -> StrategyService:
    given = {"data_dir": data_dir, "journal": False, **settings}
    return service_with(bus, clock, StrategySettings.model_validate(given))


def service_with(bus: MemoryBus, clock: Clock, settings: StrategySettings) -> StrategyService:
    return StrategyService(
        ServiceContext(
            settings=settings,
            clock=clock,
            bus=bus,
            metrics=ServiceMetrics("strategy", version="1", mode="dry"),
            log=configure_logs("strategy", "debug", io.StringIO()),
            run_id="r",
        )
    )


def two_windows() -> tuple[Window, Window]:
    first = window()
    second = msgspec.structs.replace(
        first,
        slug=first.slug.replace(str(T0_S), str(T0_S + 900)),
        condition_id="0x" + "cd" * 32,
        open_ns=first.close_ns,
        close_ns=first.close_ns + 900 * NS_PER_S,
    )
    return first, second


def fill_event(of: Window) -> OrderUpdated:
    """The event of an order of an earlier run: all of it matched."""
    return OrderUpdated(
        kind=OrderUpdateKind.UPDATE,
        order_hash="0xearlier",
        condition_id=of.condition_id,
        token_id=of.up_token_id,
        price_e4=4700,
        original_u6=5_000_000,
        matched_u6=5_000_000,
        status="matched",
        ts_event_ns=0,
        ts_recv_ns=0,
    )


def resolved(of: Window) -> WindowResolved:
    """The window's end: the shares that are bought here have lost."""
    return WindowResolved(slug=of.slug, winner=Outcome.DOWN, ts_recv_ns=0)


async def announce(bus: MemoryBus, new: Window) -> None:
    streams = [keys.md(SERIES), keys.exe(SERIES)]
    said = WindowAnnounced(window=new, ts_recv_ns=0)
    await bus.create_group(new.slug, [keys.user("main")], announce=None)
    await bus.create_group(new.slug, streams, announce=Outgoing(keys.rot(SERIES), said))


async def test_a_second_strategy_stands_by_and_takes_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_keeper, "RENEW_S", 0.001)
    clock = Clock.starting_at(at(100), 1.0)
    store = MemoryStore(clock.now_ns)
    bus = MemoryBus(store, source="strategy", run_id="r")
    await announce(bus, window())
    first = make_service(bus, clock, tmp_path / "first")
    second_bus = MemoryBus(store, source="strategy", run_id="s")
    second = make_service(second_bus, clock, tmp_path / "second")
    for service in (first, second):
        assert service.readiness() == ["not started"]
    running = asyncio.create_task(first.run())
    await eventually(lambda: first.state()["windows"], "the first joins")
    waiting = asyncio.create_task(second.run())
    await eventually(lambda: "another one holds" in second.readiness()[0], "the second waits")
    assert (first.readiness(), second.state()["windows"]) == ([], {})
    assert vars(second)["_context"].health.standby
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await vars(first)["_leases"][SERIES].give_up()
    await eventually(lambda: second.state()["windows"], "the second takes over")
    assert second.readiness() == []
    assert not vars(second)["_context"].health.standby
    waiting.cancel()
    with suppress(asyncio.CancelledError):
        await waiting


async def test_fills_that_are_not_accounted_for_hold_the_whole_series(tmp_path: Path) -> None:
    """The next window of the series takes no new risk until the older one's fills are told."""
    clock = Clock.starting_at(at(890), 1.0)
    bus = MemoryBus(MemoryStore(clock.now_ns), source="strategy", run_id="r")
    service = make_service(bus, clock, tmp_path)
    runners: dict[str, WindowRunner] = vars(service)["_runners"]
    first, second = two_windows()
    running = asyncio.create_task(service.run())
    for new in (first, second):
        await announce(bus, new)
        await eventually(lambda slug=new.slug: slug in runners, "a window")  # type: ignore[misc] # bound now
    up = UserChannelChanged(state=UserChannelState.UP, ts_recv_ns=0)
    await bus.publish([Outgoing(keys.user("main"), up)])
    await bus.put(keys.alive("main", "executor"), b"{}", ttl_ms=60_000)
    older, newer = runners[first.slug].engine.session, runners[second.slug].engine.session
    await eventually(lambda: newer.user.state is UserChannelState.UP, "the channel is up")
    matched = fill_event(first)
    await bus.publish([Outgoing(keys.user("main"), matched)])
    await eventually(lambda: bool(older.orders.owed()), "the match is known")
    late_ns = older.params.account_timeout_ns
    for order in older.orders.alive():
        order.owed_since_ns = (order.owed_since_ns or 0) - late_ns  # as if it were told long ago
    await eventually(lambda: newer.user.state is UserChannelState.DOWN, "the newer window holds")
    assert older.user.state is UserChannelState.UP
    told = fill(Outcome.UP, "5", "0.47", order_hash=matched.order_hash)
    await bus.publish([Outgoing(keys.user("main"), told)])
    await eventually(lambda: newer.user.state is UserChannelState.UP, "the newer window goes on")
    running.cancel()
    await asyncio.wait({running})


async def test_a_new_window_knows_the_losses_of_today_and_what_may_still_be_lost(
    tmp_path: Path,
) -> None:
    clock = Clock.starting_at(at(890), 1.0)
    bus = MemoryBus(MemoryStore(clock.now_ns), source="strategy", run_id="r")
    await DailyResults(bus, "main").add("earlier", WindowResult(at(0), -1_000_000))
    service = make_service(bus, clock, tmp_path)
    runners: dict[str, WindowRunner] = vars(service)["_runners"]
    first, second = two_windows()
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
    assert runners[first.slug].engine.session.loss_limit.prior_loss_u6 == 1_000_000
    assert runners[second.slug].engine.session.loss_limit.prior_loss_u6 == 3_350_000
    running.cancel()
    await asyncio.wait({running})


async def test_an_open_window_learns_what_the_others_lose_meanwhile(tmp_path: Path) -> None:
    """After a start all windows are joined before their fills are read."""
    clock = Clock.starting_at(at(890), 1.0)
    bus = MemoryBus(MemoryStore(clock.now_ns), source="strategy", run_id="r")
    service = make_service(bus, clock, tmp_path, PM_MAX_DAILY_LOSS="2")
    runners: dict[str, WindowRunner] = vars(service)["_runners"]
    first, second = two_windows()
    for new in (first, second):
        await announce(bus, new)
    running = asyncio.create_task(service.run())
    await eventually(lambda: len(runners) == 2, "both windows")
    newer = runners[second.slug].engine.session
    await bus.publish([Outgoing(keys.user("main"), fill(Outcome.UP, "5", "0.47"))])
    await eventually(lambda: newer.loss_limit.prior_loss_u6 == 2_350_000, "it knows")
    running.cancel()
    await asyncio.wait({running})


async def test_a_start_while_redis_is_away_for_a_moment_is_waited_out(tmp_path: Path) -> None:
    clock = Clock.starting_at(at(1), 1.0)
    store = MemoryStore(clock.now_ns)
    bus = MemoryBus(store, source="strategy", run_id="r")
    service = make_service(bus, clock, tmp_path)
    store.available = False
    running = asyncio.create_task(service.run())
    done, _ = await asyncio.wait({running}, timeout=0.1)
    assert not done
    store.available = True
    await eventually(lambda: not service.readiness(), "ready")
    running.cancel()
    await asyncio.wait({running})


async def test_state_shows_only_the_newest_fills(tmp_path: Path) -> None:
    clock = Clock.starting_at(at(890), 1.0)
    bus = MemoryBus(MemoryStore(clock.now_ns), source="strategy", run_id="r")
    service = make_service(bus, clock, tmp_path)
    runners: dict[str, WindowRunner] = vars(service)["_runners"]
    kept: deque[dict[str, object]] = vars(service)["_fills"]
    first, _ = two_windows()
    running = asyncio.create_task(service.run())
    await announce(bus, first)
    await eventually(lambda: first.slug in runners, "the window")
    await bus.publish([Outgoing(keys.user("main"), fill(Outcome.UP, "5", "0.47"))])
    await eventually(lambda: len(runners[first.slug].engine.session.inventory) == 1, "the fill")
    (shown,) = service.state()["fills"]
    assert (shown["slug"], shown["price"], shown["shares"]) == (first.slug, 0.47, 5.0)
    for number in range(FILLS_SHOWN + 5):
        kept.append({"at_s": float(number), "slug": "older"})
    fills = service.state()["fills"]
    assert len(fills) == FILLS_SHOWN
    assert fills[-1] == shown
    assert service.state()["clock_s"] >= at(890) / 10**9
    running.cancel()
    await asyncio.wait({running})


LOST = fill(Outcome.UP, "5", "0.47", status=TradeStatus.CONFIRMED)


class EndedError(Exception):
    """The process ends here."""


class EndingBus(MemoryBus):
    """A process that is killed before, between or after it destroys a window's groups."""

    ends_after = 9

    async def destroy_group(self, group: str, streams: Sequence[str]) -> None:
        for number, stream in enumerate(streams):
            if number >= self.ends_after:
                raise EndedError
            await super().destroy_group(group, [stream])
        if len(streams) >= self.ends_after:
            raise EndedError


@pytest.mark.parametrize("destroyed", [0, 1, 2, 3])
async def test_a_run_that_ended_while_it_left_a_window_loses_neither_its_result_nor_a_group(
    tmp_path: Path, destroyed: int
) -> None:
    clock = Clock.starting_at(at(890), 20.0)
    store = MemoryStore(clock.now_ns)
    dying = EndingBus(store, source="strategy", run_id="r")
    dying.ends_after = destroyed
    service = make_service(dying, clock, tmp_path)
    running = asyncio.create_task(service.run())
    first, _ = two_windows()
    runners = service.runners
    await announce(dying, first)
    await eventually(lambda: first.slug in runners, "the window")
    await dying.publish([Outgoing(keys.user("main"), LOST)])
    await eventually(lambda: len(runners[first.slug].engine.session.inventory) == 1, "the fill")
    await dying.publish([Outgoing(keys.rot(SERIES), resolved(first))])
    await asyncio.wait({running}, timeout=20)
    assert running.done()
    assert isinstance(running.exception(), ExceptionGroup)

    bus = MemoryBus(store, source="strategy", run_id="s")
    service = make_service(bus, clock, tmp_path)
    running = asyncio.create_task(service.run())
    async with asyncio.timeout(20):
        while [await bus.groups(stream) for stream in ALL_STREAMS] != [[], [], []]:
            assert not running.done(), running.exception()
            await asyncio.sleep(0.005)  # asks the bus, which rings no bell
    await eventually(lambda: service.state()["profit_today"] == -2.35, "the result")
    assert service.state()["worst_case_profit_today"] == -2.35
    running.cancel()
    await asyncio.wait({running})


async def test_the_result_of_a_window_counts_however_long_the_strategy_was_away(
    tmp_path: Path,
) -> None:
    """Only a window that an earlier run had joined can hold shares; others are let go."""
    clock = Clock.starting_at(at(890), 1.0)
    store = MemoryStore(clock.now_ns)
    bus = MemoryBus(store, source="strategy", run_id="r")
    service = make_service(bus, clock, tmp_path)
    first, second = two_windows()
    running = asyncio.create_task(service.run())
    await announce(bus, first)
    await eventually(lambda: first.slug in service.runners, "the window")
    fills = service.runners[first.slug].engine.session.inventory
    await bus.publish([Outgoing(keys.user("main"), LOST)])
    await eventually(lambda: len(fills) == 1, "the fill")
    running.cancel()
    await asyncio.wait({running})
    await announce(bus, second)
    for closed in (first, second):
        await bus.publish([Outgoing(keys.rot(SERIES), resolved(closed))])

    clock = Clock.starting_at(at(4 * 3600), 1.0)
    service = make_service(bus, clock, tmp_path)
    running = asyncio.create_task(service.run())
    await eventually(lambda: service.state()["windows_settled_today"], "it is counted")
    assert service.state()["profit_today"] == -2.35
    async with asyncio.timeout(10):
        while [await bus.groups(stream) for stream in ALL_STREAMS] != [[], [], []]:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert second.slug not in service.runners
    running.cancel()
    await asyncio.wait({running})


async def test_the_windows_of_a_series_have_its_own_settings(tmp_path: Path) -> None:
    given = {
        "PM_DATA_DIR": str(tmp_path),
        "PM_JOURNAL": "false",
        "PM_MAX_NET_DIFF": "20",
        "PM_BID_SIZE__BTC_UPDOWN_15M": "8",
        "PM_MAX_NET_DIFF__BTC_UPDOWN_15M": "9",
    }
    settings, problems = check_settings(StrategySettings, given)
    assert settings is not None
    assert problems == []
    clock = Clock.starting_at(at(100), 1.0)
    bus = MemoryBus(MemoryStore(clock.now_ns), source="strategy", run_id="r")
    service = service_with(bus, clock, settings)
    runners: dict[str, WindowRunner] = vars(service)["_runners"]
    running = asyncio.create_task(service.run())
    await announce(bus, window())
    await eventually(lambda: window().slug in runners, "the window")
    params = runners[window().slug].engine.session.params
    assert (params.bid_size_u6, params.limits.max_net_diff_u6) == (8_000_000, 9_000_000)
    state = service.state()
    assert state["limits"]["max_net_diff"] == 20
    assert state["limits_by_series"][SERIES]["max_net_diff"] == 9
    running.cancel()
    await asyncio.wait({running})
