"""The console's paths: who may look, who may act, and what a browser is told."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from pmconsole.access import Access
from pmconsole.app import PAGE_FILES, create_console_app
from pmconsole.engine_switch import EngineSwitch
from pmconsole.faults import Bounds
from pmconsole.metrics import ConsoleMetrics
from pmconsole.notifier import Notifier
from pmconsole.poller import Poller
from pmcore.shell.clock import Clock
from pmcore.shell.service.guard import MAX_BODY_BYTES
from pmcore.shell.service.logs import configure_logs
from pmcore.shell.service.metrics import ProcessMetrics
from support.tree import ROOT

TOKEN = "the-token"
URL = "http://127.0.0.1:8105"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
OURS = {"X-PM-Console": "1"}
PROTECTED = [
    ("GET", "/events"),
    ("GET", "/history"),
    ("GET", "/state"),
    ("POST", "/kill"),
    ("POST", "/resume"),
    ("POST", "/links"),
    ("POST", "/notify/test"),
    ("GET", "/nothing"),
]


class Services:
    """Control ports behind the console's HTTP client, and what they were told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, dict[str, Any]]] = []
        self.away: set[str] = set()
        self.states: dict[str, dict[str, Any]] = {}

    def answer(self, request: httpx.Request) -> httpx.Response:
        name, path = request.url.host, request.url.path
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        if name in self.away:
            raise httpx.ConnectError("refused")
        if request.method == "POST":
            self.told.append((name, path, json.loads(request.content)))
            return httpx.Response(200, json={})
        if path == "/readyz":
            return httpx.Response(200, json={"ready": True, "reasons": []})
        return httpx.Response(200, json=self.states.get(name, {}))


NAMES = ("feed", "strategy", "executor", "userws")
URLS = {name: f"http://{name}" for name in NAMES}


@pytest.fixture
def services() -> Services:
    return Services()


@pytest.fixture
async def poller(services: Services) -> AsyncIterator[Poller]:
    transport = httpx.MockTransport(services.answer)
    async with httpx.AsyncClient(transport=transport, timeout=1.0) as http:
        yield Poller(http, URLS, TOKEN, clock=Clock.from_spec(""))


@pytest.fixture
async def console(services: Services, poller: Poller) -> AsyncIterator[httpx.AsyncClient]:
    telling = httpx.AsyncClient(transport=httpx.MockTransport(services.answer), timeout=1.0)
    metrics = ConsoleMetrics(ProcessMetrics("console", version="1", mode="none"))
    notifier = Notifier(
        poller,
        (),
        bounds=Bounds(),
        repeat_s=60.0,
        secrets=[TOKEN],
        clock=Clock.from_spec(""),
        data_dir=Path(),
        metrics=metrics,
        log=configure_logs("console", "error"),
    )
    app = create_console_app(
        access=Access(TOKEN),
        poller=poller,
        notifier=notifier,
        switch=EngineSwitch(telling, URLS, TOKEN),
        metrics=metrics,
        hosts=("desk.lan",),
        wall_s=lambda: 1_800_000_000.0,
    )
    transport = httpx.ASGITransport(app=app)
    async with telling, httpx.AsyncClient(transport=transport, base_url=URL) as http:
        yield http


async def sign_in(console: httpx.AsyncClient) -> None:
    answer = await console.post("/session", headers={**BEARER, **OURS})
    assert answer.status_code == 204


@pytest.mark.parametrize(("method", "path"), PROTECTED)
@pytest.mark.parametrize(
    "given", [{}, {"Authorization": "Bearer wrong"}, {"Cookie": "pm_console_8105=a.b.c"}]
)
async def test_without_the_token_nothing_is_told_or_done(
    console: httpx.AsyncClient, services: Services, method: str, path: str, given: Mapping[str, str]
) -> None:
    answer = await console.request(method, path, headers={**OURS, **given})
    assert answer.status_code == 401
    assert services.told == []


@pytest.mark.parametrize("path", ["/kill", "/session"])
async def test_a_wrong_token_is_called_wrong(console: httpx.AsyncClient, path: str) -> None:
    answer = await console.post(path, headers={"Authorization": "Bearer wrong"})
    assert (answer.status_code, answer.json()) == (401, {"detail": "the control token is wrong"})


