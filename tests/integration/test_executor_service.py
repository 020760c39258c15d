"""The executor on a real Redis and against a venue on real HTTP, restarts and losses included."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pmcore.machines.lease import LeaseHolder
from pmcore.messages.execution import (
    OrderAccepted,
    OrderCancelled,
    OrderFailed,
    OrderSubmitting,
    OrderUnknown,
    WindowFlat,
)
from pmcore.messages.market_data import BookSnapshot, SnapshotOrigin
from pmcore.messages.orders import CancelOrders, CancelWindow
from pmcore.messages.user import OrderUpdated, UserChannelChanged, UserChannelState
from pmcore.model.errors import Reason
from pmcore.model.market import Outcome
from pmcore.shell.bus.redis_bus import RedisBus
from pmcore.shell.clock import real_now_ns
from pmcore.shell.service.errors import StartupError
from pmcore.shell.service.health import Placing
from pmcore.shell.service.lease_keeper import LeaseLostError
from pmcore.wire import keys
from pmcore.wire.ports import Outgoing
from pmexecutor.service import ExecutorService
from support.executor_world import ACCOUNT, CMD, EXE, MD, ROT, SERIES, World, window_now
from support.fake_clob import FakeClob, Reply, drop, hang_after_taking, lose_answer, refuse

pytestmark = pytest.mark.connected


@pytest.fixture
async def world(redis_url: str, tmp_path: Path) -> AsyncIterator[World]:
    bus = RedisBus.connect(redis_url, source="test", run_id="test", clock_ns=real_now_ns)
    async with FakeClob() as clob:
        yield World(bus, clob, redis_url, tmp_path)
    await bus.close()


@asynccontextmanager
async def running(service: ExecutorService, *, crash: bool = False) -> AsyncIterator[None]:
    run = asyncio.create_task(service.run())
    try:
        yield
        assert not run.done(), "the executor died"
    finally:
        if not crash:
            await service.stop()
        run.cancel()
        with suppress(asyncio.CancelledError):
            await run
        await service._context.bus.close()


async def _quoting(world: World) -> None:
    await world.announce()
    await world.peers_are_well()


async def _sent(world: World, service: ExecutorService, order: str) -> OrderSubmitting:
    """An order on its way. One that finds the gate closed again is followed by the next one."""
    await world.clob.until(lambda: bool(world.clob.beats))
    while True:
        await world.until(lambda: _gate_open(service))
        await world.place(order)
        outcome = await world.outcome(order)
        if isinstance(outcome, OrderSubmitting):
            return outcome
        assert outcome.reason is Reason.NO_HEARTBEAT, outcome
        order += "+"


async def _placed(world: World, service: ExecutorService, order: str = "a") -> OrderAccepted:
    """An order that rests."""
    await _sent(world, service, order)
    return await world.hear(OrderAccepted)


async def _gate_open(service: ExecutorService) -> bool:
    return not service.state()["refuses"]


async def test_it_cancels_what_it_finds_and_leaves_credentials_for_userws(world: World) -> None:
    world.clob.add_order("0x0ld", "0x" + "cd" * 32)
    service = world.service()
    assert service.readiness() == ["starting"]
    async with running(service):
        await world.clob.until(lambda: not world.clob.open_ids)
        await world.until(lambda: _is_ready(service))
        path = world.folder / "api_credentials.json"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert json.loads(path.read_text()) == {
            "api_key": "key",
            "secret": "c2VjcmV0",
            "passphrase": "phrase",
            "address": "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A",
        }
        assert "11" * 32 not in repr(service.state())


async def _is_ready(service: ExecutorService) -> bool:
    return not service.readiness()


async def test_a_second_executor_stands_by_and_takes_over(world: World, tmp_path: Path) -> None:
    first, second = world.service(), world.service(data_dir=tmp_path / "second")
    async with running(first, crash=True):
        await _quoting(world)
        order_hash = (await _placed(world, first)).order_hash
        standing_by = asyncio.create_task(second.run())
        await world.until(lambda: _standing_by(second))
        await world.place("b")
        await world.hear(OrderAccepted)
        assert order_hash in world.clob.open_ids
        assert not first.state()["refuses"]
        assert "another one holds the lease" in second.readiness()[0]
    await world.until(lambda: _has_lease(second))  # the first was killed: after the lease's time
    await world.until(lambda: _is_ready(second))
    assert not world.clob.open_ids
    await second.stop()
    standing_by.cancel()
    with suppress(asyncio.CancelledError):
        await standing_by
    await second._context.bus.close()


async def test_an_executor_that_stands_by_leaves_the_others_orders(
    world: World, tmp_path: Path
) -> None:
    first, second = world.service(), world.service(data_dir=tmp_path / "second")
    async with running(first):
        await _quoting(world)
        order_hash = (await _placed(world, first)).order_hash
        async with running(second):
            await world.until(lambda: _standing_by(second))
        assert world.clob.open_ids == [order_hash]


async def test_an_executor_whose_lease_was_taken_ends(world: World) -> None:
    service = world.service()
    run = asyncio.create_task(service.run())
    await world.until(lambda: _has_lease(service))
    view: Any = service.state()["lease"]
    other = LeaseHolder("other", "x", view["token"] + 1)
    await world.bus.put(keys.lease(service._wallet), msgspec.json.encode(other))
    with pytest.raises(BaseExceptionGroup) as ended:
        await run
    assert ended.group_contains(LeaseLostError)
    assert "other" in service._lease_refuses()
    await service.stop()
    await service._context.bus.close()


async def _standing_by(service: ExecutorService) -> bool:
    return "standing by: another" in service.readiness()[0]


async def _has_lease(service: ExecutorService) -> bool:
    view: Any = service.state()["lease"]
    return bool(view and not view["refuses"])


async def test_it_does_not_start_when_it_cannot_cancel(world: World) -> None:
    world.clob.faults["DELETE /cancel-all"].extend([refuse(500, "no")] * 10)
    with pytest.raises(StartupError, match="cannot cancel"):
        await world.service().run()


async def test_an_order_is_recorded_posted_answered_and_acknowledged(world: World) -> None:
    service = world.service()
    async with running(service):
        await _quoting(world)
        placed = await _placed(world, service)
        kinds = [type(message) for message in world.heard]
        assert kinds.index(OrderSubmitting) < kinds.index(OrderAccepted)
        assert world.clob.open_ids == [placed.order_hash]
        assert await world.pending() == 0
        await world.command(
            CancelOrders(
                slug=world.window.slug,
                client_order_ids=(placed.client_order_id,),
                reason="x",
                ts_step_ns=1,
            )
        )
        assert (await world.hear(OrderCancelled)).order_hash == placed.order_hash
        assert not world.clob.open_ids
        hops = service.state()["hop_ms"]
        assert isinstance(hops, dict)
        assert {"cmd_to_executor", "executor_to_venue", "book_to_order"} <= hops.keys()


async def test_its_gate_and_what_closes_it_are_said(world: World) -> None:
    service = world.service()
    health = service._context.health
    assert health.placing == Placing(open=False, reason="the executor is starting")
    async with running(service):
        await world.announce()
        await world.until(lambda: _says(service, "strategy is not there"))
        assert health.placing is not None
        assert not health.placing.open
        await world.peers_are_well()
        await world.until(lambda: _gate_said_open(service))
        assert not service.state()["refuses"]
        assert health.troubles() == []


async def _says(service: ExecutorService, words: str) -> bool:
    return any(words in one.text for one in service._context.health.troubles())


async def _gate_said_open(service: ExecutorService) -> bool:
    placing = service._context.health.placing
    return placing is not None and placing.open


async def test_without_a_heartbeat_nothing_is_placed(world: World) -> None:
    async with running(world.service()):
        await world.announce()
        await world.place()
        failed = await world.hear(OrderFailed)
        assert failed.reason is Reason.NO_HEARTBEAT
        assert "heartbeat" in failed.text
        assert world.clob.requests["POST /order"] == 0


@pytest.mark.parametrize("fault", [lose_answer, drop])
async def test_a_lost_answer_is_found_out_and_never_posted_again(
    world: World, fault: Callable[[FakeClob, Any], Reply]
) -> None:
    service = world.service()
    async with running(service):
        await _quoting(world)
        await _placed(world, service, "first")
        world.clob.faults["POST /order"].append(fault)
        await _sent(world, service, "lost")
        unknown = await world.hear(OrderUnknown)
        if fault is lose_answer:
            assert (await world.hear(OrderCancelled)).order_hash == unknown.order_hash
            assert await world.pending() == 0
        else:  # it may still arrive: it counts, and is searched for, as long as its window lives
            await world.clob.until(lambda: world.clob.requests["DELETE /orders"] > 5)
            assert service.state()["open_orders"] == 2
        assert world.clob.requests["POST /order"] == 2
        assert unknown.order_hash not in world.clob.open_ids


async def test_cancel_window_ends_with_the_venues_word(world: World) -> None:
    service = world.service()
    async with running(service):
        await _quoting(world)
        await _placed(world, service)
        world.clob.add_order("0x57", world.window.condition_id)
        await world.command(CancelWindow(slug=world.window.slug, reason="end", ts_step_ns=1))
        await world.hear(WindowFlat)
        assert not world.clob.open_ids


async def test_a_halt_cancels_and_a_stop_leaves_nothing(world: World) -> None:
    service = world.service()
    async with running(service):
        await _quoting(world)
        await _placed(world, service)
        await service.on_halt("fire")
        await world.hear(OrderCancelled)
        assert not world.clob.open_ids
        await world.place("b")
        assert (await world.hear(OrderFailed)).reason is Reason.HALTED
        await service.on_resume()
        await world.hear(WindowFlat)
        await world.clob.until(lambda: world.clob.requests["DELETE /cancel-all"] == 2)
        await _placed(world, service, "c")
        assert len(world.clob.open_ids) == 1
    assert not world.clob.open_ids


async def test_a_crash_during_the_post_never_posts_again(world: World) -> None:
    first = world.service()
    async with running(first, crash=True):
        await _quoting(world)
        before = await _placed(world, first, "before")
        world.clob.faults["POST /order"].append(hang_after_taking)
        interrupted = await _sent(world, first, "interrupted")
        await world.clob.until(lambda: len(world.clob.posted) == 2)
    posts = world.clob.requests["POST /order"]
    assert len(world.clob.open_ids) == 2
    second = world.service()
    async with running(second):
        ended = {(await world.hear(OrderCancelled)).client_order_id for _ in range(2)}
        assert ended == {before.client_order_id, interrupted.client_order_id}
        assert world.clob.requests["POST /order"] == posts
        assert not world.clob.open_ids


async def test_pending_submits_of_a_crash_are_resolved_or_refused(world: World) -> None:
    """One was recorded and perhaps sent, one was only read: neither is ever sent."""
    await _quoting(world)
    await world.place("recorded")
    await world.place("only-read")
    group = keys.window_group(world.window.slug, "executor")
    assert len(await world.bus.read(group, "one", [CMD], block_ms=100)) == 2
    world.clob.add_order("0x" + "fe" * 32, world.window.condition_id)
    submitting = OrderSubmitting(
        slug=world.window.slug,
        client_order_id="recorded",
        order_hash="0x" + "fe" * 32,
        ts_exec_ns=1,
    )
    await world.bus.publish([Outgoing(EXE, submitting)])
    async with running(world.service()):
        failed = await world.hear(OrderFailed)
        cancelled = await world.hear(OrderCancelled)
    assert (failed.client_order_id, failed.reason) == ("only-read", Reason.EXPIRED)
    assert cancelled.client_order_id == "recorded"
    assert world.clob.requests["POST /order"] == 0
    assert await world.pending() == 0


async def test_an_order_gets_its_end_although_its_window_was_over_before_the_start(
    world: World,
) -> None:
    """The executor was away until long after the close: nothing rests, and that is said."""
    world.window = window_now(ends_in_s=-10)
    await _quoting(world)
    await world.place("recorded")
    group = keys.window_group(world.window.slug, "executor")
    assert await world.bus.read(group, "one", [CMD], block_ms=100)
    await world.bus.create_group("executor", [ROT], start="0", announce=None)
    assert await world.bus.read("executor", "one", [ROT], block_ms=100)
    submitting = OrderSubmitting(
        slug=world.window.slug,
        client_order_id="recorded",
        order_hash="0x" + "fe" * 32,
        ts_exec_ns=1,
    )
    await world.bus.publish([Outgoing(EXE, submitting)])
    async with running(world.service(window_linger_s=0)):
        failed = await world.hear(OrderFailed)
        assert (failed.client_order_id, failed.reason) == ("recorded", Reason.LOST)
        await world.until(lambda: _has_groups(world, False))


async def test_a_window_that_is_over_is_left_and_its_groups_destroyed(world: World) -> None:
    world.window = window_now(ends_in_s=2)
    service = world.service(window_linger_s=0)
    async with running(service):
        await _quoting(world)
        await world.until(lambda: _has_groups(world, False))
        await world.until(lambda: _is_settled(world))  # after its groups


async def _is_settled(world: World) -> bool:
    """Whether its announcement is acknowledged."""
    rows = await world.bus.groups(ROT)
    return [row.pending for row in rows if row.name == "executor"] == [0]


async def _has_groups(world: World, wanted: bool) -> bool:
    return bool(await world.bus.groups(CMD)) is wanted


async def test_on_paper_a_series_has_limits_of_its_own_too(world: World) -> None:
    paper: dict[str, Any] = {"venue": "polymarket", "dry_run": True, "paper_latency_ms": "5"}
    own = world.service(**paper, max_net_diff=6)._context.settings
    service = world.service(**paper, by_series={SERIES: own})
    async with running(service):
        await world.announce()
        await world.place("a")
        assert isinstance(await world.outcome("a"), OrderSubmitting)
        await world.place("b")
        failed = await world.outcome("b")
        assert isinstance(failed, OrderFailed)
        assert failed.text == "the net position could reach PM_MAX_NET_DIFF: 10000000"


async def test_paper_speaks_on_the_user_stream_and_sends_nothing(world: World) -> None:
    user = keys.user(ACCOUNT)
    service = world.service(venue="polymarket", dry_run=True, paper_latency_ms="5")
    await world.bus.create_group("test", [user], start="0", announce=None)
    async with running(service):
        assert (await world.hear(UserChannelChanged, stream=user)).state is UserChannelState.DOWN
        await world.announce()
        assert (await world.hear(UserChannelChanged, stream=user)).state is UserChannelState.UP
        now_ns = real_now_ns()
        for outcome in Outcome:
            book = BookSnapshot(
                slug=world.window.slug,
                outcome=outcome,
                bids=((4_600, 10**8),),
                asks=((4_800, 10**8),),
                hash="",
                origin=SnapshotOrigin.SUBSCRIBE,
                ts_event_ns=now_ns,
                ts_recv_ns=now_ns,
            )
            await world.bus.publish([Outgoing(MD, book)])
        await world.place()
        accepted = await world.hear(OrderAccepted)
        placed = await world.hear(OrderUpdated, stream=user)
        assert placed.order_hash == accepted.order_hash
        await world.command(CancelWindow(slug=world.window.slug, reason="end", ts_step_ns=1))
        await world.hear(OrderCancelled)
        await world.hear(WindowFlat)

        async def has_ticked() -> bool:
            shown = service._context.metrics.render().decode()
            return "pm_executor_heartbeat_age_seconds -1.0" in shown

        await world.until(has_ticked)
        assert set(service.state()["paper_profits"]) == {"pessimistic", "central", "optimistic"}
        shown = service._context.metrics.render().decode()
        assert 'pm_executor_paper_profit_dollars{kind="settled",model="central"} 0.0' in shown
    assert not world.clob.requests
    assert not (world.folder / "api_credentials.json").exists()
