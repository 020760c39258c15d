"""The bus on a Cluster: every transaction stays within one slot, whichever node serves it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest
import redis as redis_py
from redis.crc import key_slot

from pmcore.model.errors import Sent, TransportError
from pmcore.shell.bus.redis_bus import RedisBus
from pmcore.shell.bus.redis_nodes import Nodes
from pmcore.shell.service.tasks import retry_until_answered
from pmcore.wire import keys
from pmcore.wire.ports import Ack, Outgoing
from support.messages import ACCOUNT, SLUG_A, announced, channel, command, flat, status
from support.redis_cluster import ClusterSet, cluster_nodes, redis_cluster

SERIES = ("btc-15m", "eth-15m", "sol-5m", "xrp-1h")


def test_keys_of_one_tag_share_a_slot() -> None:
    for series in SERIES:
        made = [make(series) for make in (keys.md, keys.rot, keys.cmd, keys.exe, keys.dlq)]
        made.append(keys.checkpoints(series))
        assert len({key_slot(key.encode()) for key in made}) == 1
    account = [keys.user(ACCOUNT), keys.ctl(ACCOUNT), keys.halt(ACCOUNT), keys.alive(ACCOUNT, "x")]
    assert len({key_slot(key.encode()) for key in account}) == 1
    assert len({key_slot(keys.md(series).encode()) for series in SERIES}) == len(SERIES)


@pytest.fixture(scope="module")
def node_urls() -> Iterator[list[str]]:
    with redis_cluster() as urls:
        yield urls


@pytest.fixture
async def bus(node_urls: list[str]) -> AsyncIterator[RedisBus]:
    for url in node_urls:
        with redis_py.Redis.from_url(url) as client:
            client.flushall()
    bus = RedisBus.connect(node_urls[0], source="strategy", run_id="run-1", clock_ns=lambda: 1)
    yield bus
    await bus.close()


@pytest.mark.connected
async def test_the_series_live_on_several_nodes(node_urls: list[str], bus: RedisBus) -> None:
    for series in SERIES:
        await bus.publish([Outgoing(keys.md(series), status(1))])
    sizes = []
    for url in node_urls:
        with redis_py.Redis.from_url(url) as client:
            sizes.append(client.dbsize())
    assert sum(sizes) == len(SERIES)
    assert len([size for size in sizes if size]) > 1


@pytest.mark.connected
@pytest.mark.parametrize("series", SERIES)
async def test_a_window_lives_on_a_cluster(bus: RedisBus, series: str) -> None:
    md, cmd, exe, rot = keys.md(series), keys.cmd(series), keys.exe(series), keys.rot(series)
    user = keys.user(ACCOUNT)
    await bus.create_group("strategy", [rot], start="0", announce=None)
    await bus.create_group(SLUG_A, [user], announce=None)
    await bus.create_group(SLUG_A, [md, cmd, exe], announce=Outgoing(rot, announced()))
    waiting = asyncio.create_task(bus.read(SLUG_A, "c", [md, exe], block_ms=5_000))
    await bus.publish([Outgoing(cmd, command(1)), Outgoing(user, channel(1))])
    (asked,) = await bus.read(SLUG_A, "c", [cmd], block_ms=0)
    (fact,) = await bus.read(SLUG_A, "c", [user], block_ms=0)
    await bus.publish(
        [Outgoing(exe, flat(1))],
        acks=[Ack(cmd, SLUG_A, asked.entry_id), Ack(user, SLUG_A, fact.entry_id)],
    )
    (answer,) = await waiting
    assert answer.message == flat(1)
    assert [(await bus.groups(stream))[0].pending for stream in (cmd, user)] == [0, 0]
    (found,) = await bus.recover(SLUG_A, "c", [md, exe])
    assert found.message == flat(1)
    await bus.put_field(keys.checkpoints(series), SLUG_A, b"book")
    assert await bus.get_fields(keys.checkpoints(series)) == {SLUG_A: b"book"}
    await bus.destroy_group(SLUG_A, [md, cmd, exe, user])
    assert list(await bus.groups(cmd)) == []


@pytest.mark.connected
async def test_a_slot_that_moved_is_found_again(node_urls: list[str], bus: RedisBus) -> None:
    md = keys.md("doge-15m")
    slot = key_slot(md.encode())
    await bus.ping()
    await bus.tail_id(md)
    clients: list[Any] = [redis_py.Redis.from_url(url) for url in node_urls]
    ids = [client.execute_command("CLUSTER", "MYID").decode() for client in clients]
    owner = next(i for i in range(3) if slot * 3 // 16_384 == i)
    heir = (owner + 1) % 3
    for client in (clients[heir], clients[owner], clients[3 - owner - heir]):
        client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[heir])
    with pytest.raises(TransportError) as moved:
        await bus.publish([Outgoing(md, status(1))])
    assert (moved.value.retryable, moved.value.sent) == (True, Sent.NO)
    (entry_id,) = await bus.publish([Outgoing(md, status(1))])
    assert await bus.tail_id(md) == entry_id
    for client in clients:
        client.close()


@pytest.mark.connected
async def test_a_node_that_says_nothing_is_asked_once(node_urls: list[str]) -> None:
    """Its host is cut off: nobody refuses, so each question to it costs its whole time limit."""
    asked = 0

    async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await reader.read()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        url = node_urls[0].replace("://", f"://127.0.0.1:{port},")
        nodes = Nodes(url, "test")
        for _ in range(8):
            assert await nodes.address("btc-15m") is not None
            nodes.forget()
        await nodes.close()
    assert asked == 1


@pytest.mark.connected
@pytest.mark.timeout(60)
@pytest.mark.parametrize("named", ["one", "all"])
async def test_the_bus_goes_on_when_the_node_of_a_series_dies(named: str) -> None:
    """Also when it is the only one that the URL names: the others were learnt from it."""
    md = keys.md("btc-15m")
    with cluster_nodes(replicas=True, timeout_ms=1_000) as nodes:
        servers = ClusterSet(nodes)
        gone = servers.owner(md)
        bus = RedisBus.connect(
            gone.url if named == "one" else servers.address,
            source="strategy",
            run_id="run-1",
            clock_ns=lambda: 1,
        )
        await bus.create_group("g", [md], announce=None)
        await bus.publish([Outgoing(md, status(1))])
        read = partial(bus.read, "g", "c", [md], block_ms=5_000)
        (first,) = await read()
        with redis_py.Redis.from_url(gone.url) as operator:
            assert operator.wait(1, 2_000) == 1
        waiting = asyncio.create_task(retry_until_answered(read))
        gone.kill()
        await retry_until_answered(partial(bus.publish, [Outgoing(md, status(2))]))
        heard = await waiting or await retry_until_answered(read)
        assert [first.message, heard[-1].message] == [status(1), status(2)]
        await bus.ping()
        assert servers.owner(md) is not gone
        await bus.close()
