from __future__ import annotations

import asyncio
import io

import pytest

from pmcore.machines.lease import TTL_MS
from pmcore.model.errors import TransportError
from pmcore.model.units import NS_PER_S
from pmcore.shell.service import lease_keeper
from pmcore.shell.service.lease_keeper import LeaseKeeper, LeaseLostError
from pmcore.shell.service.logs import configure_logs
from pmcore.wire import keys
from pmsim.bus.memory_bus import MemoryBus, MemoryStore

_KEY = keys.lease("0xabc")


class _World:
    def __init__(self) -> None:
        self.now_s = 0.0
        self.store = MemoryStore(lambda: int(self.now_s * NS_PER_S))
        self.bus = MemoryBus(self.store, source="executor", run_id="r")

    def keeper(self, deployment: str, run_id: str = "1") -> LeaseKeeper:
        return LeaseKeeper(
            self.bus,
            _KEY,
            deployment=deployment,
            run_id=run_id,
            log=configure_logs("executor", "error", io.StringIO()),
            now_s=lambda: self.now_s,
        )


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> _World:
    monkeypatch.setattr(lease_keeper, "RENEW_S", 0.001)
    return _World()


async def _fenced(keeper: LeaseKeeper) -> None:
    with pytest.raises(LeaseLostError):
        async with asyncio.timeout(30):
            await keeper.run()
    assert keeper.refuses()


async def test_one_of_two_holds_it_and_the_second_follows_after_its_time(world: _World) -> None:
    first, second = world.keeper("a"), world.keeper("b")
    await first.wait_for_it()
    said: list[str] = []
    waiting = asyncio.create_task(second.wait_for_it(said.append))
    while not said:  # noqa: ASYNC110 - the keeper rings no bell
        await asyncio.sleep(0)
    assert "a, token 1" in said[0]
    assert (first.refuses(), bool(second.refuses())) == ("", True)
    world.now_s += TTL_MS / 1000
    await waiting
    assert first.refuses()
    assert (second.refuses(), second.token) == ("", 2)
    await _fenced(first)


async def test_a_restart_of_one_deployment_need_not_wait(world: _World) -> None:
    first, again = world.keeper("a", "1"), world.keeper("a", "2")
    await first.wait_for_it()
    await again.wait_for_it()
    assert again.view() == {"token": 2, "refuses": ""}
    await _fenced(first)
    assert again.refuses() == ""


async def test_without_redis_the_lease_ends_by_itself(world: _World) -> None:
    keeper = world.keeper("a")
    await keeper.wait_for_it()
    world.store.available = False
    running = asyncio.create_task(keeper.run())
    await asyncio.sleep(0.01)
    assert keeper.refuses() == ""
    world.now_s += TTL_MS / 1000
    await asyncio.sleep(0.01)
    assert keeper.refuses()
    world.store.available = True
    while keeper.refuses():  # noqa: ASYNC110 - the keeper rings no bell
        await asyncio.sleep(0)
    assert keeper.token == 2  # nobody else had it meanwhile, but somebody could have
    running.cancel()


async def test_a_redis_that_lost_its_data_gives_no_token_twice(world: _World) -> None:
    keeper = world.keeper("a")
    await keeper.wait_for_it()
    world.store.values.clear()
    await keeper.wait_for_it()
    assert (keeper.token, keeper.refuses()) == (2, "")


async def test_what_is_given_up_is_free_at_once(world: _World) -> None:
    first, second = world.keeper("a"), world.keeper("b")
    await first.wait_for_it()
    await first.give_up()
    assert first.refuses()
    await second.wait_for_it()
    await first.give_up()
    await second.wait_for_it()
    assert second.token == 2


async def test_an_unreadable_lease_is_another_ones(world: _World) -> None:
    world.store.values[_KEY] = (b"{", None)
    await _fenced(world.keeper("a"))


async def test_an_error_that_waiting_does_not_mend_ends_it(
    world: _World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pmcore.model.errors import Sent

    async def refused(_key: str) -> bytes | None:
        raise TransportError("NOPERM", retryable=False, sent=Sent.NO)

    monkeypatch.setattr(world.bus, "get", refused)
    with pytest.raises(TransportError, match="NOPERM"):
        await world.keeper("a").wait_for_it()
