"""The simulated system: venue, network, Redis and the four services, at one virtual clock.

A world is a function of its seed, its parameters and what is done to it: same inputs, same log,
byte for byte.
"""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import tempfile
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from pmcore.model.errors import TransportError
from pmcore.model.market import SeriesSpec, parse_series
from pmcore.model.params import LimitParams
from pmcore.model.units import NS_PER_S
from pmcore.shell.clock import Clock
from pmcore.shell.machine import use_machine
from pmcore.shell.service.kill_switch import KillSwitch, ResumeRefusedError
from pmcore.shell.settings.common import CommonSettings, check_settings
from pmcore.shell.settings.strategy import StrategySettings
from pmcore.wire import keys
from pmcore.wire.ports import Outgoing
from pmexecutor.service import ExecutorService
from pmexecutor.settings import ExecutorSettings
from pmfeed.service import FeedService
from pmfeed.settings import FeedSettings
from pmsim.bus.memory_bus import MemoryStore
from pmsim.bus.streams import Group
from pmsim.crowd.world_params import FITTED, WorldParams, at_pace
from pmsim.faults.faulty_venue import FaultyVenue
from pmsim.faults.plan import FaultPlan
from pmsim.run.synthetic import SyntheticParams, SyntheticVenue
from pmsim.venue.accounts import Accounts, AccountsParams
from pmsimulator.app import create_app
from pmsimulator.rate_limits import Tier
from pmsimulator.world import World as VenueWorld
from pmstrategy.service import StrategyService
from pmtools.simulate.bus import HostBus, RedisServer
from pmtools.simulate.host import Host
from pmtools.simulate.loop import VirtualLoop
from pmtools.simulate.machine import SimulatedMachine
from pmtools.simulate.network import Network
from pmuserws.service import UserwsService
from pmuserws.settings import UserwsSettings

START_NS = 1_790_000_000 * NS_PER_S
SERIES = "btc-updown-30s"
VENUE_STEP_MS = 40.0
KEPT_LINES = 4_000
CANCEL_ROUNDS = 20
HOSTS: dict[str, tuple[type[CommonSettings], Callable[[Any], Any]]] = {
    "feed": (FeedSettings, FeedService),
    "userws": (UserwsSettings, UserwsService),
    "executor": (ExecutorSettings, ExecutorService),
    "strategy": (StrategySettings, StrategyService),
}
QUIET = WorldParams(
    crowd=msgspec.structs.replace(at_pace(FITTED.crowd, 0.2), requote_ms=1_200, levels=3, makers=3)
)
"""Some frames a second: little to compute, and still enough takers for every kind of fill."""


