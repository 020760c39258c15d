"""One consumer group per window on real Redis: two windows of a series, one drained and gone.

The feed, the strategy and the executor are three buses with connections of their own, as the
three processes have.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

import pytest
import redis as redis_py

from pmcore.messages.rotation import WindowAnnounced
from pmcore.shell.bus.redis_bus import RedisBus
from pmcore.wire import keys
from pmcore.wire.ports import Ack, GroupInfo, Incoming, Outgoing
from support.messages import (
    ACCOUNT,
    SERIES,
    SLUG_A,
    SLUG_B,
    announced,
    channel,
    command,
    flat,
    status,
)
from support.redis import SERVER_PARAMS

MD, ROT, CMD, EXE = keys.md(SERIES), keys.rot(SERIES), keys.cmd(SERIES), keys.exe(SERIES)
USER = keys.user(ACCOUNT)
CONSUMER = "1"
every_server = pytest.mark.parametrize("redis_url", SERVER_PARAMS, indirect=True)


class Processes(NamedTuple):
    feed: RedisBus
    strategy: RedisBus
    executor: RedisBus
    raw: Any
    url: str


def start(url: str, source: str, run_id: str = "run-1") -> RedisBus:
    return RedisBus.connect(url, source=source, run_id=run_id, clock_ns=lambda: 1)


@pytest.fixture
async def at(redis_url: str) -> AsyncIterator[Processes]:
    feed, strategy, executor = (start(redis_url, name) for name in ("feed", "strategy", "executor"))
    with redis_py.Redis.from_url(redis_url) as raw:
        yield Processes(feed, strategy, executor, raw, redis_url)
    for bus in (feed, strategy, executor):
        await bus.close()


def executor_group(slug: str) -> str:
    return keys.window_group(slug, "executor")


async def announce(feed: RedisBus, slug: str) -> None:
    """As docs/ARCHITECTURE.md says: the account's group first, the announcement last."""
    await feed.create_group(slug, [USER], announce=None)
    await feed.create_group(executor_group(slug), [CMD, MD], announce=None)
    await feed.create_group(slug, [MD, EXE], announce=Outgoing(ROT, announced(slug)))


async def read(
    bus: RedisBus, group: str, streams: Sequence[str], *, noack: bool = False
) -> Sequence[Incoming]:
    return await bus.read(group, CONSUMER, streams, block_ms=1_000, noack=noack)


def acks(group: str, entries: Sequence[Incoming]) -> list[Ack]:
    return [Ack(entry.stream, group, entry.entry_id) for entry in entries]


async def by_name(bus: RedisBus, stream: str) -> dict[str, GroupInfo]:
    return {row.name: row for row in await bus.groups(stream)}


@every_server
async def test_two_windows_live_side_by_side_and_the_old_one_goes(at: Processes) -> None:
    await at.strategy.create_group("strategy", [ROT], start="0", announce=None)

    await announce(at.feed, SLUG_A)
    (first,) = await read(at.strategy, "strategy", [ROT])
    assert isinstance(first.message, WindowAnnounced)
    assert first.message.window.slug == SLUG_A
    await at.strategy.ack(acks("strategy", [first]))

    # A quotes: book -> command -> answer -> fill's channel
    await at.feed.publish([Outgoing(MD, status(1, SLUG_A))])
    (book,) = await read(at.strategy, SLUG_A, [MD], noack=True)
    assert book.message == status(1, SLUG_A)
    await at.strategy.publish([Outgoing(CMD, command(1, SLUG_A))])
    (asked,) = await read(at.executor, executor_group(SLUG_A), [CMD])
    await at.executor.publish(
        [Outgoing(EXE, flat(1, SLUG_A)), Outgoing(USER, channel(1))],
        acks=acks(executor_group(SLUG_A), [asked]),
    )
    answers = await read(at.strategy, SLUG_A, [EXE])
    facts = await read(at.strategy, SLUG_A, [USER])
    await at.strategy.publish([Outgoing(CMD, command(2, SLUG_A))], acks(SLUG_A, [*answers, *facts]))

    # B is announced while A is alive: a person sees both slugs
    await announce(at.feed, SLUG_B)
    names = {row["name"].decode() for row in at.raw.xinfo_groups(MD)}
    assert names == {SLUG_A, SLUG_B, executor_group(SLUG_A), executor_group(SLUG_B)}
    assert (await by_name(at.feed, USER)).keys() == {SLUG_A, SLUG_B}

    # each window has a cursor of its own, and B sees nothing from before its announcement
    await at.feed.publish([Outgoing(MD, status(2, SLUG_A)), Outgoing(MD, status(2, SLUG_B))])
    for slug in (SLUG_A, SLUG_B):
        entries = await read(at.strategy, slug, [MD], noack=True)
        assert [entry.message for entry in entries] == [status(2, SLUG_A), status(2, SLUG_B)]

    # A winds down: drained, then destroyed by those who read it
    left = await read(at.executor, executor_group(SLUG_A), [CMD])
    assert [entry.message for entry in left] == [command(2, SLUG_A)]
    await at.executor.ack(acks(executor_group(SLUG_A), left))
    for stream in (MD, EXE, USER):
        assert (await by_name(at.feed, stream))[SLUG_A].pending == 0
    assert (await by_name(at.feed, CMD))[executor_group(SLUG_A)].pending == 0
    await at.strategy.destroy_group(SLUG_A, [MD, EXE, USER])
    await at.executor.destroy_group(executor_group(SLUG_A), [CMD, MD])

    # B lives on
    assert (await by_name(at.feed, MD)).keys() == {SLUG_B, executor_group(SLUG_B)}
    assert (await by_name(at.feed, USER)).keys() == {SLUG_B}
    await at.strategy.publish([Outgoing(CMD, command(3, SLUG_B))])
    entries = await read(at.executor, executor_group(SLUG_B), [CMD])
    assert [entry.message for entry in entries] == [command(3, SLUG_B)]


