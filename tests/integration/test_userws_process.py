"""The user channel as a process on a real Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pmcore.messages.user import FillReported, TradeStatus, UserChannelChanged, UserChannelState
from pmcore.shell.bus.redis_bus import RedisBus
from pmcore.wire import keys
from support.processes import service_process
from support.userws_world import ADDRESS, KEY, PASSPHRASE, SECRET, UserwsWorld
from support.venue_peer import VenuePeer

pytestmark = pytest.mark.connected


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[UserwsWorld]:
    async with VenuePeer() as peer:
        yield UserwsWorld(peer, tmp_path)


def _variables(world: UserwsWorld, redis_url: str) -> dict[str, str]:
    secret = world.data_dir / "secret"
    secret.write_text(SECRET)
    return {
        "PM_REDIS_URL": redis_url,
        "PM_VENUE": "sim",
        "PM_CLOCK": world.clock.spec(),
        "POLYMARKET_REST_URL": world.peer.http_url,
        "POLYMARKET_DATA_URL": world.peer.http_url,
        "POLYMARKET_WS_BASE_URL": world.peer.ws_url,
        "POLYMARKET_API_KEY": KEY,
        "POLYMARKET_API_SECRET_FILE": str(secret),
        "POLYMARKET_API_PASSPHRASE": PASSPHRASE,
        "POLYMARKET_ADDRESS": ADDRESS,
    }


async def test_fills_while_connected_while_away_and_after_a_restart(
    world: UserwsWorld, redis_url: str
) -> None:
    bus = RedisBus.connect(redis_url, source="strategy", run_id="r", clock_ns=lambda: 1)
    user = keys.user("main")
    await bus.create_group("w", [user], start="0", announce=None)
    async with service_process("pmuserws", world.data_dir, **_variables(world, redis_url)) as one:
        socket = await world.peer.socket()
        await socket.hello()
        await one.wait_for("/readyz")
        await socket.send(world.trade_frame("t1"))

        async def told() -> bool:
            return bool((await one.state())["fills"] == 1)

        await one.until(told, "the fill")
        socket.drop()
        world.trades = [world.trade_row("t1"), world.trade_row("t2")]
        await (await world.peer.socket()).hello()
        await one.wait_for("/readyz")
        assert await one.terminate() == 0
        assert SECRET not in one.log
    world.trades = [world.trade_row("t2", TradeStatus.CONFIRMED)]
    async with service_process("pmuserws", world.data_dir, **_variables(world, redis_url)) as two:
        await (await world.peer.socket()).hello()
        await two.wait_for("/readyz")
        assert await two.terminate() == 0
    read = await bus.read("w", "one", [user], block_ms=1000)
    fills = [item.message for item in read if isinstance(item.message, FillReported)]
    assert [(fill.trade_id, fill.status) for fill in fills] == [
        ("t1", TradeStatus.MATCHED),
        ("t2", TradeStatus.MATCHED),
        ("t2", TradeStatus.CONFIRMED),
    ]
    last = read[-1].message
    assert isinstance(last, UserChannelChanged)
    assert last.state is UserChannelState.DOWN
    await bus.close()


async def test_live_without_credentials_does_not_start(tmp_path: Path, redis_url: str) -> None:
    async with service_process(
        "pmuserws",
        tmp_path,
        PM_REDIS_URL=redis_url,
        PM_DRY_RUN="false",
        PM_USERWS_CREDENTIALS_WAIT_S="0",
    ) as service:
        assert await service.ended() == 2
        assert "userws: no API credentials: set POLYMARKET_API_KEY" in service.log


async def test_dry_needs_nothing_and_is_ready(tmp_path: Path, redis_url: str) -> None:
    async with service_process("pmuserws", tmp_path, PM_REDIS_URL=redis_url) as service:
        await service.wait_for("/readyz")
        assert (await service.state())["channel"] == "idle (dry mode)"
        assert await service.terminate() == 0
