"""What the shell gives every service, shown on a real process and a real Redis."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from pmcore.shell.bus.redis_bus import RedisBus
from pmcore.wire import keys
from pmtools.ports import free_port
from pmtools.run.redis_server import LocalRedis
from support.processes import ServiceProcess, service_process

pytestmark = pytest.mark.connected

_MODULE = "support.lever_service"


def _bus(url: str) -> RedisBus:
    return RedisBus.connect(url, source="test", run_id="r", clock_ns=lambda: 1)


async def _heard(service: ServiceProcess) -> Any:
    return (await service.state())["heard"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_it_cleanly(redis_url: str, tmp_path: Path, number: int) -> None:
    async with service_process(_MODULE, tmp_path, PM_REDIS_URL=redis_url) as service:
        await service.wait_for("/readyz")
        assert await service.terminate(number) == 0
        events = [json.loads(line)["event"] for line in service.log.splitlines()]
    assert events == ["starting", "stopping", "stop_called", "stopped"]


@pytest.mark.parametrize(
    ("variables", "code", "text"),
    [
        ({"LEVER_END": "return"}, 0, "stop_called"),
        ({"LEVER_END": "die"}, 1, "boom"),
        ({"LEVER_END": "return", "LEVER_STOP": "fail"}, 1, "orders left"),
        ({"LEVER_END": "cannot"}, 2, "strategy: no key: set one"),
        ({"PM_DRY_RUN": "perhaps"}, 2, "PM_DRY_RUN"),
    ],
)
async def test_exit_codes_mean_something(
    redis_url: str, tmp_path: Path, variables: dict[str, str], code: int, text: str
) -> None:
    async with service_process(_MODULE, tmp_path, PM_REDIS_URL=redis_url, **variables) as service:
        assert await service.ended() == code
        assert text in service.log
        assert all(line.startswith(("{", "strategy: ", "PM_")) for line in service.log.splitlines())


async def test_after_a_step_of_the_clock_it_stops_and_begins_again(
    redis_url: str, tmp_path: Path
) -> None:
    variables = {"PM_REDIS_URL": redis_url, "LEVER_STEP": str(tmp_path / "stepped")}
    async with service_process(_MODULE, tmp_path, **variables) as service:
        await service.until_logged('"starting"', times=2)
        events = [json.loads(line)["event"] for line in service.log.splitlines()]
        assert events == [
            "starting",
            "clock_stepped",
            "stopping",
            "stop_called",
            "stopped",
            "starting",
        ]
        assert service.process.returncode is None  # the same process
        await service.wait_for("/readyz")
        assert await service.terminate() == 0


async def test_a_signal_during_that_stop_ends_it(redis_url: str, tmp_path: Path) -> None:
    variables = {"LEVER_STEP": str(tmp_path / "stepped"), "LEVER_STOP": "signal"}
    async with service_process(_MODULE, tmp_path, PM_REDIS_URL=redis_url, **variables) as service:
        assert await service.ended() == 0
        events = [json.loads(line)["event"] for line in service.log.splitlines()]
    assert events == ["starting", "clock_stepped", "stopping", "stop_called", "stopped"]


async def test_a_port_in_use_is_named(redis_url: str, tmp_path: Path) -> None:
    async with service_process(_MODULE, tmp_path, PM_REDIS_URL=redis_url) as first:
        await first.wait_for("/readyz")
        port = str(first.http.base_url.port)
        async with service_process(
            _MODULE, tmp_path, PM_REDIS_URL=redis_url, PM_HTTP_PORT=port
        ) as second:
            assert await second.ended() == 2
            assert "PM_HTTP_PORT" in second.log


async def test_readiness_is_told_to_the_others(redis_url: str, tmp_path: Path) -> None:
    bus = _bus(redis_url)
    async with service_process(_MODULE, tmp_path, PM_REDIS_URL=redis_url) as service:
        await service.wait_for("/readyz")
        alive = await bus.get(keys.alive("main", "strategy"))
        assert alive is not None
        assert json.loads(alive) == {"ready": True, "reasons": []}
    await bus.close()


async def test_a_halt_outlives_restarts_until_it_is_resumed(redis_url: str, tmp_path: Path) -> None:
    async with service_process(_MODULE, tmp_path, PM_REDIS_URL=redis_url) as service:
        await service.wait_for("/readyz")
        answer = await service.http.post("/kill", json={"reason": "enough"})
        assert answer.json() == {"halted": "enough", "redis": "ok", "file": "ok"}
        assert await _heard(service) == ["run", "halt enough"]
        await service.terminate(signal.SIGKILL)
    async with service_process(_MODULE, tmp_path, PM_REDIS_URL=redis_url) as service:
        await service.wait_for("/readyz")
        assert await _heard(service) == ["halt enough", "run"]
        assert (await service.http.post("/resume")).status_code == 200
        assert await _heard(service) == ["halt enough", "run", "resume"]
        await service.terminate()
    async with service_process(_MODULE, tmp_path, PM_REDIS_URL=redis_url) as service:
        await service.wait_for("/readyz")
        assert await _heard(service) == ["run"]


async def test_a_halt_reaches_another_service(redis_url: str, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with (
        service_process(_MODULE, tmp_path / "a", PM_REDIS_URL=redis_url) as kill_switch,
        service_process(
            "pmuserws", tmp_path / "b", PM_REDIS_URL=redis_url, PM_DRY_RUN="true"
        ) as other,
    ):
        await kill_switch.wait_for("/readyz")
        await other.wait_for("/readyz")
        await other.http.post("/kill", json={"reason": "enough"})

        async def heard() -> bool:
            return bool(await _heard(kill_switch) == ["run", "halt enough"])

        await kill_switch.until(heard, "the halt at the other service")
        assert (await other.state())["halted"] == "enough"


async def test_with_redis_away_kill_still_works_and_is_handed_on(tmp_path: Path) -> None:
    port = free_port()
    with LocalRedis(port=port) as redis:
        async with service_process(_MODULE, tmp_path, PM_REDIS_URL=redis.url) as service:
            await service.wait_for("/readyz")
            redis.stop()
            await service.wait_for("/readyz", 503)
            assert await service.status("/healthz") == 200
            answer = await service.http.post("/kill", json={"reason": "enough"})
            assert answer.json() == {"halted": "enough", "redis": "away", "file": "ok"}
            assert (tmp_path / "halt.json").exists()
            await service.terminate(signal.SIGKILL)
    with LocalRedis(port=port) as redis:
        async with service_process(_MODULE, tmp_path, PM_REDIS_URL=redis.url) as service:
            await service.wait_for("/readyz")
            assert await _heard(service) == ["halt enough", "run"]
            bus = _bus(redis.url)
            assert await bus.get(keys.halt("main")) is not None
            await bus.close()


async def test_a_halt_outlives_a_redis_that_comes_back_empty(tmp_path: Path) -> None:
    port = free_port()
    with LocalRedis(port=port) as redis:
        async with service_process(_MODULE, tmp_path, PM_REDIS_URL=redis.url) as service:
            await service.wait_for("/readyz")
            answer = await service.http.post("/kill", json={"reason": "enough"})
            assert answer.json()["redis"] == "ok"
            await service.terminate(signal.SIGKILL)
    with LocalRedis(port=port) as redis:  # it kept nothing
        async with service_process(_MODULE, tmp_path, PM_REDIS_URL=redis.url) as service:
            await service.wait_for("/readyz")
            assert await _heard(service) == ["halt enough", "run"]
            assert (await service.http.post("/resume")).status_code == 200
            await service.terminate(signal.SIGKILL)
        async with service_process(_MODULE, tmp_path, PM_REDIS_URL=redis.url) as service:
            await service.wait_for("/readyz")
            assert await _heard(service) == ["run"]


async def test_two_deployments_of_one_service_both_hear_a_kill(
    redis_url: str, tmp_path: Path
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with (
        service_process(_MODULE, tmp_path / "a", PM_REDIS_URL=redis_url) as first,
        service_process(_MODULE, tmp_path / "b", PM_REDIS_URL=redis_url) as second,
    ):
        await first.wait_for("/readyz")
        await second.wait_for("/readyz")
        for number, (one, other) in enumerate([(first, second), (second, first)]):
            reason = f"enough {number}"
            await one.http.post("/kill", json={"reason": reason})

            async def halted(service: ServiceProcess = other, text: str = reason) -> bool:
                return bool((await service.state())["halted"] == text)

            await other.until(halted, "the halt at the other deployment")


async def test_redis_is_waited_for(tmp_path: Path) -> None:
    port = free_port()
    async with service_process(
        _MODULE, tmp_path, PM_REDIS_URL=f"redis://127.0.0.1:{port}/0"
    ) as service:
        await service.until_logged("redis_away")
        with LocalRedis(port=port):
            await service.wait_for("/readyz")
            assert await service.terminate() == 0
