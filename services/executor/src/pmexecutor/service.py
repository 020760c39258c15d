"""The executor: order commands to requests at a venue, and the venue's answers to events.

It never changes inventory and never publishes it, except that in dry mode the paper exchange
speaks on the user stream. It starts by cancelling everything and asking what is left, and ends
the same way; it does not start if it cannot cancel (docs/ARCHITECTURE.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from pmcore.engine.execution.io import Stop
from pmcore.engine.execution.journal import EXECUTION_JOURNAL, ExecutionJournalHeader
from pmcore.engine.journal import JournalEnd
from pmcore.messages.control import Halt, Resume
from pmcore.messages.timers import Tick
from pmcore.messages.user import UserMessage
from pmcore.model.errors import Cause, TransportError
from pmcore.model.units import NS_PER_S
from pmcore.shell.clock import monotonic_s, real_now_ns
from pmcore.shell.engine_journal import EngineJournal
from pmcore.shell.service.control import instance_id
from pmcore.shell.service.errors import StartupError
from pmcore.shell.service.health import Health, Placing
from pmcore.shell.service.lease_keeper import LeaseKeeper
from pmcore.shell.service.process import ServiceContext
from pmcore.shell.service.tasks import Backoff, answered_at_once
from pmcore.shell.service.views import ExecutorView
from pmcore.shell.settings.account import write_credentials
from pmcore.shell.settings.common import Mode
from pmcore.wire import keys
from pmcore.wire.ports import Outgoing
from pmexecutor.clob import ClobVenue, Timeouts
from pmexecutor.clob_http import ClobHttp
from pmexecutor.credentials import derive_credentials
from pmexecutor.denials import DenialWatch
from pmexecutor.driver import Driver
from pmexecutor.heartbeat_sender import HeartbeatSender
from pmexecutor.metrics import ExecutorMetrics
from pmexecutor.paper import PaperClob
from pmexecutor.ports import Venue
from pmexecutor.publisher import Publisher
from pmexecutor.relayer import RelayerMerger
from pmexecutor.settings import ExecutorSettings
from pmexecutor.signer import OrderSigner, SignatureType, assert_fast_curve
from pmexecutor.windows import SeriesWindows

TICK_MS = 50.0
LEAST_TICK_S = 0.01
CANCEL_ATTEMPTS = 6
STOP_FLAT_S = 6.0
STOP_DRAIN_S = 1.0
STOP_VERIFY_S = 2.0
_PEERS = ("feed", "strategy", "userws")


class ExecutorService:
    """`Service` of the executor."""

    name = "executor"

    def __init__(self, context: ServiceContext[ExecutorSettings]) -> None:
        assert_fast_curve()
        settings = context.settings
        self._context = context
        self._settings = settings
        self._log = context.log
        self._clock = context.clock
        self._metrics = ExecutorMetrics(context.metrics)
        self._publisher = Publisher(context.bus, context.log)
        self._header = ExecutionJournalHeader(
            account=settings.account,
            run_id=context.run_id,
            tier=settings.rate_tier,
            cancel_reserve=settings.cancel_reserve,
            caps=settings.order_caps(),
            caps_by_series={series: own.order_caps() for series, own in settings.by_series.items()},
            fenced=True,
            awaits_account=True,
        )
        self._engine = self._header.make_engine()
        self._journal: EngineJournal | None = None
        self._halted: str | None = None
        self._starting = "starting"
        self._venue: Venue | None = None
        self._driver: Driver | None = None
        self._beats: HeartbeatSender | None = None
        self._lease: LeaseKeeper | None = None
        self._wallet = ""
        self._relayer: RelayerMerger | None = None
        self._timing: asyncio.Task[None] | None = None
        context.health.say_placing(Placing(open=False, reason="the executor is starting"))

    async def run(self) -> None:
        """Make the venue empty, then obey commands until cancelled."""
        paper = self._paper() if self._settings.mode is Mode.DRY else None
        venue = self._venue = paper or await self._open_clob()
        if paper is None:
            await self._stand_by()
        if self._settings.journal:
            folder = self._settings.data_dir / "journal"
            stem = f"executor-{self._header.account}.{self._header.run_id}"
            header = EXECUTION_JOURNAL.encode(self._header)
            self._journal = EngineJournal(folder, stem, header, self._log)
        driver = self._driver = Driver(
            self._engine,
            venue,
            self._publisher,
            clock=self._clock,
            log=self._log,
            metrics=self._metrics,
            post_concurrency=self._settings.post_concurrency,
            refuses=self._post_refuses,
        )
        self._starting = "cancelling what an earlier run left"
        await cancel_everything(venue, self._context.health)
        self._log.info("venue_empty", mode=self._settings.mode)
        try:
            async with asyncio.TaskGroup() as tasks:
                driver.start(tasks, self._journal, paper or self._relayer)
                if self._halted is not None:
                    driver.feed(self._halt())
                self._start_tasks(tasks, driver, venue, paper)
                self._starting = ""
        finally:
            driver.stop()

    async def _stand_by(self) -> None:
        """Wait for the wallet's lease: another executor may be at work on it."""
        health = self._context.health
        lease = self._lease = LeaseKeeper(
            self._context.bus,
            keys.lease(self._wallet),
            deployment=instance_id(self._settings.data_dir),
            run_id=self._context.run_id,
            log=self._log,
        )

        def say(why: str) -> None:
            self._starting = f"standing by: {why}"
            health.set_trouble("lease", Cause.WAITING, why)

        health.standby = True
        await lease.wait_for_it(say)
        health.standby = False
        health.clear_trouble("lease")

    def _lease_refuses(self) -> str:
        return self._lease.refuses() if self._lease is not None else ""

    def _post_refuses(self) -> str:
        """The last question before each POST."""
        return self._lease_refuses() or (self._beats.refuses() if self._beats is not None else "")

    def _start_tasks(
        self, tasks: asyncio.TaskGroup, driver: Driver, venue: Venue, paper: PaperClob | None
    ) -> None:
        if venue.has_heartbeat:
            self._beats = HeartbeatSender(
                venue,
                driver,
                self._context.bus,
                account=self._settings.account,
                peers=_PEERS,
                clock=self._clock,
                log=self._log,
                halted=lambda: self._halted is not None,
                health=self._context.health,
            )
            self._beats.close_gate()
            tasks.create_task(self._beats.run())
        if self._lease is not None:
            tasks.create_task(self._lease.run())
        if paper is not None:
            tasks.create_task(paper.run())
            self._metrics.watch_paper(paper.profits)
        tasks.create_task(self._publisher.run())
        watch = DenialWatch(self._context.bus, self._metrics, self._log)
        tasks.create_task(watch.run())
        tasks.create_task(self._tick(driver))
        for spec in self._settings.series:
            windows = SeriesWindows(
                series=spec.series,
                bus=self._context.bus,
                driver=driver,
                consumer=self._settings.consumer,
                clock=self._clock,
                log=self._log,
                metrics=self._metrics,
                account=self._settings.account,
                linger_ns=self._settings.window_linger_s * NS_PER_S,
                paper=paper,
            )
            tasks.create_task(windows.run())

    async def stop(self) -> None:
        """Place nothing more, cancel all, ask what is left, close."""
        venue, driver = self._venue, self._driver
        if venue is None:
            return
        if self._lease is not None and driver is None:  # another executor's orders rest there
            await venue.close()
            return
        if driver is not None and driver.running:
            driver.feed(Stop())
            await self._quietly("orders_still_open", STOP_FLAT_S, driver.until_flat())
            await self._quietly("messages_unpublished", STOP_DRAIN_S, self._publisher.drain())
        try:
            async with asyncio.timeout(STOP_VERIFY_S):
                await cancel_everything(venue)
            self._log.info("venue_empty")
        except (StartupError, TimeoutError) as error:
            self._log.error("orders_left", detail=str(error) or "no answer in time")
        if driver is not None:
            driver.stop()
        if self._journal is not None:
            self._journal.close(EXECUTION_JOURNAL.encode(JournalEnd(self._engine.fingerprint)))
        await venue.close()
        if self._lease is not None:
            await answered_at_once(self._lease.give_up, lambda _error: None)

    def readiness(self) -> list[str]:
        """Not whether orders may be placed: that is in /state, under `engine.gate`."""
        reasons = [self._starting] if self._starting else []
        if self._publisher.away:
            reasons.append(f"{self._publisher.queued} messages wait for Redis")
        return reasons

    def state(self) -> ExecutorView:
        """See docs/ARCHITECTURE.md."""
        paper = self._venue if isinstance(self._venue, PaperClob) else None
        return {
            "mode": self._settings.mode.value,
            "open_orders": self._engine.open_orders,
            "venue_mode": self._engine.venue_mode.value,
            "refuses": self._engine.refuses,
            "heartbeat": self._beats.view() if self._beats else {"paper": True},
            "hop_ms": self._context.metrics.hop_ms(),
            "rejections": dict(self._metrics.rejections),
            "unpublished": self._publisher.queued,
            "engine": self._engine.view(),
            "lease": self._lease.view() if self._lease else {},
            "paper_fills": self._settings.paper_fills if paper else "",
            "paper_ledgers": paper.ledgers() if paper else {},
            "paper_profits": paper.profits() if paper else {},
        }

    async def on_halt(self, reason: str) -> None:
        """Cancel all at once; needs no Redis."""
        began_s = monotonic_s()
        self._halted = reason
        driver = self._driver
        if driver is not None and driver.running:  # before that, the start itself cancels all
            driver.feed(self._halt())
            self._timing = asyncio.create_task(self._time_kill(driver, began_s))

    async def _time_kill(self, driver: Driver, began_s: float) -> None:
        await driver.until_none_open()
        cancelled_s = monotonic_s() - began_s
        await driver.until_flat()
        verified_s = monotonic_s() - began_s
        self._metrics.killed(cancelled_s, verified_s)
        self._log.warning(
            "all_cancelled", seconds=round(cancelled_s, 4), verified_seconds=round(verified_s, 4)
        )

    async def on_resume(self) -> None:
        """Obey commands again."""
        self._halted = None
        if self._driver is not None and self._driver.running:
            self._driver.feed(Resume(by="operator", ts_recv_ns=self._clock.now_ns()))

    def _halt(self) -> Halt:
        return Halt(reason=self._halted or "", by="operator", ts_recv_ns=self._clock.now_ns())

    def _paper(self) -> PaperClob:
        settings = self._settings
        return PaperClob(
            settings.paper_latencies, self._clock, self._publish_user, settings.paper_fills
        )

    def _publish_user(self, messages: Sequence[UserMessage]) -> None:
        stream = keys.user(self._settings.account)
        self._publisher.put([Outgoing(stream, message) for message in messages])

    async def _open_clob(self) -> ClobVenue:
        settings = self._settings
        key = settings.key_bytes()
        signer = OrderSigner(
            key,
            chain_id=settings.chain_id,
            signature_type=SignatureType(settings.signature_type),
            funder=settings.funder_address,
        )
        self._starting = "deriving API credentials"
        http = ClobHttp(settings.rest_url, real_now_ns)
        credentials = settings.given_credentials(signer.address) or await derive_credentials(
            http, key, signer.address, settings.chain_id
        )
        write_credentials(settings.credentials_file, credentials)
        self._wallet = signer.maker.lower()
        self._log.info("account", address=signer.address, maker=signer.maker)
        self._relayer = RelayerMerger(
            http,
            credentials,
            self._clock,
            address=signer.address,
            wallet=signer.maker,
            signature_type=settings.signature_type,
            timeout_s=settings.read_timeout_ms / 1000,
        )
        return ClobVenue(
            http,
            signer,
            credentials,
            chain_id=settings.chain_id,
            timeouts=Timeouts(settings.post_timeout_ms / 1000, settings.read_timeout_ms / 1000),
            expiration_s=lambda window: settings.of_series(window.series).expiration_s(
                self._clock.now_ns(), window
            ),
        )

    async def _tick(self, driver: Driver) -> None:
        while True:
            await asyncio.sleep(max(self._clock.real_s(TICK_MS), LEAST_TICK_S))
            driver.feed(Tick())
            self._say_placing()
            self._metrics.show(
                self._engine,
                self._clock.now_ns(),
                beat_age_s=self._beats.age_s() if self._beats else None,
                queued=self._publisher.queued,
            )

    def _say_placing(self) -> None:
        """What the strategy reads before it quotes; after the engine knows it, never before."""
        refuses = self._engine.refuses or self._lease_refuses()
        if refuses and self._halted is None and self._beats is not None:
            refuses = self._beats.closed_because or refuses
        self._context.health.say_placing(Placing(open=not refuses, reason=refuses))

    async def _quietly(self, problem: str, timeout_s: float, wait: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await wait
        except TimeoutError:
            self._log.warning(problem, seconds=timeout_s)


async def cancel_everything(venue: Venue, health: Health | None = None) -> None:
    """Cancel-all, then ask until the venue lists nothing; raise `StartupError` when it will not."""
    backoff = Backoff(first_s=0.1, most_s=1.0)
    problem = ""
    for _ in range(CANCEL_ATTEMPTS):
        try:
            await venue.delete_all()
            left = await venue.all_open_orders()
            if not left:
                if health is not None:
                    health.clear_trouble("start")
                return
            problem = f"{len(left)} orders are still open"
            await venue.delete(left[:100])
        except TransportError as error:
            problem = str(error)
            if health is not None:
                health.set_trouble("start", error.cause, f"cannot cancel old orders: {problem}")
        await asyncio.sleep(backoff.next_s())
    raise StartupError(f"cannot cancel what rests at the venue: {problem}")
