"""What Redis had and lost is told again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pmcore.messages.user import (
    FillReported,
    PositionsRead,
    UserChannelChanged,
    UserChannelState,
)
from pmcore.wire import keys
from pmuserws import channel
from pmuserws.told import KEPT, ToldMessages
from support.userws_world import ACCOUNT, UserwsWorld
from support.venue_peer import VenuePeer, eventually

UP = UserChannelState.UP


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[UserwsWorld]:
    async with VenuePeer() as peer:
        yield UserwsWorld(peer, tmp_path)


@pytest.mark.parametrize("more", [True, False], ids=["with-a-message", "by-itself"])
async def test_what_redis_had_and_lost_is_told_again(
    world: UserwsWorld, monkeypatch: pytest.MonkeyPatch, more: bool
) -> None:
    """A promoted replica, or a restart, without the last entries; readers see a gap."""
    monkeypatch.setattr(channel, "LOOK_S", 0.05)
    async with world.running():
        socket = await world.connected()
        await socket.send(world.trade_frame("t1"), world.trade_frame("t2"))
        await eventually(lambda: len(world.messages(FillReported)) == 2, "two fills")
        stream = world.store.stream(keys.user(ACCOUNT))
        for entry_id in stream.after((0, 0), 100)[-2:]:
            stream.drop(entry_id)
        if more:
            await socket.send(world.trade_frame("t3"))
        wanted = ["t1", "t2", "t3"] if more else ["t1", "t2"]

        def told() -> list[str]:
            return [fill.trade_id for fill in world.messages(FillReported)]

        await eventually(lambda: told() == wanted, "all told again, in order")
        assert "own_messages_lost" in world.logs.getvalue()


def test_of_what_was_told_the_newest_is_kept() -> None:
    told = ToldMessages()
    state = UserChannelChanged(state=UP, ts_recv_ns=1)
    told.note([f"{number}-0" for number in range(KEPT + 2)], [state] * (KEPT + 2))
    assert told.lost(f"{KEPT}-0") == [state]
    assert len(told.lost("0-0")) == KEPT - 1
    assert not told


def test_a_reading_of_positions_is_not_told_again() -> None:
    told = ToldMessages()
    state = UserChannelChanged(state=UP, ts_recv_ns=1)
    told.note(["1-0", "1-1"], [state, PositionsRead(held=(), asked_ns=1, ts_recv_ns=1)])
    assert told.lost("0-5") == [state]
