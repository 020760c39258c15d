"""Two executors, two strategies, a forged command: refused, told, and quoting undisturbed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pmcore.machines.lease import LeaseHolder
from pmcore.messages.orders import CancelWindow, SubmitOrder
from pmcore.model.errors import TransportError
from pmcore.model.market import Outcome
from pmcore.model.units import NS_PER_S
from pmcore.shell.bus.redis_bus import RedisBus
from pmcore.shell.clock import Clock, real_now_ns
from pmcore.shell.service.lease_keeper import holder_of
from pmcore.wire import keys
from pmcore.wire.access import OPERATOR
from pmcore.wire.ports import Outgoing
from pmtools.run.redis_server import find_server, has_selectors
from support.whole_engine import Engine, engine

pytestmark = [pytest.mark.connected, pytest.mark.timeout(150)]
SERIES = "btc-30m"


async def state_of(running: Engine, name: str) -> dict[str, Any]:
    return dict((await running.service(name).get("/state")).body)


async def placed(running: Engine) -> int:
    totals: dict[str, int] = (await state_of(running, "strategy"))["totals"]
    return totals["orders_placed"]


async def refused(running: Engine) -> float:
    """How many commands the executor has refused, as its metrics tell."""
    return await running.metric("executor", 'pm_executor_notices_total{kind="command_refused"}')


@asynccontextmanager
async def undisturbed(running: Engine) -> AsyncIterator[None]:
    """The first strategy and the first executor keep their leases, and go on quoting.

    A hedge may rest for minutes; so a bid that rests is as good as another one placed.
    """
    before = [(await state_of(running, name)) for name in ("strategy", "executor")]
    yield
    was = await placed(running)

    async def quotes() -> bool:
        return await placed(running) > was or await running.open_orders() > 0

    await running.until(quotes, "a bid of the first strategy")
    after = [(await state_of(running, name)) for name in ("strategy", "executor")]
    assert after[0]["leases"] == before[0]["leases"]
    assert after[1]["lease"] == before[1]["lease"]
    assert after[0]["totals"]["orders_rejected"].get("no_lease", 0) == 0


async def assert_stands_by(running: Engine, twin: str) -> None:
    async def waits() -> bool:
        reasons = (await running.service(twin).get("/readyz")).body.get("reasons", [])
        return any("another one holds the lease" in reason for reason in reasons)

    await running.until(waits, f"{twin} stands by")


@pytest.mark.parametrize("name", ["executor", "strategy"])
async def test_a_second_one_stands_by_is_told_and_disturbs_nothing(
    tmp_path: Path, name: str
) -> None:
    async with engine(tmp_path) as running:
        async with undisturbed(running):
            await running.start_twin(name)
            await assert_stands_by(running, f"{name}-twin")
            assert await refused(running) == 0
        assert await running.children[f"{name}-twin"].stop() == 0

        async def rests() -> bool:
            return await running.open_orders() > 0

        await running.until(rests, "an order of the first one rests after the twin's stop")


def forged_order(slug: str, now_ns: int, token: int) -> SubmitOrder:
    return SubmitOrder(
        client_order_id=f"forged.{token}",
        slug=slug,
        outcome=Outcome.UP,
        price_e4=100,
        size_u6=5_000_000,
        tick_e4=100,
        expires_at_ns=now_ns + 60 * NS_PER_S,
        ts_step_ns=now_ns,
        lease_token=token,
    )


@asynccontextmanager
async def forger(running: Engine, user: str = OPERATOR) -> AsyncIterator[RedisBus]:
    """Somebody who reaches Redis with the password of one of its users."""
    bus = RedisBus.connect(
        running.redis.url_of(user), source="forger", run_id="forger", clock_ns=real_now_ns
    )
    try:
        yield bus
    finally:
        await bus.close()


async def test_commands_of_a_strategy_without_the_lease_are_refused_and_told(
    tmp_path: Path,
) -> None:
    """One that lost its lease, or was never given it, and has not noticed."""
    async with engine(tmp_path) as running, forger(running) as bus:
        (slug,) = (await state_of(running, "strategy"))["windows"]
        holder = await holder_of(bus, keys.lease(SERIES))
        assert holder is not None
        now_ns = Clock.from_spec(running.clock_spec).now_ns()
        cancel = CancelWindow(slug=slug, reason="forged", ts_step_ns=now_ns)
        tokens = sorted({0, holder.token - 1, holder.token + 1})
        forged = [forged_order(slug, now_ns, token) for token in tokens]

        async def all_refused() -> bool:
            return await refused(running) == len(forged) + 1

        async with undisturbed(running):
            await bus.publish([Outgoing(keys.cmd(SERIES), order) for order in forged])
            await bus.publish([Outgoing(keys.cmd(SERIES), cancel)])
            await running.until(all_refused, "all refused")
        rejections = (await state_of(running, "executor"))["rejections"]
        assert rejections["no_lease"] == len(forged)
        assert await refused(running) == len(forged) + 1


@pytest.mark.skipif(not has_selectors(find_server()), reason="Redis 6.2 has no selectors")
async def test_commands_of_another_service_are_refused_by_redis_and_told(tmp_path: Path) -> None:
    """Of a feed or userws that was taken over; it knows the lease."""
    async with engine(tmp_path) as running:
        pids = {name: child.pid for name, child in running.children.items()}
        (slug,) = (await state_of(running, "strategy"))["windows"]
        async with forger(running) as bus:
            holder = await holder_of(bus, keys.lease(SERIES))
        assert holder is not None
        now_ns = Clock.from_spec(running.clock_spec).now_ns()
        order = forged_order(slug, now_ns, holder.token)

        async def told() -> bool:
            sample = 'pm_executor_redis_denied_total{kind="key"}'
            return await running.metric("executor", sample) == 2

        async with undisturbed(running):
            for user in ("feed", "userws"):
                async with forger(running, user) as bus:
                    with pytest.raises(TransportError, match="permission") as refusal:
                        await bus.publish([Outgoing(keys.cmd(SERIES), order)])
                    assert not refusal.value.retryable
            await running.until(told, "told by the executor's metric")
        assert running.denied() == [(user, "key", keys.cmd(SERIES)) for user in ("feed", "userws")]
        said = "\n".join(running.children["executor"].tail(2_000))
        assert said.count('"redis_denied"') == 2
        assert await refused(running) == 0, "the command reached the executor"
        assert {name: child.pid for name, child in running.children.items()} == pids


async def test_a_strategy_whose_lease_was_taken_ends_and_places_nothing_more(
    tmp_path: Path,
) -> None:
    async with engine(tmp_path) as running, forger(running) as bus:
        holder = await holder_of(bus, keys.lease(SERIES))
        assert holder is not None
        other = LeaseHolder("other", "other", holder.token + 1)
        await bus.put(keys.lease(SERIES), msgspec.json.encode(other))

        async def ended() -> bool:
            return running.children["strategy"].exit_code is not None

        async def empty() -> bool:
            return await running.open_orders() == 0

        await running.until(ended, "the strategy ends")
        assert "another one holds the lease" in "\n".join(running.children["strategy"].tail(20))
        await running.until(empty, "its orders are cancelled")
