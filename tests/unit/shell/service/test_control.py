from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypedDict

import httpx
import pytest

from pmcore.shell.service.control import control_token, create_control_app
from pmcore.shell.service.errors import StartupError
from pmcore.shell.service.guard import OPEN_PATHS
from pmcore.shell.service.kill_switch import KillSwitch
from pmcore.shell.service.logs import configure_logs
from pmcore.shell.service.metrics import ServiceMetrics
from pmsim.bus.memory_bus import MemoryBus, MemoryStore
from support.tree import ON_THE_BUS, ROOT

_AUTH = {"Authorization": "Bearer right"}


class _Service:
    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.halted = ""

    async def on_halt(self, reason: str) -> None:
        self.halted = reason

    async def on_resume(self) -> None:
        self.halted = ""


class _View(TypedDict):
    frames: int


def _state() -> _View:
    return {"frames": 1}


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(lambda: 1)


@pytest.fixture
def service() -> _Service:
    return _Service()


@pytest.fixture
async def http(
    service: _Service, store: MemoryStore, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    kill_switch = KillSwitch(
        service,
        MemoryBus(store, source="feed", run_id="r"),
        account="acct",
        data_dir=tmp_path,
        now_ns=lambda: 1,
        log=configure_logs("feed", "error", io.StringIO()),
    )
    app = create_control_app(
        token="right",
        metrics=ServiceMetrics("feed", version="1", mode="sim"),
        kill_switch=kill_switch,
        readiness=lambda: service.reasons,
        state=_state,
    )
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://feed") as client:
        yield client


async def test_the_paths_are_those_that_the_readme_names(http: httpx.AsyncClient) -> None:
    readme = (ROOT / "README.md").read_text()
    named = re.search(r"Every service answers\s+`([^`]+)`", readme)
    assert named is not None
    for path in named.group(1).split():
        method = "POST" if path in ("/kill", "/resume") else "GET"
        assert (await http.request(method, path)).status_code in (200, 401)
    for name in ON_THE_BUS:  # each service is served by the one shell that has this app
        main = (ROOT / f"services/{name}/src/pm{name}/__main__.py").read_text()
        assert "from pmcore.shell.service.process import serve" in main


async def test_health_and_metrics_are_open(http: httpx.AsyncClient) -> None:
    assert (await http.get("/healthz")).status_code == 200
    assert b"pm_service_build_info" in (await http.get("/metrics")).content


async def test_readiness_names_its_reasons(http: httpx.AsyncClient, service: _Service) -> None:
    assert (await http.get("/readyz")).status_code == 200
    service.reasons = ["btc-15m: no window yet"]
    answer = await http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["btc-15m: no window yet"]


@pytest.mark.parametrize("header", [None, "Bearer wrong", "right", "Bearer ", "Basic right"])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/state"), ("POST", "/kill"), ("POST", "/resume")]
)
async def test_the_rest_needs_the_token(
    http: httpx.AsyncClient, service: _Service, header: str | None, method: str, path: str
) -> None:
    headers = {"Authorization": header} if header is not None else {}
    answer = await http.request(method, path, headers=headers)
    assert answer.status_code == 401
    assert service.halted == ""


async def test_kill_and_resume(http: httpx.AsyncClient, service: _Service) -> None:
    answer = await http.post("/kill", headers=_AUTH, json={"reason": "enough"})
    assert (answer.status_code, answer.json()) == (
        200,
        {"halted": "enough", "redis": "ok", "file": "ok"},
    )
    assert service.halted == "enough"
    state = await http.get("/state", headers=_AUTH)
    halt = {"reason": "enough", "by": "feed /kill", "since": "1970-01-01T00:00:00Z"}
    assert state.json() == {"halted": "enough", "halt": halt, "frames": 1}
    assert (await http.post("/resume", headers=_AUTH)).status_code == 200
    assert service.halted == ""


async def test_state_says_since_when_and_by_whom_it_is_halted(http: httpx.AsyncClient) -> None:
    assert (await http.get("/state", headers=_AUTH)).json()["halt"] is None
    body = {"reason": "news", "by": "alice@desk"}
    assert (await http.post("/kill", headers=_AUTH, json=body)).status_code == 200
    halt = (await http.get("/state", headers=_AUTH)).json()["halt"]
    assert halt == {"reason": "news", "by": "alice@desk", "since": "1970-01-01T00:00:00Z"}
    assert (await http.post("/resume", headers=_AUTH, json={"by": "bob"})).status_code == 200
    assert (await http.get("/state", headers=_AUTH)).json()["halt"] is None