@every_server
async def test_a_late_joiner_continues_behind_the_checkpoint(at: Processes) -> None:
    await announce(at.feed, SLUG_A)
    ids = await at.feed.publish([Outgoing(MD, status(n)) for n in range(10)])
    checkpoints = keys.checkpoints(SERIES)
    await at.feed.put_field(checkpoints, SLUG_A, ids[6].encode())
    await read(at.strategy, SLUG_A, [MD], noack=True)

    late = start(at.url, "strategy", "run-2")
    stands_for = (await late.get_fields(checkpoints))[SLUG_A].decode()
    await late.set_group_id(SLUG_A, MD, stands_for)
    entries = await read(late, SLUG_A, [MD], noack=True)
    assert [entry.message for entry in entries] == [status(7), status(8), status(9)]
    await late.close()


@every_server
async def test_what_a_crash_left_is_found_by_the_next_run_and_by_an_heir(at: Processes) -> None:
    await announce(at.feed, SLUG_A)
    group = executor_group(SLUG_A)
    await at.strategy.publish([Outgoing(CMD, command(n)) for n in range(4)])
    taken = await at.executor.read(group, "executor-1", [CMD], block_ms=0, count=2)
    await at.executor.read(group, "executor-2", [CMD], block_ms=0, count=2)
    await at.executor.close()

    restarted = start(at.url, "executor", "run-2")
    own = await restarted.recover(group, "executor-1", [CMD])
    assert [(entry.message, entry.deliveries) for entry in own] == [
        (command(0), 2),
        (command(1), 2),
    ]
    at.raw.xdel(CMD, taken[1].entry_id)
    everything = await restarted.recover(group, "executor-1", [CMD], min_idle_ms=0)
    assert [(entry.message, entry.problem) for entry in everything] == [
        (command(0), ""),
        (None, "lost"),
        (command(2), ""),
        (command(3), ""),
    ]
    await restarted.publish([Outgoing(EXE, flat(1))], acks(group, everything))
    assert (await by_name(restarted, CMD))[group].pending == 0
    await restarted.close()


@every_server
async def test_acknowledgements_of_another_tag_follow_what_they_caused(at: Processes) -> None:
    """The answer is there before the fact is acknowledged: a crash between redelivers the fact."""
    await announce(at.feed, SLUG_A)
    await at.executor.publish([Outgoing(USER, channel(1))])
    facts = await read(at.strategy, SLUG_A, [USER])
    with at.raw.monitor() as monitor:
        await at.strategy.publish([Outgoing(CMD, command(1))], acks(SLUG_A, facts))
        await at.feed.put(keys.halt(ACCOUNT), b"the end")
        names = (line["command"].split()[0] for line in monitor.listen())
        said = list(itertools.takewhile(lambda name: name != "SET", names))
    assert [name for name in said if name != "CLIENT"] == ["XADD", "XACK"]  # a new connection's
