"""The control API of real services: schemathesis asks anything, strangers take what they can."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error

from pmcore.shell.service.control import create_control_app
from pmcore.shell.service.kill_switch import KillSwitch
from pmcore.shell.service.logs import configure_logs
from pmcore.shell.service.metrics import ServiceMetrics
from pmsim.bus.memory_bus import MemoryBus, MemoryStore
from support.processes import TOKEN, ServiceProcess, service_process

pytestmark = pytest.mark.connected

_SERVICES = ("pmfeed", "pmstrategy", "pmexecutor", "pmuserws")
_GROWTH_KIB = 16_384
"""What 400 MB of body or hundreds of requests may add to a process, in all."""


class _Nothing:
    async def on_halt(self, reason: str) -> None:
        """Nothing to stop."""

    async def on_resume(self) -> None:
        """Nothing to start."""


def _schema(directory: Path) -> Any:
    """Of the app that every service mounts; the services themselves do not publish it."""
    switch = KillSwitch(
        _Nothing(),
        MemoryBus(MemoryStore(lambda: 1), source="x", run_id="r"),
        account="acct",
        data_dir=directory,
        now_ns=lambda: 1,
        log=configure_logs("x", "error", io.StringIO()),
    )
    metrics = ServiceMetrics("feed", version="1", mode="sim")
    app = create_control_app(
        token=TOKEN, metrics=metrics, kill_switch=switch, readiness=list, state=dict
    )
    return schemathesis.openapi.from_dict(app.openapi())


@pytest.fixture(params=_SERVICES)
async def service(
    request: pytest.FixtureRequest, redis_url: str, tmp_path: Path
) -> AsyncIterator[ServiceProcess]:
    async with service_process(
        request.param, tmp_path, PM_REDIS_URL=redis_url, PM_DRY_RUN="true"
    ) as process:
        await process.wait_for("/healthz")
        yield process


def _memory_kib(service: ServiceProcess) -> int:
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1])


@pytest.mark.parametrize("token", ["", TOKEN], ids=["anonymous", "with the token"])
async def test_nothing_makes_a_service_fail_or_grow(
    service: ServiceProcess, tmp_path: Path, token: str
) -> None:
    base_url = str(service.http.base_url)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    statuses: set[int] = set()

    def ask(operation: Any) -> None:
        @settings(
            max_examples=40,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def one(case: Any) -> None:
            answer = case.call(base_url=base_url, headers=headers)
            statuses.add(answer.status_code)
            if case.path not in ("/readyz", "/resume"):  # 503 is their word for "not now"
                case.validate_response(answer, checks=[not_a_server_error])

        one()

    operations = [result.ok() for result in _schema(tmp_path).get_all_operations()]
    assert len(operations) == 6
    before_kib = _memory_kib(service)
    for operation in operations:
        await asyncio.to_thread(ask, operation)
    assert (401 in statuses) is not bool(token)
    assert _memory_kib(service) - before_kib < _GROWTH_KIB
    assert service.process.returncode is None
    assert "task_died" not in service.log


async def _pour(writer: asyncio.StreamWriter) -> None:
    for _ in range(400):
        writer.write(b" " * 1_000_000)
        await writer.drain()


async def test_a_stranger_with_a_huge_body_makes_nothing_grow(service: ServiceProcess) -> None:
    before_kib = _memory_kib(service)
    port = service.http.base_url.port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /kill HTTP/1.1\r\nHost: x\r\nContent-Length: 400000000\r\n\r\n")
    with pytest.raises(ConnectionError):
        await _pour(writer)
    assert (await service.http.get("/healthz")).status_code == 200
    assert _memory_kib(service) - before_kib < _GROWTH_KIB
    writer.transport.abort()
    del reader


async def test_seventy_half_open_connections_keep_nobody_from_the_kill(
    service: ServiceProcess,
) -> None:
    port = service.http.base_url.port
    strangers = [await asyncio.open_connection("127.0.0.1", port) for _ in range(70)]
    assert (await service.http.get("/healthz")).status_code == 200
    assert (await service.http.post("/kill", json={"reason": "enough"})).status_code == 200
    for _, writer in strangers:
        writer.transport.abort()
