"""What is around the executor: a real Redis, a venue on real HTTP, a feed and a strategy."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from pmcore.messages.execution import (
    OrderFailed,
    OrderSubmitting,
)
from pmcore.messages.orders import CancelOrders, CancelWindow, SubmitOrder
from pmcore.messages.rotation import WindowAnnounced
from pmcore.model.market import Window
from pmcore.model.units import NS_PER_S
from pmcore.shell.bus.redis_bus import RedisBus
from pmcore.shell.clock import Clock, real_now_ns
from pmcore.shell.service.logs import configure_logs
from pmcore.shell.service.metrics import ServiceMetrics
from pmcore.shell.service.process import ServiceContext
from pmcore.wire import keys
from pmcore.wire.ports import Outgoing
from pmexecutor.service import ExecutorService
from pmexecutor.settings import ExecutorSettings
from support.builders import window as build_window
from support.executions import LEASE_TOKEN, hold_lease, submit
from support.fake_clob import FakeClob

SERIES, ACCOUNT = "btc-15m", "main"
EXE, CMD, ROT, MD = keys.exe(SERIES), keys.cmd(SERIES), keys.rot(SERIES), keys.md(SERIES)
T = TypeVar("T")


def window_now(*, ends_in_s: int = 600) -> Window:
    now_s = real_now_ns() // NS_PER_S
    return msgspec.structs.replace(
        build_window(),
        slug=f"btc-updown-15m-{now_s - 60}",
        open_ns=(now_s - 60) * NS_PER_S,
        close_ns=(now_s + ends_in_s) * NS_PER_S,
    )


async def announce(bus: RedisBus, window: Window) -> None:
    """As the feed does: groups and announcement in one transaction. The test holds the lease."""
    await hold_lease(bus, SERIES)
    await bus.create_group(
        keys.window_group(window.slug, "executor"),
        [CMD, MD],
        announce=Outgoing(ROT, WindowAnnounced(window=window, ts_recv_ns=1)),
    )


async def peers_are_well(bus: RedisBus) -> None:
    """The executor's heartbeat waits for them."""
    for peer in ("feed", "strategy", "userws"):
        await bus.put(keys.alive(ACCOUNT, peer), b'{"ready":true,"reasons":[]}')


class World:
    """Redis, a venue, and what feed and strategy would do."""

    def __init__(self, bus: RedisBus, clob: FakeClob, redis_url: str, folder: Path) -> None:
        self.bus = bus
        self.clob = clob
        self.folder = folder
        self.window = window_now()
        self.heard: list[Any] = []
        self._unheard: dict[str, list[Any]] = defaultdict(list)
        self._redis_url = redis_url
        self._runs = 0

    def service(
        self, by_series: Mapping[str, ExecutorSettings] | None = None, **changes: object
    ) -> ExecutorService:
        self._runs += 1
        fields: dict[str, Any] = {
            "venue": "sim",
            "rest_url": self.clob.url,
            "redis_url": self._redis_url,
            "data_dir": self.folder,
            "post_timeout_ms": 30_000,  # a slow machine is no lost answer
            "max_net_diff": 1_000,  # tests place what no strategy would
            **changes,
        }
        settings = ExecutorSettings(**fields)
        settings.by_series.update(by_series or {})
        run_id = f"run{self._runs}"
        clock = Clock.from_spec("")
        return ExecutorService(
            ServiceContext(
                settings=settings,
                clock=clock,
                bus=RedisBus.connect(
                    self._redis_url, source="executor", run_id=run_id, clock_ns=clock.now_ns
                ),
                metrics=ServiceMetrics("executor", version="test", mode=settings.mode),
                log=configure_logs("executor", "error"),
                run_id=run_id,
            )
        )

    async def announce(self) -> None:
        """As the feed does; and a reader of what the executor says."""
        await self.bus.create_group("test", [EXE], start="0", announce=None)
        await announce(self.bus, self.window)

    async def peers_are_well(self) -> None:
        await peers_are_well(self.bus)

    async def command(self, message: SubmitOrder | CancelOrders | CancelWindow) -> None:
        held = msgspec.structs.replace(message, lease_token=LEASE_TOKEN)
        await self.bus.publish([Outgoing(CMD, held)])

    async def place(self, order: str = "a", *, expires_s: float = 300.0) -> None:
        now_ns = real_now_ns()
        await self.command(submit(order, slug=self.window.slug, at_ns=now_ns, expires_s=expires_s))

    async def hear(self, kind: type[T], *, stream: str = EXE) -> T:
        """The oldest of a kind that was not returned yet; the test's timeout bounds it."""
        message = await self._first(lambda said: isinstance(said, kind), stream)
        assert isinstance(message, kind)
        return message

    async def outcome(self, order: str) -> OrderSubmitting | OrderFailed:
        """Whether an order goes out or is refused."""
        message = await self._first(
            lambda said: (
                isinstance(said, OrderSubmitting | OrderFailed) and said.client_order_id == order
            ),
            EXE,
        )
        assert isinstance(message, OrderSubmitting | OrderFailed)
        return message

    async def _first(self, wanted: Callable[[Any], bool], stream: str) -> Any:
        """Others are kept for later calls: which of two facts comes first differs between runs."""
        unheard = self._unheard[stream]
        while True:
            for message in unheard:
                if wanted(message):
                    unheard.remove(message)
                    return message
            items = await self.bus.read("test", "one", [stream], block_ms=500)
            unheard += [item.message for item in items]
            self.heard += [item.message for item in items]

    async def pending(self) -> int:
        group = keys.window_group(self.window.slug, "executor")
        return sum(row.pending for row in await self.bus.groups(CMD) if row.name == group)

    async def until(self, condition: Callable[[], Any]) -> None:
        while not await condition():  # noqa: ASYNC110 - asks Redis, which rings no bell
            await asyncio.sleep(0.02)
