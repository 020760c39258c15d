"""kill -9 of a real executor while the venue holds its POST: nothing is doubled, nothing is lost.

The venue has read the whole request and has not answered when the process dies. Then it takes the
order, has taken it, or never takes it. `--rounds 200` (`make soak`) kills that often; CI less.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pmcore.messages.execution import (
    CancelFailed,
    OrderCancelled,
    OrderFailed,
    OrderSubmitting,
)
from pmcore.model.market import Window
from pmcore.shell.bus.redis_bus import RedisBus
from pmcore.shell.clock import real_now_ns
from pmcore.wire.ports import Outgoing
from pmtools.run.redis_server import LocalRedis
from support.executions import submit
from support.executor_world import CMD, EXE, SERIES, announce, peers_are_well, window_now
from support.fake_clob import FakeClob, Reply, drop
from support.processes import ServiceProcess, service_process

pytestmark = [pytest.mark.connected, pytest.mark.timeout(3_600)]

LANES = 3
OPEN_S, LINGER_S, PATIENCE_S = 30, 5, 120.0
ENDS = OrderCancelled | OrderFailed | CancelFailed


class Fate(Enum):
    """What becomes of the POST whose sender died."""

    TAKEN_BEFORE = "the venue took the order, then the process died"
    TAKEN_AFTER = "the process died, the next one began to look, then the venue took the order"
    NEVER_TAKEN = "the venue never took it"


class Lane:
    """A wallet, its venue and its Redis; executors live and die here, one after the other."""

    def __init__(self, number: int, folder: Path, redis_url: str, clob: FakeClob) -> None:
        self.clob = clob
        self.bus = RedisBus.connect(
            redis_url, source="test", run_id=f"t{number}", clock_ns=real_now_ns
        )
        self.heard: list[Any] = []
        self.posts = 0
        self.held: list[Any] = []
        self._number = number
        self._folder = folder
        self._redis_url = redis_url
        self._slugs: list[str] = []

    async def begin(self) -> None:
        self._folder.mkdir()
        await self.bus.create_group("test", [EXE], start="0", announce=None)
        await peers_are_well(self.bus)

    async def live(self, fates: Sequence[Fate]) -> None:
        """Each executor clears up what the last one left, and dies inside its own POST."""
        last: tuple[Window, Fate] | None = None
        for fate in fates:
            window = await self._announce()
            looks = self._looks()
            async with self._executor() as executor:
                if last is not None:
                    await self._clear_up(executor, *last, looks)
                await self._die_inside_a_post(executor, window, fate)
            last = window, fate
        looks = self._looks()
        async with self._executor() as executor:
            if last is not None:
                await self._clear_up(executor, *last, looks)
            await self._until_ended(executor, self._slugs)

    async def _die_inside_a_post(
        self, executor: ServiceProcess, window: Window, fate: Fate
    ) -> None:
        await self._gate_opens(executor)
        self._hold_the_next_post(fate)
        order = submit(
            f"order{len(self._slugs)}", slug=window.slug, at_ns=real_now_ns(), expires_s=60.0
        )
        posts = self.posts
        await self.bus.publish([Outgoing(CMD, order)])
        async with self._patience(executor):
            await self.clob.until(lambda: self.posts > posts)
        executor.process.kill()
        await executor.ended()

    async def _clear_up(
        self, executor: ServiceProcess, window: Window, fate: Fate, looks: int
    ) -> None:
        async with self._patience(executor):
            await self.clob.until(lambda: self._looks() > looks)
        if fate is Fate.TAKEN_AFTER:
            self.clob.take_order(self.held[-1])
            self.clob.changed.set()
        await self._gate_opens(executor)
        if fate is not Fate.NEVER_TAKEN:  # that one is searched until its window has ended
            await self._until_ended(executor, [window.slug])

    async def _until_ended(self, executor: ServiceProcess, slugs: Sequence[str]) -> None:
        async with self._patience(executor):
            while not {m.slug for m in self.heard if isinstance(m, ENDS)} >= set(slugs):
                await self._hear()

    async def _hear(self) -> None:
        items = await self.bus.read("test", "one", [EXE], block_ms=500)
        self.heard += [item.message for item in items]

    @asynccontextmanager
    async def _patience(self, executor: ServiceProcess) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(PATIENCE_S):
                yield
        except TimeoutError:
            await self._hear()
            raise AssertionError(f"{self.heard[-5:]}\n{executor.log[-2000:]}") from None

    def judge(self, rounds: int) -> None:
        """On the venue's truth and on all that was published."""
        submitted = Counter(
            said.client_order_id for said in self.heard if isinstance(said, OrderSubmitting)
        )
        ended = Counter(said.client_order_id for said in self.heard if isinstance(said, ENDS))
        assert self.posts == rounds, "each order was posted once"
        assert submitted == dict.fromkeys(submitted, 1), "each was announced once"
        assert len(submitted) == rounds
        assert ended == submitted, "each was reported as ended, once"
        assert self.clob.open_ids == [], "nothing rests"

    def _executor(self) -> Any:
        return service_process(
            "pmexecutor",
            self._folder,
            PM_REDIS_URL=self._redis_url,
            PM_VENUE="sim",
            PM_POST_TIMEOUT_MS="30000",
            PM_WINDOW_LINGER_S=str(LINGER_S),
            POLYMARKET_REST_URL=self.clob.url,
            POLYMARKET_MARKET_SLUG=SERIES,
        )

    async def _gate_opens(self, executor: ServiceProcess) -> None:
        await executor.wait_for("/healthz")

        async def places() -> bool:
            return (await executor.status("/readyz")) == 200 and not (await executor.state())[
                "refuses"
            ]

        await executor.until(places, "the placing gate opens")

    def _looks(self) -> int:
        """How often the venue was asked what it holds, or to cancel it all."""
        asked = self.clob.requests
        return asked["GET /data/orders"] + asked["DELETE /cancel-all"]

    def _hold_the_next_post(self, fate: Fate) -> None:
        def hold(clob: FakeClob, body: Any) -> Reply:
            self.posts += 1
            if fate is Fate.TAKEN_BEFORE:
                clob.take_order(body)
            self.held.append(body)
            return Reply(hang=True)

        def surplus(clob: FakeClob, body: Any) -> Reply:
            self.posts += 1
            return drop(clob, body)

        self.clob.faults["POST /order"].clear()
        self.clob.faults["POST /order"].extend([hold, surplus, surplus])

    async def _announce(self) -> Window:
        window = window_now(ends_in_s=OPEN_S)
        window = msgspec.structs.replace(window, slug=f"{window.slug}{len(self._slugs):03d}")
        self._slugs.append(window.slug)
        await announce(self.bus, window)
        return window


async def test_a_death_inside_a_post_doubles_and_loses_nothing(tmp_path: Path, rounds: int) -> None:
    fates = list(Fate)
    each = -(-rounds // LANES)

    async def live(number: int) -> None:
        with LocalRedis() as redis:
            async with FakeClob() as clob:
                lane = Lane(number, tmp_path / str(number), redis.url, clob)
                await lane.begin()
                await lane.live([fates[(number + count) % len(fates)] for count in range(each)])
                lane.judge(each)
                await lane.bus.close()

    async with asyncio.TaskGroup() as lanes:
        for number in range(LANES):
            lanes.create_task(live(number))
    print(f"{each * LANES} deaths inside a POST: 0 doubled, 0 lost")
