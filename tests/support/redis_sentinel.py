"""One primary, two replicas and three Sentinels on loopback, each ended by its pid."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import redis as redis_py

from pmcore.wire.access import OPERATOR
from pmtools.ports import free_port
from pmtools.processes import die_with_parent
from pmtools.run.redis_server import LocalRedis, find_server

NAME = "pm"
PASSWORD = "password-of-the-test-sentinels"
DOWN_AFTER_MS = 1_000
_PATIENCE_S = 30.0
_SENTINELS = 3
_QUORUM = 2


def until(happened: Callable[[], bool], what: str) -> None:
    """Wait for what other processes do."""
    end = time.monotonic() + _PATIENCE_S
    while not happened():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.02)


class RedisSet:
    """The servers, by index; the first one is the primary at the beginning."""

    def __init__(self, nodes: list[LocalRedis], sentinel_ports: list[int]) -> None:
        self.nodes = nodes
        self.passwords = nodes[0].passwords
        self.sentinel_ports = sentinel_ports

    @property
    def address(self) -> str:
        """What an operator would set as PM_REDIS_URL."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.sentinel_ports)
        return f"redis+sentinel://{hosts}/{NAME}/0"

    @property
    def url(self) -> str:
        """The primary of now, as the operator."""
        return self.primary().url

    @property
    def environ(self) -> Mapping[str, str]:
        return {"PM_REDIS_SENTINEL_PASSWORD": PASSWORD}

    @property
    def pid(self) -> int | None:
        """The primary's."""
        return self.primary().pid

    def url_of(self, user: str = "") -> str:
        """For a bus without settings."""
        login = f"{user}:{self.passwords[user]}@" if user else ""
        address = self.address.replace("://", f"://{login}")
        return f"{address}?sentinel_password={PASSWORD}"

    def primary(self) -> LocalRedis:
        """Which one the first Sentinel names now."""
        with self.sentinel() as client:
            _, port = client.sentinel_get_master_addr_by_name(NAME)
        return next(node for node in self.nodes if node.port == port)

    @contextmanager
    def sentinel(self) -> Iterator[Any]:
        with redis_py.Redis(port=self.sentinel_ports[0], password=PASSWORD) as client:
            yield client

    def kill_primary(self) -> LocalRedis:
        """SIGKILL; the one that was it."""
        gone = self.primary()
        assert gone.pid is not None
        gone.kill()
        return gone

    def until_promoted(self, gone: LocalRedis) -> LocalRedis:
        """Wait until the Sentinels name another one."""
        until(lambda: self.primary() is not gone, "a replica is promoted")
        return self.primary()

    def cut_off_replicas(self) -> None:
        """Nothing more reaches them; they stay as they are."""
        for node in self.nodes:
            if node is not self.primary():
                self._login_of(node, "wrong")
        with redis_py.Redis.from_url(self.url) as client:
            client.client_kill_filter(_type="replica")

    def let_replicas_follow(self) -> None:
        """Those that run follow the primary again."""
        for node in self.nodes:
            if node.pid is not None:
                self._login_of(node, self.passwords[OPERATOR])

    def _login_of(self, node: LocalRedis, password: str) -> None:
        with redis_py.Redis.from_url(node.url) as client:
            client.config_set("masterauth", password)

    def fail_over(self) -> None:
        """As an operator who wants to restart the primary's machine."""
        old = self.primary()
        with self.sentinel() as client:
            client.execute_command("SENTINEL", "FAILOVER", NAME)
        self.until_promoted(old)


@contextmanager
def redis_set(passwords: Mapping[str, str] | None = None) -> Iterator[RedisSet]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pm-sentinel-")))
        nodes = [stack.enter_context(_server(passwords or {}, None))]
        nodes += [stack.enter_context(_server(passwords or {}, nodes[0])) for _ in range(2)]
        ports = [free_port() for _ in range(_SENTINELS)]
        for port in ports:
            stack.enter_context(_sentinel(folder / f"{port}.conf", port, nodes[0]))
        for port in ports:
            until(lambda port=port: _sees_all(port), "each Sentinel knows all others")  # type: ignore[misc]
        yield RedisSet(nodes, ports)


def _server(passwords: Mapping[str, str], primary: LocalRedis | None) -> LocalRedis:
    arguments = ["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"]
    if primary is not None:
        arguments += ["--replicaof", f"127.0.0.1 {primary.port}"]
    if passwords:
        arguments += ["--masteruser", OPERATOR, "--masterauth", passwords[OPERATOR]]
    return LocalRedis(passwords=passwords, arguments=arguments)


@contextmanager
def _sentinel(path: Path, port: int, primary: LocalRedis) -> Iterator[None]:
    lines = [
        f"port {port}",
        "bind 127.0.0.1",
        f"dir {path.parent}",
        f"logfile {path}.log",
        f"sentinel monitor {NAME} 127.0.0.1 {primary.port} {_QUORUM}",
        f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}",
        f"sentinel failover-timeout {NAME} 4000",
        f"requirepass {PASSWORD}",
        f"sentinel sentinel-pass {PASSWORD}",
    ]
    if primary.passwords:
        lines.append(f"sentinel auth-user {NAME} {OPERATOR}")
        lines.append(f"sentinel auth-pass {NAME} {primary.passwords[OPERATOR]}")
    path.write_text("\n".join(lines) + "\n")
    process = subprocess.Popen(
        [find_server(), path, "--sentinel"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=die_with_parent(),
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _sees_all(port: int) -> bool:
    try:
        with redis_py.Redis(port=port, password=PASSWORD) as client:
            state = client.sentinel_master(NAME)
            replicas = client.sentinel_slaves(NAME)
    except redis_py.RedisError:
        return False
    return (
        state["num-other-sentinels"] == _SENTINELS - 1
        and len(replicas) == 2
        and all(one["master-link-status"] == "ok" for one in replicas)
    )
