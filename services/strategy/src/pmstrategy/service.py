"""The strategy service: learns of windows from `rot`, runs one engine for each that is alive."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from functools import partial

import msgspec

from pmcore.engine.strategy.counters import EngineCounters
from pmcore.engine.strategy.journal import JournalHeader
from pmcore.engine.strategy.marking import fill_views
from pmcore.machines.ofi_threshold import WarmStart
from pmcore.messages.control import Halt, Resume
from pmcore.messages.gate import PlacingGateChanged
from pmcore.messages.prior_loss import PriorLossChanged
from pmcore.messages.rotation import WindowAnnounced, WindowResolved
from pmcore.model.errors import Cause
from pmcore.model.market import Outcome, SeriesSpec
from pmcore.model.params import LimitParams
from pmcore.model.units import NS_PER_S, PRICE_ONE_E4, SHARE_U6
from pmcore.shell.service.control import instance_id
from pmcore.shell.service.kill_switch import halt_view
from pmcore.shell.service.lease_keeper import LeaseKeeper
from pmcore.shell.service.process import ServiceContext
from pmcore.shell.service.tasks import answered_at_once, retry_until_answered
from pmcore.shell.service.views import StrategyView
from pmcore.shell.settings.common import Mode
from pmcore.shell.settings.strategy import StrategySettings
from pmcore.wire import keys
from pmcore.wire.ports import Ack, Incoming
from pmstrategy.metrics import StrategyMetrics
from pmstrategy.peers import Peers
from pmstrategy.results import DailyResults, WindowResult
from pmstrategy.runner import WindowRunner
from pmstrategy.settled import FINGERPRINTS_KEPT, SettledWindows, destroy_groups, is_long_over
from pmstrategy.unreadable_entries import UnreadableEntries

GROUP = "strategy"
BLOCK_MS = 1000
REFRESH_S = 1.0
GATE_EVERY_S = 0.25
_PEERS = ("feed", "executor", "userws")
WITHDRAW_S = 6.0
FILLS_SHOWN = 100
"""In /state, which the console reads twice a second."""


class StrategyService:
    """All series of POLYMARKET_MARKET_SLUG; totals over all windows of this run."""

    name = "strategy"

    def __init__(self, context: ServiceContext[StrategySettings]) -> None:
        self._context = context
        self._metrics = StrategyMetrics(context.metrics)
        self._runners: dict[str, WindowRunner] = {}
        self._settled = SettledWindows()
        self._fills: deque[dict[str, object]] = deque(maxlen=FILLS_SHOWN)
        self._fixed_slugs = {spec.fixed_slug for spec in context.settings.series}
        self._totals = EngineCounters()
        limits = context.settings.as_params().limits
        self._daily_limit_u6 = limits.max_daily_loss_u6
        self._limits = limits_view(limits)
        self._limits_by_series = {
            series: limits_view(own.as_params().limits)
            for series, own in context.settings.by_series.items()
        }
        self._told_loss_u6: dict[str, int] = {}
        self._warm: dict[str, dict[Outcome, WarmStart]] = {}
        self._results = DailyResults(context.bus, context.settings.account)
        self._unreadable = UnreadableEntries(context.bus, context.settings.account)
        self._halt: Halt | None = None
        self._series_halts: dict[str, Halt] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._all_done = asyncio.Event()
        self._leases: dict[str, LeaseKeeper] = {}
        self._waits = "not started"
        user_service = "executor" if context.settings.mode is Mode.DRY else "userws"
        self._peers = Peers(context.bus, context.settings.account, _PEERS)
        self._gate: PlacingGateChanged | None = None
        self._user_alive_key = keys.alive(context.settings.account, user_service)

    async def run(self) -> None:
        """Read `rot` of every series; end when all of them were one window each, and settled."""
        async with asyncio.TaskGroup() as tasks:
            leases = await self._stand_by(tasks)
            await self._follow_all()
            for task in leases:
                task.cancel()

    async def _follow_all(self) -> None:
        await retry_until_answered(self._results.load)
        await retry_until_answered(self._unreadable.load)
        for series in self._unreadable.open_series():
            self._halt_series(series, "an unreadable entry of an earlier run: see the dlq stream")
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            forever = [tasks.create_task(self._refresh()), tasks.create_task(self._watch_peers())]
            forever += [
                tasks.create_task(self._follow(spec)) for spec in self._context.settings.series
            ]
            await self._all_done.wait()
            for task in forever:
                task.cancel()

    async def _stand_by(self, tasks: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Wait for the lease of each series: another strategy may be at work on it."""
        context, health = self._context, self._context.health

        def say(why: str) -> None:
            self._waits = f"standing by: {why}"
            health.set_trouble("lease", Cause.WAITING, why)

        health.standby = True
        renewals: list[asyncio.Task[None]] = []
        for series in sorted({spec.series for spec in context.settings.series}):
            lease = LeaseKeeper(
                context.bus,
                keys.lease(series),
                deployment=instance_id(context.settings.data_dir),
                run_id=context.run_id,
                log=context.log,
            )
            await lease.wait_for_it(say)
            self._leases[series] = lease
            renewals.append(tasks.create_task(lease.run()))
        health.standby = False
        health.clear_trouble("lease")
        return renewals

    async def stop(self) -> None:
        """Withdraw every window's quotes; the executor cancels once more by itself."""
        runners = list(self._runners.values())
        await asyncio.gather(*(r.withdraw("strategy is stopping", WITHDRAW_S) for r in runners))
        for lease in self._leases.values():
            await answered_at_once(lease.give_up, lambda _error: None)

    @property
    def runners(self) -> Mapping[str, WindowRunner]:
        """The windows that are not over, by slug."""
        return self._runners

    def readiness(self) -> list[str]:
        """Not whether anything is quoted: each window says in /state why it holds."""
        return [self._waits] if self._tasks is None else []

    def state(self) -> StrategyView:
        """Totals, and each live window."""
        now_ns = self._context.clock.now_ns()
        totals = EngineCounters()
        totals.add(self._totals)
        for runner in self._runners.values():
            totals.add(runner.engine.counters)
        running = [runner.engine.fingerprint for runner in self._runners.values()]
        prints = [*self._settled.fingerprints, *running]
        return {
            "totals": msgspec.to_builtins(totals),
            "windows": {slug: r.engine.view() for slug, r in self._runners.items()},
            "windows_seen": self._settled.count + len(self._runners),
            "series_halted": {series: halt.reason for series, halt in self._series_halts.items()},
            "series_halts": {
                series: halt_view(halt) for series, halt in self._series_halts.items()
            },
            "leases": [lease.view() for lease in self._leases.values()],
            "hop_ms": self._context.metrics.hop_ms(),
            "limits": self._limits,
            "limits_by_series": self._limits_by_series,
            "clock_s": now_ns / NS_PER_S,
            "fills": self._newest_fills(),
            "results": self._results.newest(),
            "fingerprint": "+".join(p[:16] for p in prints[-FINGERPRINTS_KEPT:]),
            **self._results.as_view(now_ns, self._open_worst_case_u6()),
        }

    def _newest_fills(self) -> list[dict[str, object]]:
        """Of the windows that are over and of those that are not, oldest first."""
        rows = list(self._fills)
        for runner in self._runners.values():
            rows += fill_views(runner.engine.session, FILLS_SHOWN)
        return sorted(rows, key=_time_of)[-FILLS_SHOWN:]

    async def on_halt(self, reason: str) -> None:
        """Every engine cancels and holds, those of later windows too."""
        self._halt = Halt(reason=reason, by="operator", ts_recv_ns=self._context.clock.now_ns())
        for runner in list(self._runners.values()):
            await runner.inject([self._halt])

    async def on_resume(self) -> None:
        """Quote again, after the usual checks."""
        self._halt = None
        self._series_halts.clear()
        await retry_until_answered(self._unreadable.close)
        resume = Resume(by="operator", ts_recv_ns=self._context.clock.now_ns())
        for runner in list(self._runners.values()):
            await runner.inject([resume])

    async def _meet_unreadable(self, series: str, item: Incoming) -> bool:
        """Halt the series for an entry that was not met before; return whether it is one."""
        if not self._unreadable.is_new(series, item):
            return False
        self._halt_series(series, f"{item.problem} entry on {item.stream}: see the dlq stream")
        await retry_until_answered(self._unreadable.save)
        return True

    def _halt_series(self, series: str, reason: str) -> None:
        """For streams about money: the series is halted until an operator resumes."""
        halt = Halt(reason=reason, by="strategy", ts_recv_ns=self._context.clock.now_ns())
        self._series_halts[series] = halt
        for runner in self._runners.values():
            if runner.window.series == series:
                runner.hold(halt)

    async def _follow(self, spec: SeriesSpec) -> None:
        bus, stream = self._context.bus, keys.rot(spec.series)
        consumer = self._context.settings.consumer
        await retry_until_answered(
            partial(bus.create_group, GROUP, [stream], start="0", announce=None)
        )
        await retry_until_answered(partial(bus.set_group_id, GROUP, stream, "0-0"))
        read = partial(bus.read, GROUP, consumer, [stream], block_ms=BLOCK_MS)
        while True:
            for item in await retry_until_answered(read):
                match item.message:
                    case WindowAnnounced() as announced:
                        await self._join(announced)
                    case WindowResolved() as resolved:
                        runner = self._runners.get(resolved.slug)
                        if runner is not None:
                            await runner.inject([resolved])
                    case _:
                        self._context.log.warning("entry_unusable", stream=stream, id=item.entry_id)
                await retry_until_answered(partial(bus.ack, [Ack(stream, GROUP, item.entry_id)]))

    async def _join(self, announced: WindowAnnounced) -> None:
        window, settings = announced.window, self._context.settings
        now_ns = self._context.clock.now_ns()
        if window.slug in self._runners or window.slug in self._settled or self._tasks is None:
            return
        group = keys.window_group(window.slug)
        readers = await self._readers_of(keys.user(settings.account))
        if group not in readers:
            return  # left: it is the last of the groups that are destroyed
        joined_before = readers[group] > 0
        is_late = is_long_over(window.close_ns, now_ns) and not joined_before
        if window.slug in self._results or is_late:
            await destroy_groups(self._context.bus, settings.account, window)
            return
        if group not in await self._readers_of(keys.md(window.series)):
            return
        header = JournalHeader(
            window=window,
            params=settings.of_series(window.series).as_params(),
            run_id=self._context.run_id,
            warm_start=self._warm.get(window.series, {}),
            prior_loss_u6=self._prior_loss_u6(window.slug),
            gated=True,
        )
        lease = self._leases[window.series]
        runner = WindowRunner(
            self._context,
            header,
            self._metrics,
            partial(self._meet_unreadable, window.series),
            lambda: lease.token,
        )
        self._runners[window.slug] = runner
        self._metrics.windows.labels(window.series).inc()
        self._context.log.info("window_joined", slug=window.slug, close_ns=window.close_ns)
        halt = self._halt or self._series_halts.get(window.series)
        if halt is not None:
            await runner.inject([halt])
        if self._gate is not None:
            await runner.inject([self._gate])
        self._tasks.create_task(self._run_window(runner))

    async def _readers_of(self, stream: str) -> dict[str, int]:
        """How many consumers each group of a stream ever had."""
        groups = await retry_until_answered(partial(self._context.bus.groups, stream))
        return {group.name: group.consumers for group in groups}

    def _prior_loss_u6(self, slug: str) -> int:
        """Lost today by others than `slug`: those that are over, the worst case of those open.

        Millionths of a dollar; negative when the day has won more than it lost.
        """
        others = [r for r in self._runners.values() if r.window.slug != slug]
        open_u6 = sum(min(0, r.engine.session.worst_profit_u6) for r in others)
        return -self._results.worst_u6(self._context.clock.now_ns()) - open_u6

    async def _tell_prior_loss(self, runner: WindowRunner) -> None:
        """Windows lose while this one is open, and after a start their fills are read later."""
        if self._daily_limit_u6 is None:
            return
        loss_u6 = self._prior_loss_u6(runner.window.slug)
        if loss_u6 != self._told_loss_u6.get(runner.window.slug):
            self._told_loss_u6[runner.window.slug] = loss_u6
            now_ns = self._context.clock.now_ns()
            await runner.inject([PriorLossChanged(loss_u6=loss_u6, ts_recv_ns=now_ns)])

    def _open_worst_case_u6(self) -> int:
        """What the windows that are not over bring if each ends in the worst way."""
        return sum(r.engine.session.profit_u6 for r in self._runners.values())

    async def _run_window(self, runner: WindowRunner) -> None:
        await runner.run()
        session, slug = runner.engine.session, runner.window.slug
        self._metrics.count([session])
        self._metrics.forget(slug)
        self._fills.extend(fill_views(session, FILLS_SHOWN))
        del self._runners[slug]
        self._told_loss_u6.pop(slug, None)
        now_ns = self._context.clock.now_ns()
        self._settled.add(slug, runner.window.close_ns, runner.engine.fingerprint, now_ns)
        self._totals.add(runner.engine.counters)
        known, profit_u6 = session.winner is not None, session.settled_profit_u6
        result = WindowResult(
            runner.window.close_ns,
            profit_u6,
            winner_known=known,
            unsettled_u6=session.profit_u6 - profit_u6,
            worst_u6=min(session.worst_profit_u6, profit_u6),
        )
        await retry_until_answered(partial(self._results.add, slug, result))
        await destroy_groups(self._context.bus, self._context.settings.account, runner.window)
        figure = {"profit" if known else "worst_case_profit": profit_u6 / SHARE_U6}
        self._context.log.info(
            "window_settled",
            slug=slug,
            winner=session.winner,
            **figure,
            unsettled=result.unsettled_u6 / SHARE_U6,
            unsettled_fills=len(session.inventory.unsettled),
        )
        self._fixed_slugs.discard(slug)
        if not self._fixed_slugs:
            self._all_done.set()

    def _doubt_of_series(self, runner: WindowRunner) -> str:
        """Another window of the series waits for fills to be accounted for: no new risk here."""
        for other in self._runners.values():
            session = other.engine.session
            same_series = other.window.series == runner.window.series
            if same_series and other is not runner and session.trust.doubt:
                return f"{other.window.slug}: {session.trust.doubt}"
        return ""

    async def _watch_peers(self) -> None:
        """Tell every engine when the executor's gate moves; say in `/state` who is missing."""
        health = self._context.health
        while True:
            await self._peers.look()
            gate = self._peers.gate(self._context.clock.now_ns())
            known = self._gate
            if known is None or (gate.open, gate.reason) != (known.open, known.reason):
                self._gate = gate
                for runner in list(self._runners.values()):
                    await runner.inject([gate])
            if missing := self._peers.missing():
                health.set_trouble("peers", Cause.WAITING, f"not there: {', '.join(missing)}")
            else:
                health.clear_trouble("peers")
            if not self._runners and not self._settled.count:
                text = "waiting for the feed to announce a window"
                health.set_trouble("windows", Cause.WAITING, text)
            else:
                health.clear_trouble("windows")
            await asyncio.sleep(GATE_EVERY_S)

    async def _refresh(self) -> None:
        while True:
            alive = (
                await retry_until_answered(partial(self._context.bus.get, self._user_alive_key))
                is not None
            )
            newest: dict[str, WindowRunner] = {}
            for runner in list(self._runners.values()):
                doubt = "" if alive else "service is not alive"
                await runner.user_trusted(doubt or self._doubt_of_series(runner))
                await self._tell_prior_loss(runner)
                await runner.look_for_executor()
                if runner.engine.session.clock.may_quote or runner.window.series not in newest:
                    newest[runner.window.series] = runner
                if runner.engine.session.clock.may_quote:
                    self._warm[runner.window.series] = runner.engine.warm_start()
            now_ns = self._context.clock.now_ns()
            for runner in newest.values():
                self._metrics.show(runner.engine.session, now_ns)
            self._metrics.show_day(self._results.as_view(now_ns, self._open_worst_case_u6()))
            self._metrics.count(r.engine.session for r in self._runners.values())
            await asyncio.sleep(REFRESH_S)


def _time_of(row: Mapping[str, object]) -> float:
    at_s = row["at_s"]
    return at_s if isinstance(at_s, float) else 0.0


def limits_view(limits: LimitParams) -> dict[str, float | None]:
    """The limits in shares and dollars; None: not limited."""
    loss_u6, day_u6 = limits.max_window_loss_u6, limits.max_daily_loss_u6
    return {
        "max_net_diff": limits.max_net_diff_u6 / SHARE_U6,
        "max_portfolio_cost": limits.max_portfolio_cost_e4 / PRICE_ONE_E4,
        "max_position_value": limits.max_position_value_u6 / SHARE_U6,
        "max_window_loss": None if loss_u6 is None else loss_u6 / SHARE_U6,
        "max_daily_loss": None if day_u6 is None else day_u6 / SHARE_U6,
    }
