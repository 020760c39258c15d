"""The console beside a real engine: what it shows moves, and its kill empties the venue."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from pmtools.run.plan import SERVICES
from support.console_process import console_of
from support.processes import ServiceProcess, service_process
from support.whole_engine import TOKEN, engine

pytestmark = [pytest.mark.connected, pytest.mark.timeout(180)]

PATIENCE_S = 20.0
Snapshot = dict[str, Any]


async def snapshots(console: ServiceProcess) -> AsyncGenerator[Snapshot, None]:
    """The stream as a browser reads it: again and again, since one answer ends after some time."""
    while True:
        async with console.http.stream("GET", "/events", timeout=10.0) as answer:
            assert answer.status_code == 200
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))


async def until(console: ServiceProcess, what: str, holds: Callable[[Snapshot], bool]) -> Snapshot:
    newest: Snapshot = {}
    try:
        async with asyncio.timeout(PATIENCE_S):
            async for newest in snapshots(console):
                if holds(newest):
                    return newest
    except TimeoutError:
        pass
    raise AssertionError(f"never: {what}: {json.dumps(newest)[:4000]}")


def sides(snapshot: Snapshot) -> list[dict[str, Any]]:
    return [side for one in snapshot["windows"] for side in one["outcomes"].values()]


def health(snapshot: Snapshot, name: str) -> str:
    (found,) = [one["health"] for one in snapshot["services"] if one["name"] == name]
    return str(found)


async def test_the_console_shows_a_running_engine_and_stops_it(tmp_path: Path) -> None:
    async with engine(tmp_path) as running, console_of(running, tmp_path) as console:
        first = await until(console, "all ready", lambda one: one["health"] == "ready")
        assert first["mode"] == "sim"
        (window,) = first["windows"]
        assert window["series"] == "btc-updown-30m"
        assert window["opens_s"] < first["clock_s"] < window["closes_s"]
        assert first["limits"]["max_net_diff"] == 10
        await until(console, "a quote", lambda one: any(side["quote"] for side in sides(one)))
        moved = await until(console, "time goes on", lambda o: o["clock_s"] > first["clock_s"] + 1)
        assert moved["hops"]["md_to_decision"]["n"] > 0

        for headers in (
            {"Authorization": "Bearer wrong"},
            {"Authorization": "", "X-PM-Console": "1"},
        ):
            for path in ("/events", "/kill"):
                method = "POST" if path == "/kill" else "GET"
                refused = await console.http.request(method, path, headers=headers)
                assert refused.status_code == 401
        assert (await until(console, "no halt", lambda _: True))["halts"] == []

        killed = await console.http.post("/kill", json={"reason": "tried"}, timeout=10.0)
        assert killed.json() == {"obeyed": True, "problems": {}}
        flat = await until(console, "flat", lambda one: one["venue"]["flat"])
        assert {halt["reason"] for halt in flat["halts"]} == {"tried"}
        assert await running.open_orders() == 0

        assert (await console.http.post("/resume", timeout=10.0)).status_code == 200
        await until(console, "no halt", lambda one: not one["halts"])
        await until(console, "a quote", lambda one: any(side["quote"] for side in sides(one)))

        os.kill(running.children["strategy"].pid, signal.SIGKILL)
        dead = await until(console, "a death", lambda one: health(one, "strategy") == "dead")
        assert dead["health"] == "dead"
        assert health(dead, "executor") != "dead"
        assert await console.terminate() == 0
        assert TOKEN not in console.log


async def test_a_silent_service_is_dead_and_holds_up_nothing(tmp_path: Path) -> None:
    """It takes connections and does not answer."""
    opened: list[asyncio.StreamWriter] = []

    async def take(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    urls = {f"PM_{name.upper()}_URL": url for name in SERVICES}
    async with server, service_process("pmconsole", tmp_path, **urls) as console:
        await console.wait_for("/readyz")
        shown = await until(console, "asked", lambda one: "no answer" in str(one["services"]))
        assert {one["health"] for one in shown["services"]} == {"unknown"}
        for writer in opened:
            writer.close()


async def test_twenty_pages_ask_the_engine_no_more_than_one(tmp_path: Path) -> None:
    asked = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        while line := await reader.readline():
            if line.startswith(b"GET"):
                asked += 1
            if line == b"\r\n":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    async def polls(console: ServiceProcess, pages: int) -> int:
        """Requests while every page gets six snapshots."""
        streams = [snapshots(console) for _ in range(pages)]
        await asyncio.gather(*(anext(stream) for stream in streams))
        before = asked
        for _ in range(6):
            await asyncio.gather(*(anext(stream) for stream in streams))
        for stream in streams:
            await stream.aclose()
        return asked - before

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    urls = {f"PM_{name.upper()}_URL": url for name in SERVICES}
    async with server, service_process("pmconsole", tmp_path, **urls) as console:
        await console.wait_for("/readyz")
        one = await polls(console, 1)
        many = await polls(console, 20)
        assert many <= one + 2 * len(SERVICES) * 2, "each page waits for the same snapshots"


async def test_two_consoles_of_one_port_cannot_start(tmp_path: Path) -> None:
    async with service_process("pmconsole", tmp_path) as console:
        await console.wait_for("/healthz")
        port = str(httpx.URL(console.http.base_url).port)
        async with service_process("pmconsole", tmp_path, PM_HTTP_PORT=port) as second:
            assert await second.ended() == 2
            assert "PM_HTTP_PORT" in second.log