async def test_kill_needs_no_body(http: httpx.AsyncClient, service: _Service) -> None:
    assert (await http.post("/kill", headers=_AUTH)).status_code == 200
    assert service.halted == "operator"


async def test_without_redis_kill_works_and_resume_does_not(
    http: httpx.AsyncClient, service: _Service, store: MemoryStore
) -> None:
    store.available = False
    answer = await http.post("/kill", headers=_AUTH, json={"reason": "enough"})
    assert (answer.status_code, answer.json()["redis"]) == (200, "away")
    assert (await http.post("/resume", headers=_AUTH)).status_code == 503
    assert service.halted == "enough"


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_pages_for_a_browser_are_off(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.get(path)).status_code == 401
    assert (await http.get(path, headers=_AUTH)).status_code == 404


async def test_the_document_needs_the_token_and_names_each_field_of_the_state(
    http: httpx.AsyncClient,
) -> None:
    assert (await http.get("/openapi.json")).status_code == 401
    document = (await http.get("/openapi.json", headers=_AUTH)).json()
    assert list(document["paths"]) == [
        *("/healthz", "/readyz", "/metrics"),
        *("/state", "/kill", "/resume"),
    ]
    schema = document["components"]["schemas"]["FeedState"]
    assert set(schema["required"]) == {"halted", "halt", "troubles", "frames"}
    for path, methods in document["paths"].items():
        (said,) = methods.values()
        assert ("401" in said["responses"]) is (path not in OPEN_PATHS)


_UNREADABLE = {
    "cut off": b"{",
    "bytes": b'{"reason":"\xff\xfe"}',
    "deep": b"[" * 16_000,
    "deep objects": b'{"a":' * 3_000,
    "a huge number": b'{"reason":' + b"1" * 9_000 + b"}",
    "half a character": b'{"reason":"\\ud800"}',
    "nothing": b"null",
    "a list": b"[]",
    "too long": b'{"reason":"' + b"x" * 201 + b'"}',
}


@pytest.mark.parametrize("path", ["/kill", "/resume"])
@pytest.mark.parametrize("kind", _UNREADABLE)
async def test_a_body_that_cannot_be_read_changes_nothing_and_is_never_repeated(
    http: httpx.AsyncClient, service: _Service, path: str, kind: str
) -> None:
    body = _UNREADABLE[kind].replace(b"reason", b"reason" if path == "/kill" else b"by")
    headers = {**_AUTH, "Content-Type": "application/json"}
    answer = await http.post(path, headers=headers, content=body)
    assert answer.status_code == 422
    assert list(answer.json()) == ["detail"]
    assert len(answer.text) < 100
    assert service.halted == ""


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", ""])
async def test_a_kill_is_read_as_json_whatever_its_content_type_says(
    http: httpx.AsyncClient, service: _Service, kind: str
) -> None:
    headers = {**_AUTH, "Content-Type": kind}
    answer = await http.post("/kill", headers=headers, content=b'{"reason": "enough"}')
    assert (answer.status_code, service.halted) == (200, "enough")


async def test_no_answer_sends_a_client_anywhere_else(http: httpx.AsyncClient) -> None:
    answer = await http.get("/state/", headers={**_AUTH, "Host": "elsewhere"})
    assert (answer.status_code, answer.headers.get("location")) == (404, None)


def test_a_token_is_made_once_and_kept_private(tmp_path: Path) -> None:
    token = control_token(None, tmp_path / "new")
    assert len(token) >= 32
    assert control_token(None, tmp_path / "new") == token
    assert (tmp_path / "new" / "control_token").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["control_token"]


def test_a_given_token_wins(tmp_path: Path) -> None:
    assert control_token("given", tmp_path) == "given"
    assert list(tmp_path.iterdir()) == []


def test_an_empty_token_file_is_no_token(tmp_path: Path) -> None:
    (tmp_path / "control_token").write_text("\n")
    with pytest.raises(StartupError, match="empty"):
        control_token(None, tmp_path)


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartupError, match="PM_DATA_DIR"):
        control_token(None, tmp_path / "file")
