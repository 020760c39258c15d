"""The executor's gate as the strategy sees it: unknown is closed, and nothing sticks."""

from __future__ import annotations

from pmcore.shell.service.health import Health, Placing
from pmcore.wire import keys
from pmsim.bus.memory_bus import MemoryBus, MemoryStore
from pmstrategy.peers import Peers

KEY = keys.alive("main", "executor")


class World:
    def __init__(self) -> None:
        self.now_ns = 10**9
        self.store = MemoryStore(lambda: self.now_ns)
        self.bus = MemoryBus(self.store, source="executor", run_id="r")
        self.peers = Peers(self.bus, "main", ("feed", "executor"))
        self.executor = Health()

    async def gate(self) -> tuple[bool, str]:
        await self.peers.look()
        gate = self.peers.gate(self.now_ns)
        return gate.open, gate.reason

    async def say(self, placing: Placing | None) -> None:
        if placing is not None:
            self.executor.say_placing(placing)
        await self.bus.put(KEY, self.executor.alive([]), ttl_ms=3000)


async def test_unknown_is_closed() -> None:
    world = World()
    assert await world.gate() == (False, "the executor is not there")
    assert world.peers.missing() == ["feed", "executor"]
    await world.say(None)
    assert (await world.gate())[0] is False
    await world.bus.put(KEY, b"odd", ttl_ms=3000)
    assert (await world.gate())[0] is False


async def test_it_follows_the_executors_word_and_its_death_and_return() -> None:
    world = World()
    await world.say(Placing(open=False, reason="waiting for the venue's first heartbeat"))
    assert await world.gate() == (False, "waiting for the venue's first heartbeat")
    await world.say(Placing(open=True))
    assert await world.gate() == (True, "")
    world.now_ns += 4 * 10**9
    assert await world.gate() == (False, "the executor is not there")
    await world.say(Placing(open=True))
    assert await world.gate() == (True, "")


async def test_without_redis_it_is_closed_and_open_again_afterwards() -> None:
    world = World()
    await world.say(Placing(open=True))
    world.store.available = False
    is_open, reason = await world.gate()
    assert not is_open
    assert "Redis" in reason
    world.store.available = True
    assert await world.gate() == (True, "")


def test_a_change_wakes_the_writer_and_a_repeat_does_not() -> None:
    health = Health()
    health.say_placing(Placing(open=False, reason="x"))
    assert health.changed.is_set()
    health.changed.clear()
    health.say_placing(Placing(open=False, reason="x"))
    assert not health.changed.is_set()


def test_a_trouble_keeps_the_time_of_its_beginning() -> None:
    now_s = [100.0]
    from pmcore.model.errors import Cause

    health = Health(lambda: now_s[0])
    health.set_trouble("window", Cause.TIMEOUT, "first")
    now_s[0] = 112.5
    health.set_trouble("window", Cause.TLS, "second")
    (trouble,) = health.troubles()
    assert (trouble.cause, trouble.text, trouble.seconds) == (Cause.TLS, "second", 12.5)
    health.clear_trouble("window")
    assert health.troubles() == []
