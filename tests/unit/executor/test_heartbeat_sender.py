"""When a heartbeat is sent, and what is said while none is."""

from __future__ import annotations

import asyncio
import io
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from pmcore.engine.execution.engine import ExecutionEngine
from pmcore.model.errors import Cause, Sent, TransportError
from pmcore.shell.clock import Clock
from pmcore.shell.service.health import Health
from pmcore.shell.service.logs import configure_logs
from pmcore.shell.service.metrics import ServiceMetrics
from pmcore.wire import keys
from pmexecutor import heartbeat_sender
from pmexecutor.driver import Driver
from pmexecutor.heartbeat_sender import HeartbeatSender
from pmexecutor.metrics import ExecutorMetrics
from pmexecutor.paper import PaperClob
from pmexecutor.ports import HeartbeatAnswer
from pmexecutor.publisher import Publisher
from pmsim.bus.memory_bus import MemoryBus, MemoryStore
from support.builders import T0_NS
from support.paper import NO_LATENCY
from support.venue_peer import eventually

SPEED = 200.0
"""The clock runs so fast that a beat is due in each round."""
PEERS = ("feed", "strategy")
READY = b'{"ready":true}'
FAILED = TransportError(
    "POST /v1/heartbeats: 403 no", retryable=True, sent=Sent.YES, cause=Cause.BLOCKED
)


