"""The control API of real services: schemathesis asks anything, strangers take what they can."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from support.processes import ServiceProcess, service_process
from support.whole_engine import TOKEN as ENGINE_TOKEN
from support.whole_engine import engine

pytestmark = pytest.mark.connected

_SERVICES = ("pmfeed", "pmstrategy", "pmexecutor", "pmuserws")
_RUNNING = ("simulator", "feed", "strategy", "executor", "userws")
_PATHS = ["/healthz", "/readyz", "/metrics", "/state", "/kill", "/resume"]
_CHECKS = [
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
_GROWTH_KIB = 16_384
"""What 400 MB of body or hundreds of requests may add to a process, in all."""


@pytest.fixture(params=_SERVICES)
async def service(
    request: pytest.FixtureRequest, redis_url: str, tmp_path: Path
) -> AsyncIterator[ServiceProcess]:
    async with service_process(
        request.param, tmp_path, PM_REDIS_URL=redis_url, PM_DRY_RUN="true"
    ) as process:
        await process.wait_for("/healthz")
        yield process


def _memory_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1])


def _ask_anything(schema: Any, token: str, examples: int) -> Counter[int]:
    """Ask each operation; every answer must be one that the document describes."""
    statuses: Counter[int] = Counter()
    headers = {"Authorization": f"Bearer {token}"} if token else {}

    def ask(operation: Any, mode: GenerationMode) -> None:
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def one(case: Any) -> None:
            answer = case.call(headers=headers)
            statuses[answer.status_code] += 1
            case.validate_response(answer, checks=_CHECKS)
            if answer.status_code >= 500:  # their word for "not now"
                assert (case.path, answer.status_code) in {("/readyz", 503), ("/resume", 503)}

        one()

    for result in schema.get_all_operations():
        operation = result.ok()
        ask(operation, GenerationMode.POSITIVE)
        if operation.body:
            ask(operation, GenerationMode.NEGATIVE)
    return statuses


async def test_anything_asked_of_a_running_engine_is_answered_as_its_document_says(
    tmp_path: Path,
) -> None:
    """Anonymous, with a wrong token, and with the right one: kills and resumes included."""
    async with engine(tmp_path) as world:
        for name in _RUNNING:
            document = await world.service(name).get("/openapi.json")
            assert list(document.body["paths"]) == _PATHS
            schema = schemathesis.openapi.from_dict(document.body)
            schema.config.update(base_url=world.url(name))
            pid = world.children[name].pid
            await asyncio.to_thread(_ask_anything, schema, ENGINE_TOKEN, 8)  # warms up
            before_kib = _memory_kib(pid)
            for token in ("", "wrong"):
                statuses = await asyncio.to_thread(_ask_anything, schema, token, 8)
                assert set(statuses) <= {200, 401, 503}
                assert statuses[401] >= 3
            statuses = await asyncio.to_thread(_ask_anything, schema, ENGINE_TOKEN, 20)
            assert statuses[200] > 0 < statuses[422]
            assert _memory_kib(pid) - before_kib < _GROWTH_KIB
        assert (await world.service("executor").post("/resume", {})).ok
        await world.until_quoting("a resume")
        assert not [line for one in world.children.values() for line in one.tail() if _bad(line)]


def _bad(line: str) -> bool:
    return "task_died" in line or '"level":"error"' in line


async def _pour(writer: asyncio.StreamWriter) -> None:
    for _ in range(400):
        writer.write(b" " * 1_000_000)
        await writer.drain()


async def test_a_stranger_with_a_huge_body_makes_nothing_grow(service: ServiceProcess) -> None:
    before_kib = _memory_kib(service.process.pid)
    port = service.http.base_url.port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /kill HTTP/1.1\r\nHost: x\r\nContent-Length: 400000000\r\n\r\n")
    with pytest.raises(ConnectionError):
        await _pour(writer)
    assert (await service.http.get("/healthz")).status_code == 200
    assert _memory_kib(service.process.pid) - before_kib < _GROWTH_KIB
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