@pytest.mark.parametrize("path", PAGE_FILES)
async def test_the_page_itself_is_open_and_holds_no_data(
    console: httpx.AsyncClient, path: str
) -> None:
    answer = await console.get(path)
    assert answer.status_code == 200
    assert TOKEN not in answer.text


async def test_the_page_asks_no_other_host_for_anything(console: httpx.AsyncClient) -> None:
    for path in ("/", "/console.css", "/console.js", "/uPlot.min.css"):
        text = (await console.get(path)).text
        assert re.findall(r"https?:|@import|url\(|src=.//|href=.//", text) == []


@pytest.mark.parametrize("path", ["/", "/state", "/healthz"])
async def test_every_answer_forbids_frames_foreign_content_and_referrers(
    console: httpx.AsyncClient, path: str
) -> None:
    headers = (await console.get(path)).headers
    policy = headers["Content-Security-Policy"]
    for rule in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"):
        assert rule in policy
    assert "unsafe" not in policy
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert not [name for name in headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8105", "127.0.0.1.evil.example", ""]
)
async def test_another_name_is_refused_so_that_rebinding_reads_nothing(
    console: httpx.AsyncClient, host: str
) -> None:
    for path in ("/", "/state"):
        answer = await console.get(path, headers={**BEARER, "Host": host})
        assert answer.status_code == 403


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8105", "localhost:1", "[::1]:8105", "desk.lan", "DESK.LAN:9"]
)
async def test_our_own_names_are_taken(console: httpx.AsyncClient, host: str) -> None:
    assert (await console.get("/state", headers={**BEARER, "Host": host})).status_code == 200


async def test_prometheus_and_docker_ask_by_the_name_of_the_container(
    console: httpx.AsyncClient, poller: Poller
) -> None:
    for path in ("/healthz", "/metrics"):
        assert (await console.get(path, headers={"Host": "console:8105"})).status_code == 200
    assert (await console.get("/readyz")).status_code == 503
    poller.show(0.0)
    assert (await console.get("/readyz")).status_code == 200


async def test_its_metrics_say_of_the_process_only_what_it_knows(
    console: httpx.AsyncClient, poller: Poller
) -> None:
    # It reads no stream and holds no halt: a gauge at 0 would say that Redis is away.
    async def shown() -> set[str]:
        text = (await console.get("/metrics")).text
        lines = [line for line in text.splitlines() if line.startswith(("pm_service", "pm_bus"))]
        return {line for line in lines if "build_info" not in line and "start_time" not in line}

    assert await shown() == {"pm_service_ready 0.0"}
    poller.show(0.0)
    assert await shown() == {"pm_service_ready 1.0"}


async def test_the_token_opens_a_session_that_scripts_cannot_read_and_others_do_not_send(
    console: httpx.AsyncClient,
) -> None:
    answer = await console.post("/session", headers={**BEARER, **OURS})
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("pm_console_8105=")
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert TOKEN not in cookie
    assert (await console.get("/state")).status_code == 200
    assert (await console.delete("/session", headers=OURS)).status_code == 204
    console.cookies.clear()
    assert (await console.get("/state")).status_code == 401


async def test_a_link_opens_a_session_once(console: httpx.AsyncClient) -> None:
    path = (await console.post("/links", headers=BEARER)).json()["path"]
    before, _, code = path.partition("#")
    assert before == "/", "what stands behind # is sent to nobody"
    assert (await console.post("/session", headers=OURS, json={"code": code})).status_code == 204
    assert (await console.get("/state")).status_code == 200
    console.cookies.clear()
    assert (await console.post("/session", headers=OURS, json={"code": code})).status_code == 401


@pytest.mark.parametrize("path", ["/kill", "/resume", "/session", "/links", "/notify/test"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {**OURS, "Origin": "http://evil.example"},
        {**OURS, "Origin": "http://127.0.0.1:9999"},
        {**OURS, "Origin": "null"},
        {**OURS, "Sec-Fetch-Site": "cross-site"},
        {**OURS, "Sec-Fetch-Site": "same-site"},
    ],
)
async def test_another_origin_cannot_act_with_our_cookie(
    console: httpx.AsyncClient, services: Services, path: str, headers: Mapping[str, str]
) -> None:
    await sign_in(console)
    assert (await console.post(path, headers=headers)).status_code == 403
    assert services.told == []