class BeatVenue(PaperClob):
    """The venue's end of the heartbeat: takes all, unless an answer was put in before."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(NO_LATENCY, clock, lambda _: None)
        self.beats: list[str] = []
        self.answers: deque[HeartbeatAnswer | TransportError] = deque()
        self.refuses: HeartbeatAnswer | TransportError | None = None

    async def beat(self, heartbeat_id: str) -> HeartbeatAnswer:
        self.beats.append(heartbeat_id)
        answer = self.refuses
        if self.answers:
            answer = self.answers.popleft()
        if isinstance(answer, TransportError):
            raise answer
        return answer or HeartbeatAnswer(accepted=True, heartbeat_id=f"id{len(self.beats)}")


class PeerBus(MemoryBus):
    """Redis, away on command."""

    error: Exception | None = None
    hangs = False

    async def get(self, key: str) -> bytes | None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        return await super().get(key)


class World:
    """A sender with a real engine behind it, and all that it depends on."""

    def __init__(self) -> None:
        self.clock = Clock.starting_at(T0_NS, SPEED)
        self.written = io.StringIO()
        log = configure_logs("executor", "debug", self.written)
        self.bus = PeerBus(MemoryStore(self.clock.now_ns), source="executor", run_id="r")
        self.venue = BeatVenue(self.clock)
        self.engine = ExecutionEngine()
        self.health = Health()
        self.halted = False
        driver = Driver(
            self.engine,
            self.venue,
            Publisher(self.bus, log),
            clock=self.clock,
            log=log,
            metrics=ExecutorMetrics(ServiceMetrics("executor", version="1", mode="dry")),
            post_concurrency=1,
        )
        self.sender = HeartbeatSender(
            self.venue,
            driver,
            self.bus,
            account="main",
            peers=PEERS,
            clock=self.clock,
            log=log,
            halted=lambda: self.halted,
            health=self.health,
        )

    async def peer(self, name: str, said: bytes) -> None:
        await self.bus.put(keys.alive("main", name), said)

    async def peers_are_ready(self) -> None:
        for name in PEERS:
            await self.peer(name, READY)

    def trouble(self) -> tuple[Cause, str] | None:
        """What `/state` shows of the heartbeat."""
        found = [one for one in self.health.troubles() if one.what == "heartbeat"]
        return (found[0].cause, found[0].text) if found else None

    async def until(self, *words: str) -> None:
        """Until `closed_because` holds these words, and `/state` with it."""
        await eventually(
            lambda: (trouble := self.trouble()) is not None and all(w in trouble[1] for w in words),
            " ".join(words),
        )

    async def until_open(self) -> None:
        await eventually(
            lambda: bool(self.sender.view()["placing"]) and self.trouble() is None,
            "placing is allowed",
        )
        assert not self.engine.refuses

    def events(self, name: str) -> list[dict[str, object]]:
        rows = [json.loads(line) for line in self.written.getvalue().splitlines()]
        return [row for row in rows if row["event"] == name]


@pytest.fixture
def world() -> World:
    return World()


@asynccontextmanager
async def running(world: World) -> AsyncIterator[asyncio.Task[None]]:
    run = asyncio.create_task(world.sender.run())
    yield run
    run.cancel()
    with suppress(asyncio.CancelledError, TransportError):
        await run


async def test_nothing_is_sent_before_all_others_are_ready(world: World) -> None:
    await world.peer("feed", b'{"ready":false,"reasons":["a","b","c","d"]}')
    async with running(world):
        await world.until("no heartbeat is sent: feed is not ready: a, b, c; strategy is not there")
        assert world.trouble() == (Cause.WAITING, world.sender.closed_because)
        assert world.engine.refuses.startswith("no heartbeat: ")
        await world.peer("feed", READY)
        await world.peer("strategy", b"no json")
        await world.until("no heartbeat is sent: strategy says nothing readable")
        assert not world.venue.beats
        await world.peer("strategy", READY)
        await world.until_open()
        assert world.venue.beats[0] == ""
        assert world.sender.closed_because == ""


async def test_each_beat_carries_the_id_that_the_last_answer_gave(world: World) -> None:
    await world.peers_are_ready()
    async with running(world):
        await eventually(lambda: len(world.venue.beats) >= 3, "three beats")
    assert world.venue.beats[:3] == ["", "id1", "id2"]


async def test_a_beat_that_fails_is_told_until_one_is_accepted(world: World) -> None:
    await world.peers_are_ready()
    world.venue.refuses = FAILED
    async with running(world):
        await world.until("the venue's heartbeat failed: POST /v1/heartbeats: 403 no")
        assert world.trouble() == (Cause.BLOCKED, world.sender.closed_because)
        assert world.sender.view()["failures"]
        assert world.sender.age_s() is None
        assert world.events("heartbeat_failed")[0]["detail"] == str(FAILED)
        world.venue.refuses = None
        await world.until_open()
        assert world.sender.view()["failures"] == 0
        world.halted = True
        await world.until("no heartbeat is sent: halted")  # the failure is forgotten


async def test_a_venue_that_takes_no_more_beats_closes_the_gate(world: World) -> None:
    await world.peers_are_ready()
    async with running(world):
        await world.until_open()
        world.venue.refuses = FAILED
        await world.until("the venue's heartbeat failed")
        assert world.engine.refuses == "no heartbeat: the venue does not take it"
    closed = "no heartbeat: the venue does not take it"
    gates = [(row["open"], row["why"]) for row in world.events("placing_gate")]
    assert {(True, ""), (False, closed)} <= set(gates)


async def test_a_beat_that_is_refused_is_repeated_with_the_expected_id(world: World) -> None:
    await world.peers_are_ready()
    world.venue.refuses = HeartbeatAnswer(accepted=False, heartbeat_id="want")
    async with running(world):
        await world.until("the venue's heartbeat failed: the venue expects another heartbeat id")
        assert world.trouble() == (Cause.HEARTBEAT_REFUSED, world.sender.closed_because)
        await eventually(lambda: len(world.venue.beats) >= 2, "a second beat")
        world.venue.refuses = None
        await world.until_open()
    assert world.venue.beats[:2] == ["", "want"]


async def test_a_halt_ends_the_beats_and_closes_the_gate_when_they_lapse(world: World) -> None:
    await world.peers_are_ready()
    async with running(world):
        await world.until_open()
        world.halted = True
        await world.until("no heartbeat is sent: halted")
        assert world.trouble() == (Cause.HALTED, world.sender.closed_because)
        assert world.engine.refuses
        sent, age_s = len(world.venue.beats), world.sender.age_s()
        assert age_s is not None
        assert age_s >= 10
        await eventually(lambda: (world.sender.age_s() or 0) > 20, "time goes on")
        assert len(world.venue.beats) == sent


async def test_a_redis_that_is_away_ends_the_beats(world: World) -> None:
    await world.peers_are_ready()
    async with running(world):
        await world.until_open()
        world.bus.error = TransportError("gone", retryable=True, sent=Sent.NO)
        await world.until("no heartbeat is sent: redis away: gone")
        world.bus.error = None
        await world.until_open()
        world.bus.hangs = True
        await world.until("no heartbeat is sent: redis away: no answer")
        world.bus.hangs = False
        await world.until_open()


async def test_an_error_that_no_waiting_mends_ends_the_executor(world: World) -> None:
    world.bus.error = TransportError("WRONGTYPE", retryable=False, sent=Sent.YES)
    with pytest.raises(TransportError, match="WRONGTYPE"):
        await world.sender.run()


def test_before_the_first_beat_the_gate_is_closed(world: World) -> None:
    world.sender.close_gate()
    assert world.engine.refuses == "no heartbeat: not asked yet"
    assert world.sender.closed_because == "no heartbeat is sent: not asked yet"
    assert world.sender.view() == {
        "age_s": None,
        "failures": 0,
        "placing": False,
        "clock_skew_s": None,
        "unhealthy": ["not asked yet"],
    }
    world.sender.close_gate()
    assert len(world.events("placing_gate")) == 1


@pytest.mark.parametrize(
    ("skew_s", "text"),
    [
        (11.0, "the clock is 11 s ahead of the venue's: set it right"),
        (-3_600.0, "the clock is 3600 s behind the venue's: set it right"),
    ],
)
async def test_nothing_is_placed_while_the_clock_is_wrong(
    world: World, skew_s: float, text: str
) -> None:
    await world.peers_are_ready()
    async with running(world):
        await world.until_open()
        world.venue.refuses = HeartbeatAnswer(accepted=True, heartbeat_id="x", skew_s=skew_s)
        await world.until(text)
        assert world.engine.refuses == text
        assert world.sender.view()["clock_skew_s"] == skew_s
        world.venue.refuses = HeartbeatAnswer(accepted=True, heartbeat_id="x", skew_s=9.0)
        await world.until_open()


async def test_a_post_asks_whether_the_last_beat_is_recent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 1_000.0
    monkeypatch.setattr(heartbeat_sender, "monotonic_s", lambda: now_s)
    monkeypatch.setattr(heartbeat_sender, "HEALTH_TIMEOUT_S", 60.0)  # the peers are asked once
    assert world.sender.refuses() == "the venue's last heartbeat is too old"
    await world.peers_are_ready()
    async with running(world):
        await world.until_open()
    now_s += 9.9 / SPEED
    assert world.sender.refuses() == ""
    now_s += 0.2 / SPEED
    assert world.sender.refuses() == "the venue's last heartbeat is too old"
