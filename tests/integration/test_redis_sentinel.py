"""The bus on a primary with replicas and Sentinels: what a failover does to each kind of call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext
from functools import partial
from io import StringIO

import pytest
import redis as redis_py
from redis.exceptions import ConnectionError

from pmcore.messages.union import StreamMessage
from pmcore.model.errors import Sent, TransportError
from pmcore.shell.bus.redis_bus import RedisBus
from pmcore.shell.bus.redis_client import close_client, make_client
from pmcore.shell.bus.sentinels import be_a_primary
from pmcore.shell.service.lease_keeper import LeaseKeeper
from pmcore.shell.service.logs import configure_logs
from pmcore.shell.service.tasks import retry_until_answered
from pmcore.wire import keys
from pmcore.wire.access import OPERATOR
from pmcore.wire.ports import Ack, Outgoing
from pmtools.ports import free_port
from pmtools.run.redis_server import LocalRedis
from support.messages import SERIES, command
from support.redis_sentinel import RedisSet, redis_set, until
from support.whole_engine import REDIS_PASSWORDS

CMD = keys.cmd(SERIES)
LEASE = keys.lease(SERIES)
BLOCK_MS = 1_000
pytestmark = [pytest.mark.connected, pytest.mark.timeout(60)]


@pytest.fixture
def servers() -> Iterator[RedisSet]:
    with redis_set() as made:
        yield made


def connect(url: str, replicas: int = 0) -> RedisBus:
    return RedisBus.connect(
        url, source="strategy", run_id="run-1", clock_ns=lambda: 1, replicas=replicas
    )


@pytest.fixture
async def bus(servers: RedisSet) -> AsyncIterator[RedisBus]:
    made = connect(servers.url_of(), replicas=1)
    await made.create_group("g", [CMD], announce=None)
    yield made
    await made.close()


async def read_until(bus: RedisBus, last: asyncio.Future[StreamMessage]) -> list[StreamMessage]:
    """All that comes, up to the one that was published last."""
    read = partial(bus.read, "g", "c", [CMD], block_ms=BLOCK_MS)
    heard: list[StreamMessage] = []
    while not (last.done() and last.result() in heard):
        batch = await retry_until_answered(read)
        heard += [item.message for item in batch if item.message is not None]
        acks = [Ack(CMD, "g", item.entry_id) for item in batch]
        await retry_until_answered(partial(bus.ack, acks))
    return heard


def replicated(servers: RedisSet) -> bool:
    """All replicas have what the primary has."""
    with redis_py.Redis.from_url(servers.url) as client:
        return bool(client.wait(0, 0) == 2) and client.execute_command("WAIT", 2, 500) == 2


@pytest.mark.parametrize("planned", [False, True], ids=["killed", "planned"])
async def test_readers_and_writers_go_on_at_the_promoted_replica(
    servers: RedisSet, bus: RedisBus, planned: bool
) -> None:
    last: asyncio.Future[StreamMessage] = asyncio.get_running_loop().create_future()
    reading = asyncio.create_task(read_until(bus, last))
    before = [command(number) for number in range(10)]
    for message in before:
        await bus.publish([Outgoing(CMD, message)])
    while (await bus.groups(CMD))[0].lag:  # noqa: ASYNC110 - the reader rings no bell
        await asyncio.sleep(0.01)
    await asyncio.to_thread(until, partial(replicated, servers), "two replicas")
    old = servers.primary()
    await asyncio.to_thread(servers.fail_over if planned else servers.kill_primary)
    await asyncio.to_thread(servers.until_promoted, old)
    with redis_py.Redis.from_url(servers.url) as promoted:
        for number in range(10, 1_000):
            message = command(number)
            await retry_until_answered(partial(bus.publish, [Outgoing(CMD, message)]))
            if promoted.xlen(CMD) > len(before):
                break
    last.set_result(message)
    async with asyncio.timeout(30):
        heard = await reading
    assert heard[:10] == before


async def test_a_lease_counts_when_a_replica_has_it(servers: RedisSet, bus: RedisBus) -> None:
    assert await bus.swap(LEASE, expected=None, value=b"1", ttl_ms=60_000, replicated=True)
    gone = await asyncio.to_thread(servers.kill_primary)
    await asyncio.to_thread(servers.until_promoted, gone)
    assert await retry_until_answered(partial(bus.get, LEASE)) == b"1"


async def test_a_lease_that_no_replica_has_is_not_held_by_two_after_a_failover() -> None:
    """Taken at a primary that no replica follows; then one of them is promoted."""
    with redis_set(REDIS_PASSWORDS) as servers:
        log = configure_logs("strategy", "error", StringIO())
        buses = [connect(servers.url_of(OPERATOR), replicas=1) for _ in range(2)]
        first, second = (
            LeaseKeeper(bus, LEASE, deployment=name, run_id="1", log=log)
            for name, bus in zip("ab", buses, strict=True)
        )
        await asyncio.to_thread(servers.cut_off_replicas)
        said: list[str] = []
        taking = asyncio.create_task(first.wait_for_it(said.append))
        while not (said or taking.done()):  # noqa: ASYNC110 - the keeper rings no bell
            await asyncio.sleep(0.01)
        await asyncio.to_thread(servers.kill_primary)
        await asyncio.to_thread(servers.until_promoted, servers.nodes[0])
        await asyncio.to_thread(servers.let_replicas_follow)
        also_taking = asyncio.create_task(second.wait_for_it())
        await asyncio.wait({taking, also_taking}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({also_taking}, timeout=1.0)
        holders = [keeper for keeper in (first, second) if not keeper.refuses()]
        assert len(holders) == 1
        assert "0 of 1 replicas have it" in said[0]
        for task in (taking, also_taking):
            task.cancel()
        for bus in buses:
            await bus.close()


async def test_without_a_replica_a_lease_is_written_and_does_not_count() -> None:
    with LocalRedis() as redis:
        bus = connect(redis.url, replicas=1)
        with pytest.raises(TransportError, match="0 of 1 replicas have it") as unconfirmed:
            await bus.swap(LEASE, expected=None, value=b"1", ttl_ms=60_000, replicated=True)
        assert (unconfirmed.value.retryable, unconfirmed.value.sent) == (True, Sent.YES)
        assert await bus.get(LEASE) == b"1"
        assert not await bus.swap(LEASE, expected=b"2", value=None, replicated=True)
        assert await bus.swap(LEASE, expected=b"1", value=b"2")
        await bus.close()


async def test_a_primary_without_enough_replicas_refuses_for_now() -> None:
    """`min-replicas-to-write`: no reason to end."""
    with LocalRedis(arguments=["--min-replicas-to-write", "1"]) as redis:
        bus = connect(redis.url)
        for refused in (
            bus.publish([Outgoing(CMD, command(0))]),
            bus.put(LEASE, b"1"),
            bus.swap(LEASE, expected=None, value=b"1"),
        ):
            with pytest.raises(TransportError, match="NOREPLICAS") as refusal:
                await refused
            assert refusal.value.retryable
        await bus.close()


async def test_a_reader_waiting_at_a_server_that_becomes_a_replica_does_not_end() -> None:
    with LocalRedis() as redis, redis_py.Redis.from_url(redis.url) as operator:
        bus = connect(redis.url)
        await bus.create_group("g", [CMD], announce=None)
        waiting = asyncio.create_task(bus.read("g", "c", [CMD], block_ms=10_000))
        while not operator.info("clients")["blocked_clients"]:  # noqa: ASYNC110 - the server knows
            await asyncio.sleep(0.001)
        operator.replicaof("127.0.0.1", free_port())
        with pytest.raises(TransportError, match="instance state changed") as refusal:
            await waiting
        assert refusal.value.retryable
        await bus.close()


async def test_a_connection_to_a_replica_is_refused(servers: RedisSet, bus: RedisBus) -> None:
    """A demoted server would answer, and what it has may be old."""
    await bus.put(LEASE, b"1")
    for node, refused in ((servers.nodes[0], False), (servers.nodes[1], True)):
        client = make_client(
            node.url, address=None, name="t", max_connections=1, on_connect=be_a_primary
        )
        with pytest.raises(ConnectionError, match="replica now") if refused else nullcontext():
            assert await client.get(LEASE) == b"1"
        await close_client(client)


async def test_sentinels_that_do_not_answer_are_no_redis() -> None:
    bus = connect(f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{free_port()}/pm")
    with pytest.raises(TransportError, match="no Sentinel knows pm") as refusal:
        await bus.ping()
    assert refusal.value.retryable
    await bus.close()


async def test_one_sentinel_that_is_gone_is_not_missed(servers: RedisSet) -> None:
    gone = f"127.0.0.1:{free_port()}"
    url = servers.url_of().replace("sentinel://", f"sentinel://{gone},", 1)
    bus = connect(url)
    await bus.ping()
    await bus.close()


async def test_a_wrong_name_or_password_is_told(servers: RedisSet) -> None:
    for url, text in (
        (servers.url_of().replace("/pm/0", "/other/0"), "No such master"),
        (servers.address, "NOAUTH|Authentication required"),
    ):
        bus = connect(url)
        with pytest.raises(TransportError, match=text):
            await bus.ping()
        await bus.close()


def test_the_set_is_whole(servers: RedisSet) -> None:
    until(lambda: replicated(servers), "two replicas")
