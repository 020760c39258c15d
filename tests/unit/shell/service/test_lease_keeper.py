from __future__ import annotations

import asyncio
import io
from typing import Any

import pytest

from pmcore.machines.lease import TTL_MS
from pmcore.model.errors import Sent, TransportError
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
        self.wall_ns = 0
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
            wall_ns=lambda: self.wall_ns,
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


async def test_a_store_that_went_back_gives_no_token_twice(world: _World) -> None:
    """A replica was promoted that had not heard of the newest lease."""
    first, second = world.keeper("a"), world.keeper("b")
    old = dict(world.store.values)
    world.wall_ns = 1_000 * NS_PER_S
    await first.wait_for_it()
    world.store.values.clear()
    world.store.values.update(old)
    world.wall_ns += NS_PER_S // 2
    await second.wait_for_it()
    assert second.token > first.token


async def test_a_lease_that_too_few_replicas_have_is_not_held(
    world: _World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was written and not confirmed; what is then found is this process's own."""
    swap, confirmed = world.bus.swap, False

    async def not_confirmed(*args: Any, **kwargs: Any) -> bool:
        swapped = await swap(*args, **kwargs)
        if not confirmed:
            raise TransportError("0 of 1 replicas", retryable=True, sent=Sent.YES)
        return swapped

    monkeypatch.setattr(world.bus, "swap", not_confirmed)
    keeper = world.keeper("a")
    said: list[str] = []
    waiting = asyncio.create_task(keeper.wait_for_it(said.append))
    while len(said) < 2:  # noqa: ASYNC110 - the keeper rings no bell
        await asyncio.sleep(0)
    assert all("0 of 1 replicas" in why for why in said)
    assert keeper.refuses()
    confirmed = True
    await waiting
    assert (keeper.token, keeper.refuses()) == (1, "")


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
    async def refused(_key: str) -> bytes | None:
        raise TransportError("NOPERM", retryable=False, sent=Sent.NO)

    monkeypatch.setattr(world.bus, "get", refused)
    with pytest.raises(TransportError, match="NOPERM"):
        await world.keeper("a").wait_for_it()