async def test_our_own_page_may_act(console: httpx.AsyncClient, services: Services) -> None:
    await sign_in(console)
    headers = {**OURS, "Origin": URL, "Sec-Fetch-Site": "same-origin"}
    answer = await console.post("/kill", headers=headers, json={"reason": "enough"})
    assert answer.json() == {"obeyed": True, "problems": {}}
    assert sorted(services.told) == [
        (name, "/kill", {"reason": "enough", "by": "console"}) for name in sorted(NAMES)
    ]
    services.told.clear()
    assert (await console.post("/resume", headers=headers)).status_code == 200
    assert {path for _, path, _ in services.told} == {"/resume"}


async def test_a_service_that_does_not_obey_is_named_and_the_others_obey(
    console: httpx.AsyncClient, services: Services
) -> None:
    services.away = {"strategy"}
    answer = await console.post("/kill", headers=BEARER)
    assert answer.status_code == 502
    assert answer.json() == {"obeyed": False, "problems": {"strategy": "nobody listens there"}}
    assert {name for name, _, _ in services.told} == {"feed", "executor", "userws"}


async def test_bodies_are_bounded_and_read_strictly(
    console: httpx.AsyncClient, services: Services
) -> None:
    long = b" " * (MAX_BODY_BYTES + 1)
    assert (await console.post("/kill", headers=BEARER, content=long)).status_code == 413
    for body in (b"{", b'{"reason": ""}', b'{"reason": "' + b"x" * 201 + b'"}', b"[]"):
        assert (await console.post("/kill", headers=BEARER, content=body)).status_code == 422
    assert services.told == []


async def test_refusals_are_counted_by_reason(console: httpx.AsyncClient) -> None:
    await console.get("/state")
    await console.get("/", headers={"Host": "evil.example"})
    text = (await console.get("/metrics")).text
    assert 'pm_console_refusals_total{reason="token"} 1.0' in text
    assert 'pm_console_refusals_total{reason="host"} 1.0' in text


async def test_a_poll_puts_states_events_and_points_on_the_board(
    console: httpx.AsyncClient, services: Services, poller: Poller
) -> None:
    def strategy(qty: float) -> dict[str, Any]:
        side = {"qty": qty, "quote": None if qty else 0.4, "bid": 0.4, "ask": 0.41}
        window = {"state": "quoting", "outcomes": {"up": side}}
        fills = [{"trade_id": "t1", "shares": qty, "price": 0.4}] if qty else []
        return {
            "windows": {"btc-updown-60s-1800000000": window},
            "profit_today": 1.0,
            "fills": fills,
        }

    for qty in (0.0, 5.0):
        services.states["strategy"] = strategy(qty)
        await asyncio.gather(*(poller.ask(name) for name in NAMES))
        poller.show(10.0 + qty)
    shown = json.loads(await anext(poller.board.follow(1.0)))
    (event,) = shown["events"]
    assert (event["id"], event["kind"], event["text"]) == (1, "no_bid", "no bid")
    assert [fill["trade_id"] for fill in shown["fills"]] == ["t1"]
    assert shown["health"] == "ready"
    points = (await console.get("/history", headers=BEARER)).json()["points"]
    assert [point["series"]["btc-updown-60s"]["mid"] for point in points] == [0.405, 0.405]
    told = (await console.get("/state", headers=BEARER)).json()
    assert told["snapshot"]["events"] == shown["events"]
    assert "pm_console_polls_total 8.0" in (await console.get("/metrics")).text


async def test_a_service_that_goes_away_keeps_its_last_state_and_is_dead(
    services: Services, poller: Poller
) -> None:
    services.states["executor"] = {"open_orders": 2}
    await poller.ask("executor")
    services.away = {"executor"}
    await poller.ask("executor")
    poller.show(0.0)
    by_name = {one["name"]: one for one in poller.newest["services"]}
    assert by_name["executor"]["health"] == "dead"
    assert by_name["executor"]["problem"] == "nobody listens there"
    assert poller.newest["venue"]["open_orders"] == 2


def test_the_chart_library_is_the_one_that_the_decision_names() -> None:
    page = ROOT / "services/console/src/pmconsole/page"
    decision = (ROOT / "docs/decisions/0016-console.md").read_text()
    for name in ("uPlot.iife.min.js", "uPlot.min.css"):
        digest = hashlib.sha256((page / name).read_bytes()).hexdigest()
        assert re.search(rf"`page/{re.escape(name)}`,\s+SHA-256\s+`{digest}`", decision)
    assert "MIT" in (page / "uPlot.LICENSE").read_text()
