"""The console's paths: the page and its files, the stream of snapshots, kill and resume.

`/healthz`, `/readyz` and `/metrics` are open as at every service; the rest is behind `guard`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.resources import files
from typing import TypeVar

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field, ValidationError

from pmconsole.access import CODE_S, SESSION_S, Access
from pmconsole.engine_switch import EngineSwitch
from pmconsole.guard import ConsoleGuard, cookie_name
from pmconsole.metrics import ConsoleMetrics
from pmconsole.notifier import Notifier
from pmconsole.poller import Poller

PAGE_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/console.css": ("console.css", "text/css"),
    "/console.js": ("console.js", "text/javascript"),
    "/uPlot.iife.min.js": ("uPlot.iife.min.js", "text/javascript"),
    "/uPlot.min.css": ("uPlot.min.css", "text/css"),
    "/favicon.svg": ("favicon.svg", "image/svg+xml"),
}
STREAM_S = 20.0
"""Shorter than what the server allows for one answer; the browser asks again by itself."""
_RETRY = b"retry: 250\n\n"


class KillAsked(BaseModel):
    """Body of POST /kill; it may be absent."""

    reason: str = Field(default="operator, at the console", min_length=1, max_length=200)


class SessionAsked(BaseModel):
    """Body of POST /session: the code of a link; it may be absent when the token is in a header."""

    code: str = Field(default="", max_length=200)


AskedT = TypeVar("AskedT", KillAsked, SessionAsked)


def create_console_app(
    *,
    access: Access,
    poller: Poller,
    notifier: Notifier,
    switch: EngineSwitch,
    metrics: ConsoleMetrics,
    hosts: tuple[str, ...],
    wall_s: Callable[[], float],
) -> FastAPI:
    """Build the app."""
    app = FastAPI(title="pm console", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(
        ConsoleGuard,
        access=access,
        hosts=hosts,
        files=PAGE_FILES,
        wall_s=wall_s,
        refused=metrics.refused,
    )
    for path, (name, kind) in PAGE_FILES.items():
        app.add_api_route(path, _file(name, kind), methods=["GET"])
    _add_open_paths(app, poller, metrics)
    _add_session_paths(app, access, metrics, wall_s)
    _add_engine_paths(app, poller, switch)
    _add_notify_paths(app, poller, notifier)
    return app


def _file(name: str, kind: str) -> Callable[[], Awaitable[Response]]:
    content = files("pmconsole").joinpath("page", name).read_bytes()

    async def answer() -> Response:
        return Response(content, media_type=kind)

    return answer


def _add_open_paths(app: FastAPI, poller: Poller, metrics: ConsoleMetrics) -> None:
    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok", "service": "console"}

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        reasons = _why_not_ready(poller)
        body = {"ready": not reasons, "reasons": reasons, "halted": ""}
        return JSONResponse(body, 503 if reasons else 200)

    @app.get("/metrics")
    async def render_metrics() -> Response:
        text = metrics.render(poller.polls, ready=not _why_not_ready(poller))
        return PlainTextResponse(text, media_type=CONTENT_TYPE_LATEST)


def _why_not_ready(poller: Poller) -> list[str]:
    return [] if poller.newest else ["no service was asked yet"]


def _add_session_paths(
    app: FastAPI, access: Access, metrics: ConsoleMetrics, wall_s: Callable[[], float]
) -> None:
    @app.post("/session")
    async def open_session(request: Request) -> Response:
        asked = _read(SessionAsked, await request.body())
        if isinstance(asked, JSONResponse):
            return asked
        now_s = wall_s()
        bearer = access.is_bearer(request.headers.get("authorization", ""))
        if not (bearer or access.use_code(asked.code, now_s)):
            metrics.refused("token")
            return JSONResponse({"detail": "this link was used before, or is too old"}, 401)
        answer = Response(status_code=204)
        answer.set_cookie(
            cookie_name(request.headers.get("host", "")),
            access.new_session(now_s),
            max_age=SESSION_S,
            httponly=True,
            samesite="strict",
        )
        return answer

    @app.delete("/session")
    async def close_session(request: Request) -> Response:
        answer = Response(status_code=204)
        name = cookie_name(request.headers.get("host", ""))
        answer.delete_cookie(name, httponly=True, samesite="strict")
        return answer

    @app.post("/links")
    async def make_link() -> JSONResponse:
        """The code stands behind `#`, which a browser sends to nobody."""
        return JSONResponse({"path": f"/#{access.new_code(wall_s())}", "seconds": CODE_S})


def _add_engine_paths(app: FastAPI, poller: Poller, switch: EngineSwitch) -> None:
    @app.get("/events")
    async def events() -> StreamingResponse:
        async def frames() -> AsyncIterator[bytes]:
            yield _RETRY
            async for snapshot in poller.board.follow(STREAM_S):
                yield b"data: " + snapshot + b"\n\n"

        return StreamingResponse(frames(), media_type="text/event-stream")

    @app.get("/history")
    async def history() -> JSONResponse:
        return JSONResponse({"points": poller.history()})

    @app.post("/kill")
    async def kill(request: Request) -> JSONResponse:
        asked = _read(KillAsked, await request.body())
        if isinstance(asked, JSONResponse):
            return asked
        return _said(await switch.kill(asked.reason))

    @app.post("/resume")
    async def resume() -> JSONResponse:
        return _said(await switch.resume())


def _add_notify_paths(app: FastAPI, poller: Poller, notifier: Notifier) -> None:
    @app.get("/state")
    async def state() -> JSONResponse:
        shown: dict[str, object] = {"halted": "", "halt": None, "troubles": []}
        pages = poller.board.pages
        told = {"notify": notifier.state(), "snapshot": poller.newest}
        return JSONResponse({**shown, "pages": pages, **told})

    @app.post("/notify/test")
    async def test() -> JSONResponse:
        receipts = await notifier.test()
        taken = bool(receipts) and not any(receipt["problem"] for receipt in receipts)
        return JSONResponse({"receipts": receipts}, 200 if taken else 502)


def _said(answers: dict[str, str]) -> JSONResponse:
    """200 only when every service obeyed; `problems` says who did not and why."""
    problems = {name: problem for name, problem in answers.items() if problem}
    return JSONResponse({"obeyed": not problems, "problems": problems}, 502 if problems else 200)


def _read(kind: type[AskedT], body: bytes) -> AskedT | JSONResponse:
    try:
        return kind.model_validate_json(body or b"{}")
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        return JSONResponse({"detail": "; ".join(problems)}, 422)