class SeededWorld:
    """Make it, `run` it for a while, look at `venue`, `hosts`, `store` and `lines`.

    With `merging` pairs are merged: capital is short, and trades are confirmed soon.
    """

    def __init__(self, seed: int, *, merging: bool = False) -> None:
        self.seed = seed
        self._merging = merging
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)
        self.problems: list[str] = []
        self.killed_since_s: float | None = None
        self._resuming = False
        self._closing = False
        self.on_step: list[Callable[[], None]] = []
        self._digest = hashlib.sha256()
        self._folder = tempfile.TemporaryDirectory(prefix="pm-simulate-")
        self.loop = VirtualLoop()
        self.loop.set_exception_handler(self._on_loop_error)
        self.loop.on_pause = self._after_turn
        self._venue_context = contextvars.copy_context()
        machine = self._machine("venue")
        self._venue_context.run(use_machine, machine)
        self.network = Network(self.loop, str(seed), self._venue_context, self.say)
        self.store = self._venue_context.run(lambda: MemoryStore(machine.wall_ns))
        self.redis = RedisServer(self.store, str(seed))
        self.on_publish: list[Callable[[str, Outgoing], None]] = []
        self.on_read: list[Callable[[str, object], None]] = []
        self.clock = machine
        spec = parse_series(SERIES)
        self._synthetic = self._make_venue(spec)
        self.venue = FaultyVenue(self._synthetic, seed=seed, plan=FaultPlan())
        self.world = self._venue_context.run(self._make_world, spec)
        self.network.app = create_app(self.world, Tier.STANDARD, seed=seed)
        self.hosts = {name: self._make_host(name) for name in HOSTS}

    # ---- running

    def run(self, seconds: float) -> None:
        """Let virtual time pass."""
        self.loop.run_for(seconds)

    def start(self) -> None:
        """Start the venue and every process."""
        self._venue_task = self.loop.create_task(self.world.run(), context=self._venue_context)
        for host in self.hosts.values():
            self.loop.call_soon(host.start)

    def close(self) -> None:
        """Take everything apart: every task ends, those of killed processes too."""
        self.on_step.clear()
        self.on_publish.clear()
        self.on_read.clear()
        self.store.available = False
        for host in self.hosts.values():
            host.kill()
        for life in [life for host in self.hosts.values() for life in host.lives]:
            self.loop.resume(life)
        self._closing = True
        for _ in range(CANCEL_ROUNDS):
            left = asyncio.all_tasks(self.loop)
            if not left:
                break
            for task in left:
                task.cancel()
            self.loop.run_for(1.0)
        self.loop.close()
        self._folder.cleanup()

    def stop_crowd(self) -> None:
        """From now on only our processes act, and what is on its way arrives."""
        self._synthetic.stop_crowd()

    def at(self, at_s: float, action: Callable[[], None]) -> None:
        """Do something at a virtual time, in seconds since the start."""
        self.loop.call_at(at_s, action)

    @property
    def now_ns(self) -> int:
        """The true time."""
        return self.clock.true_ns()

    @property
    def accounts(self) -> Accounts:
        """The venue's own books."""
        return self._synthetic.accounts

    def limits_of(self, series: str) -> LimitParams:
        """The limits that the strategy was given for a series."""
        settings: StrategySettings = self.hosts["strategy"].settings
        return settings.of_series(series).as_params().limits

    @property
    def clock_moved(self) -> bool:
        """Whether any process' wall clock was ever wrong."""
        return any(h.machine.offset_ns or h.machine.drift_ppm for h in self.hosts.values())

    @property
    def owner(self) -> str:
        """The API key of our account; "" before the executor made it."""
        accounts = self.world.accounts
        return accounts[0].owner if accounts else ""

    def user_groups(self, name: str) -> list[Group]:
        """Where a process that lives stands in the account's stream."""
        host = self.hosts[name]
        if not host.alive or host.frozen:
            return []
        stream = self.store.streams.get(keys.user(host.settings.account))
        consumer = host.settings.consumer
        groups = stream.groups.values() if stream else ()
        return [group for group in groups if consumer in group.consumers]

    # ---- the operator

    def killed(self, by: str) -> None:
        """An operator's halt was taken by a process: from now on nothing may be placed."""
        self.say("operator", f"killed by {by}")
        if self.killed_since_s is None:
            self.killed_since_s = self.loop.time()

    def resume(self) -> None:
        """An operator resumes at the first process that lives, again until it succeeds."""
        if self.killed_since_s is None and not self._resuming:
            return
        for host in self.hosts.values():
            if host.process is not None:
                self._resuming = True
                host.do(partial(self._resume_at, host))
                return
        self.loop.call_later(1.0, self.resume)

    async def _resume_at(self, host: Host) -> None:
        """From here on orders may come; after a resume that failed they may not."""
        process = host.process
        if process is None:
            self.loop.call_later(1.0, self.resume)
            return
        self.killed_since_s = None
        try:
            await process.kill_switch.resume("operator")
        except (TransportError, ResumeRefusedError) as error:
            self.killed(f"{host.name}, whose resume failed: {error}")
            self.loop.call_later(1.0, self.resume)
        else:
            self._resuming = False
            self.say("operator", f"resumed at {host.name}")

    def halt_for_good(self) -> None:
        """The end: halt, again and again until a process takes it."""
        for name in ("executor", "strategy", "feed", "userws"):
            host = self.hosts[name]
            if host.process is not None:
                switch = host.process.kill_switch

                async def halt(switch: KillSwitch = switch, name: str = name) -> None:
                    await switch.halt("the trial is over", "operator")
                    self.killed(name)

                host.do(halt)
                return
        self.loop.call_later(1.0, self.halt_for_good)

    # ---- what happened

    def say(self, who: str, what: str) -> None:
        """Add a line to the log."""
        what = what.replace(self._folder.name, "DATA")
        line = f"{self.loop.time():10.4f} {who:<9} {what}"
        self.lines.append(line)
        self._digest.update(line.encode())

    @property
    def fingerprint(self) -> str:
        """Of every line ever said."""
        return self._digest.hexdigest()

    def _after_turn(self) -> None:
        for check in tuple(self.on_step):
            check()

    def _on_loop_error(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not self._closing:
            self.problems.append(f"{context.get('message')}: {context.get('exception')!r}")

    # ---- making it

    def _machine(self, name: str) -> SimulatedMachine:
        return SimulatedMachine(name, self.loop.time, START_NS, str(self.seed))

    @property
    def accounts_params(self) -> AccountsParams:
        """What the venue's accounts begin with."""
        if not self._merging:
            return AccountsParams(seed=self.seed)
        return AccountsParams(seed=self.seed, mined_delay_ms=500, confirmed_delay_ms=1_000)

    def _make_venue(self, spec: SeriesSpec) -> SyntheticVenue:
        return SyntheticVenue(
            SyntheticParams(
                series=(spec,),
                seed=self.seed,
                start_ns=START_NS,
                world=QUIET,
                accounts=self.accounts_params,
                taker_delay_ms=150,
            )
        )

    def _make_world(self, spec: SeriesSpec) -> VenueWorld:
        clock = Clock.from_spec("")
        return VenueWorld(
            self.venue,
            clock,
            series=(spec,),
            chain_id=137,
            outbox_frames=20_000,
            least_wait_ms=VENUE_STEP_MS,
        )

    def _make_host(self, name: str) -> Host:
        cls, factory = HOSTS[name]
        folder = Path(self._folder.name)
        given = {
            "PM_VENUE": "sim",
            "PM_DRY_RUN": "false",
            "PM_CONTROL_TOKEN": "simulated",
            "POLYMARKET_MARKET_SLUG": SERIES,
            "POLYMARKET_REST_URL": "http://127.0.0.1:8200",
            "POLYMARKET_GAMMA_URL": "http://127.0.0.1:8200",
            "POLYMARKET_DATA_URL": "http://127.0.0.1:8200",
            "POLYMARKET_WS_BASE_URL": "ws://127.0.0.1:8200/ws",
            "POLYMARKET_API_CREDENTIALS_FILE": str(folder / "credentials.json"),
            "PM_DATA_DIR": str(folder / name),
            "PM_JOURNAL": "false",
            "PM_BID_SIZE": "5",
            "PM_MAX_NET_DIFF": "10",
            "PM_MAX_POSITION_VALUE": "50",
            "PM_OFI_TOXICITY_THRESHOLD": "400",
            "PM_CANCEL_BEFORE_CLOSE_S": "3",
            "PM_USERWS_RECONCILE_S": "5",
            "PM_POSITIONS_LAG_S": "5",
        }
        if self._merging:
            given |= {"PM_MERGE_MIN_PAIRS": "5", "PM_MAX_POSITION_VALUE": "6"}
        (folder / name).mkdir()
        settings, problems = check_settings(cls, given)
        if settings is None or problems:
            raise ValueError("; ".join(map(str, problems)))
        machine = self._machine(name)
        machine.network = self.network
        return Host(
            name,
            self.loop,
            machine,
            settings=settings,
            factory=factory,
            make_bus=self._make_bus,
            on_death=self.network.cut,
            say=self.say,
        )

    def _make_bus(self, name: str, run_id: str) -> HostBus:
        return HostBus(
            self.redis,
            source=name,
            run_id=run_id,
            say=self.say,
            hear=self._hear,
            notice=self._notice,
        )

    def _hear(self, source: str, item: Outgoing) -> None:
        for listener in self.on_publish:
            listener(source, item)

    def _notice(self, source: str, message: object) -> None:
        for listener in self.on_read:
            listener(source, message)
