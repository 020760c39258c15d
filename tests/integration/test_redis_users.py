"""Each service is a user of Redis who may do what it does, and nothing else; TLS to Redis.

A command forged by another service: `test_single_writer.py`.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis as redis_py
import uvloop
from redis.exceptions import AuthenticationError, NoPermissionError

from pmcore.messages.market_data import FeedState, FeedStatusChanged
from pmcore.model.errors import TransportError
from pmcore.shell.bus.janitor import trim_streams
from pmcore.shell.bus.redis_bus import RedisBus
from pmcore.shell.settings.common import CommonSettings, check_settings
from pmcore.wire import keys
from pmcore.wire.access import SERVICES
from pmcore.wire.ports import Outgoing
from pmexecutor.recovery import read_traces
from pmtools.ports import free_port
from pmtools.run.redis_server import (
    LocalRedis,
    find_server,
    has_selectors,
    new_passwords,
)
from support import messages
from support.redis import BINARIES
from support.whole_engine import engine

pytestmark = [pytest.mark.connected, pytest.mark.timeout(150)]
selectors = pytest.mark.skipif(
    not has_selectors(find_server()), reason="Redis 6.2 has no selectors"
)

SERIES, ACCOUNT, WALLET = "btc-15m", "main", "0xabc"
WRITES = {
    **{
        name: ("XADD", key, "*", "m", "forged")
        for name, key in {
            "md": keys.md(SERIES),
            "rot": keys.rot(SERIES),
            "cmd": keys.cmd(SERIES),
            "exe": keys.exe(SERIES),
            "dlq": keys.dlq(SERIES),
            "user": keys.user(ACCOUNT),
        }.items()
    },
    "checkpoints": ("HSET", keys.checkpoints(SERIES), "slug", "forged"),
    "results": ("HSET", keys.results(ACCOUNT), "slug", "forged"),
    "unreadable": ("HSET", keys.unreadable(ACCOUNT), "entry", "forged"),
    "lease of a series": ("SET", keys.lease(SERIES), "forged"),
    "lease of a wallet": ("SET", keys.lease(WALLET), "forged"),
    "token of a series": ("SET", keys.last_token(keys.lease(SERIES)), "9"),
    "token of a wallet": ("SET", keys.last_token(keys.lease(WALLET)), "9"),
    **{f"alive {name}": ("SET", keys.alive(ACCOUNT, name), "forged") for name in SERVICES},
}
"""What each service could do to another, by name."""

OWN = {
    "feed": {"md", "rot", "checkpoints"},
    "strategy": {
        *("cmd", "dlq", "results", "unreadable", "lease of a series", "token of a series"),
    },
    "executor": {"exe", "user", "lease of a wallet", "token of a wallet"},
    "userws": {"user"},
    "simulator": set(),
}
NEVER = (
    *(("FLUSHALL",), ("FLUSHDB",), ("CONFIG", "GET", "*"), ("ACL", "LIST"), ("ACL", "WHOAMI")),
    *(("KEYS", "*"), ("SHUTDOWN",), ("SAVE",), ("MONITOR",)),
    *(("REPLICAOF", "NO", "ONE"), ("SCRIPT", "FLUSH"), ("MODULE", "LIST"), ("INFO",)),
    *(("RENAME", keys.cmd(SERIES), keys.ctl(ACCOUNT)), ("DEL", keys.cmd(SERIES))),
    *(("XDEL", keys.user(ACCOUNT), "1-1"), ("XRANGE", "other", "-", "+")),
)


@pytest.fixture(scope="module")
def closed() -> Iterator[LocalRedis]:
    with LocalRedis(passwords=new_passwords()) as server:
        yield server


@selectors
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_writes_what_is_its_own_and_nothing_else(
    closed: LocalRedis, service: str
) -> None:
    allowed = set()
    with redis_py.Redis.from_url(closed.url_of(service)) as client:
        for name, command in WRITES.items():
            try:
                client.execute_command(*command)
            except NoPermissionError:
                continue
            allowed.add(name)
    assert allowed == OWN[service] | {f"alive {service}"}


@selectors
@pytest.mark.parametrize("service", SERVICES)
def test_a_script_may_do_no_more_than_its_user(closed: LocalRedis, service: str) -> None:
    halt = keys.halt(ACCOUNT)
    others = keys.exe(SERIES) if service == "strategy" else keys.cmd(SERIES)
    add = "return redis.call('XADD', {}, '*', 'm', 'forged')"
    with redis_py.Redis.from_url(closed.url_of(service)) as client:
        for script, key in ((add.format("KEYS[1]"), others), (add.format(f"'{others}'"), halt)):
            with pytest.raises(redis_py.ResponseError, match=r"permission|can't access"):
                client.eval(script, 1, key)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("command", NEVER, ids=" ".join)
def test_no_service_can_do_what_none_needs(
    closed: LocalRedis, service: str, command: tuple[str, ...]
) -> None:
    url = closed.url_of(service)
    with redis_py.Redis.from_url(url) as client, pytest.raises(NoPermissionError):
        client.execute_command(*command)


@pytest.mark.parametrize("version", BINARIES or ["none"])
def test_nobody_gets_in_without_a_user_and_his_password(version: str) -> None:
    with LocalRedis(server=BINARIES[version], passwords=new_passwords()) as server:
        stranger = redis_py.Redis(port=server.port)
        with pytest.raises(AuthenticationError):
            stranger.ping()
        for user, password in (("default", "guess"), ("feed", "guess"), ("nobody", "guess")):
            guesser = redis_py.Redis(port=server.port, username=user, password=password)
            with pytest.raises(AuthenticationError):
                guesser.ping()
        for user in server.passwords:
            with redis_py.Redis.from_url(server.url_of(user)) as client:
                assert client.ping()
        assert server.pid is not None
        shown = Path(f"/proc/{server.pid}/cmdline").read_bytes()
        assert not any(password.encode() in shown for password in server.passwords.values())


@pytest.mark.parametrize("version", BINARIES or ["none"])
def test_what_was_written_as_one_is_there_after_a_crash_of_redis(
    version: str, tmp_path: Path
) -> None:
    """Redis reads its file as the user `default`: without rights it drops every transaction."""
    kept = ("--appendonly", "yes", "--appendfsync", "always", "--dir", str(tmp_path))
    server = LocalRedis(server=BINARIES[version], passwords=new_passwords(), arguments=kept)
    stream, halt = keys.exe(SERIES), keys.halt(ACCOUNT)
    with server:
        with redis_py.Redis.from_url(server.url) as client, client.pipeline() as together:
            together.xadd(stream, {"m": "1"})
            together.xadd(stream, {"m": "2"})
            together.execute()
            client.xadd(stream, {"m": "3"})
            client.eval(
                "redis.call('SET', KEYS[1], 'a') redis.call('APPEND', KEYS[1], 'b')", 1, halt
            )
        server.kill()
        server.start()
        with redis_py.Redis.from_url(server.url) as client:
            assert (client.xlen(stream), client.get(halt)) == (3, b"ab")


@selectors
async def test_nothing_that_the_services_do_is_refused(tmp_path: Path) -> None:
    """Not at a start, a recovery, a kill, a resume, or an end."""
    async with engine(tmp_path) as running:
        for name in ("strategy", "executor", "userws", "feed"):
            await running.restart(name)
        await running.until_quoting("the restarts")
        assert (await running.service("feed").post("/kill", {"reason": "test"})).ok
        assert (await running.service("userws").post("/resume", {})).ok
        await running.until_quoting("a kill and a resume")
        await running.stop_all()
        assert running.denied() == []


@selectors
async def test_what_the_services_do_seldom_is_allowed_too(closed: LocalRedis) -> None:
    """The janitor, dead letters, and dry mode."""
    slug = messages.SLUG_A
    async with bus_of(closed, "feed") as feed:
        series = [kind(SERIES) for kind in (keys.rot, keys.cmd, keys.exe)]
        await trim_streams(feed, [keys.user(ACCOUNT), keys.ctl(ACCOUNT), *series])
        await feed.put_field(keys.checkpoints(SERIES), slug, b"{}")
        groups = [f"{slug}:executor", slug]
        await feed.create_group(groups[0], [keys.cmd(SERIES), keys.md(SERIES)], announce=None)
        await feed.create_group(groups[1], [keys.user(ACCOUNT)], announce=None)
        await feed.publish([Outgoing(keys.md(SERIES), messages.status(1))])
    async with bus_of(closed, "executor") as executor:
        read = await executor.read(groups[0], "one", [keys.md(SERIES)], block_ms=1, noack=True)
        assert len(read) == 1
        await executor.publish([Outgoing(keys.user(ACCOUNT), messages.channel(1))])
        await read_traces(executor, keys.exe(SERIES), "one", "1-0")
        assert await executor.denials() is not None
    async with bus_of(closed, "strategy") as strategy:
        assert len(await strategy.read(slug, "one", [keys.user(ACCOUNT)], block_ms=1)) == 1
        assert len(await strategy.recover(slug, "one", [keys.user(ACCOUNT)])) == 1
        await strategy.put_field(keys.unreadable(ACCOUNT), "entry", b"open")
        await strategy.put_field(keys.unreadable(ACCOUNT), "entry", None)
        assert await strategy.tail_id(keys.dlq(SERIES)) != ""


@asynccontextmanager
async def bus_of(redis: LocalRedis, user: str) -> AsyncIterator[RedisBus]:
    bus = RedisBus.connect(redis.url_of(user), source=user, run_id="r", clock_ns=lambda: 1)
    try:
        yield bus
    finally:
        await bus.close()


class Certificates:
    """A CA, and a key and a certificate for a server on 127.0.0.1."""

    def __init__(self, folder: Path, name: str) -> None:
        self.ca, self.key, self.cert = (folder / f"{name}.{kind}" for kind in ("ca", "key", "crt"))
        ca_key, request = folder / f"{name}.ca.key", folder / f"{name}.csr"
        addresses = folder / f"{name}.ext"
        addresses.write_text("subjectAltName=IP:127.0.0.1\n")
        new = ("req", "-newkey", "rsa:2048", "-noenc", "-subj", f"/CN={name}")
        self._openssl(*new, "-x509", "-days", "2", "-keyout", ca_key, "-out", self.ca)
        self._openssl(*new, "-keyout", self.key, "-out", request)
        signing = ("x509", "-req", "-days", "2", "-CAcreateserial", "-extfile", addresses)
        self._openssl(*signing, "-in", request, "-CA", self.ca, "-CAkey", ca_key, "-out", self.cert)

    def _openssl(self, *arguments: str | Path) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def _speaks_tls(server: Path) -> bool:
    said = subprocess.run([server, "--tls-port", "x"], capture_output=True, check=False)
    return b"Bad directive" not in said.stdout + said.stderr


@pytest.mark.skipif(not _speaks_tls(find_server()), reason="this Redis was built without TLS")
async def test_redis_is_reached_by_tls_and_only_with_the_right_ca(tmp_path: Path) -> None:
    ours, strangers = Certificates(tmp_path, "ours"), Certificates(tmp_path, "strangers")
    port = free_port()
    tls = ("--tls-port", str(port), "--tls-auth-clients", "no")
    files = ("--tls-cert-file", str(ours.cert), "--tls-key-file", str(ours.key))
    passwords = new_passwords() | {"feed": "with/odd:signs@?#%"}
    with LocalRedis(passwords=passwords, arguments=(*tls, *files)):

        async def reach(url: str, ca: Path | None) -> None:
            given = {"PM_REDIS_URL": url, "PM_REDIS_PASSWORD": passwords["feed"]}
            given |= {"PM_REDIS_CA_FILE": str(ca)} if ca else {}
            settings, problems = check_settings(CommonSettings, given)
            assert settings is not None, problems
            login = settings.redis_login("feed")
            bus = RedisBus.connect(login, source="feed", run_id="r", clock_ns=lambda: 1)
            try:
                await bus.ping()
                await bus.put(keys.alive(ACCOUNT, "feed"), b"here")
                for number in range(3):  # on a kept connection
                    live = FeedStatusChanged(
                        slug="s", state=FeedState.LIVE, reason="x" * number * 100_000, ts_recv_ns=1
                    )
                    await bus.publish([Outgoing(keys.md(SERIES), live)])
            finally:
                await bus.close()

        await reach(f"rediss://127.0.0.1:{port}/0", ours.ca)
        await asyncio.to_thread(uvloop.run, reach(f"rediss://127.0.0.1:{port}/0", ours.ca))
        for ca in (strangers.ca, None):
            with pytest.raises(TransportError, match="certificate verify failed"):
                await reach(f"rediss://127.0.0.1:{port}/0", ca)
        with pytest.raises(TransportError, match=r"hostname|Hostname"):
            await reach(f"rediss://localhost:{port}/0", ours.ca)
        with pytest.raises(TransportError):
            await reach(f"redis://127.0.0.1:{port}/0", None)
