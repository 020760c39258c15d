"""The HTTP interface of every service: health, metrics, state, kill and resume.

`/healthz`, `/readyz` and `/metrics` are open; the rest needs the bearer token (`guard`), also
`/openapi.json`, which describes all of it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from fastapi import APIRouter, FastAPI, Request, Security
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from fastapi.security import HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field, ValidationError

from pmcore.model.errors import TransportError
from pmcore.shell.files import create_file_once
from pmcore.shell.machine import machine
from pmcore.shell.service.answers import (
    HealthAnswer,
    KillAnswer,
    ReadyAnswer,
    ResumeAnswer,
    ResumeRefused,
    refusals,
    state_answer,
)
from pmcore.shell.service.errors import StartupError
from pmcore.shell.service.guard import Guard
from pmcore.shell.service.kill_switch import KillSwitch, ResumeRefusedError, halt_view
from pmcore.shell.service.metrics import ServiceMetrics

INSTANCE_FILE = "instance_id"
_INSTANCE = re.compile(r"[0-9a-f]{16}")
TOKEN_FILE = "control_token"  # noqa: S105 - a file's name
_VERSION = "1"
"""Of the control API, not of the program."""


class _MetricsText(PlainTextResponse):
    media_type = CONTENT_TYPE_LATEST


class KillRequest(BaseModel):
    """Body of POST /kill. `by`: who asks; this service's name without it."""

    reason: str = Field(default="operator", min_length=1, max_length=200)
    by: str = Field(default="", max_length=100)


class ResumeRequest(BaseModel):
    """Body of POST /resume."""

    by: str = Field(default="", max_length=100)


RequestT = TypeVar("RequestT", KillRequest, ResumeRequest)


def control_token(given: str | None, data_dir: Path) -> str:
    """Return the token: as given, else as kept in the data directory, else made and kept there."""
    if given:
        return given
    path = data_dir / TOKEN_FILE
    try:
        if not path.exists():
            create_file_once(path, secrets.token_urlsafe(32).encode())
        token = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise StartupError(f"PM_DATA_DIR: cannot keep {path}: {error.strerror}") from None
    if not token:
        raise StartupError(f"{path} is empty: remove it, and a new token is made")
    return token


def instance_id(data_dir: Path) -> str:
    """What tells this deployment from others: made once and kept in the data directory."""
    path = data_dir / INSTANCE_FILE
    try:
        if not path.exists():
            create_file_once(path, machine().new_id().encode())
        kept = path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError as error:
        raise StartupError(f"PM_DATA_DIR: cannot keep {path}: {error.strerror}") from None
    if not _INSTANCE.fullmatch(kept):
        raise StartupError(f"{path} is damaged: remove it, and a new one is made")
    return kept


def create_control_app(
    *,
    token: str,
    metrics: ServiceMetrics,
    kill_switch: KillSwitch,
    readiness: Callable[[], list[str]],
    state: Callable[[], Mapping[str, object]],
    described: Callable[[], Mapping[str, object]] | None = None,
) -> FastAPI:
    """Build the app. `described`: what says in its type which fields `state` has."""
    app = FastAPI(
        title=f"pm {metrics.service}",
        version=_VERSION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=refusals(413),
    )
    app.add_middleware(Guard, token=token)
    _add_open_paths(app, metrics, kill_switch, readiness)
    guarded = APIRouter(
        dependencies=[Security(HTTPBearer(auto_error=False))], responses=refusals(401)
    )
    _add_guarded_paths(guarded, metrics, kill_switch, state, described or state)
    app.include_router(guarded)
    return app


def _add_open_paths(
    app: FastAPI,
    metrics: ServiceMetrics,
    kill_switch: KillSwitch,
    readiness: Callable[[], list[str]],
) -> None:
    @app.get("/healthz", response_model=HealthAnswer)
    async def healthz() -> JSONResponse:
        return JSONResponse({"status": "ok", "service": metrics.service})

    @app.get("/readyz", response_model=ReadyAnswer, responses={503: {"model": ReadyAnswer}})
    async def readyz() -> JSONResponse:
        reasons = readiness()
        body = {"ready": not reasons, "reasons": reasons, "halted": kill_switch.reason}
        return JSONResponse(body, 503 if reasons else 200)

    @app.get("/metrics", response_class=_MetricsText)
    async def render_metrics() -> Response:
        return _MetricsText(metrics.render())


def _add_guarded_paths(
    router: APIRouter,
    metrics: ServiceMetrics,
    kill_switch: KillSwitch,
    state: Callable[[], Mapping[str, object]],
    described: Callable[[], Mapping[str, object]],
) -> None:
    @router.get("/state", response_model=state_answer(metrics.service, described))
    async def show_state() -> JSONResponse:
        halt = kill_switch.halt_in_force
        view = halt_view(halt) if halt else None
        return JSONResponse({"halted": kill_switch.reason, "halt": view, **state()})

    @router.post(
        "/kill",
        response_model=KillAnswer,
        responses=refusals(422),
        openapi_extra=_body_of(KillRequest),
    )
    async def kill(request: Request) -> JSONResponse:
        asked = _read(KillRequest, await request.body())
        if isinstance(asked, JSONResponse):
            return asked
        reason = asked.reason
        in_redis = await kill_switch.halt(reason, by=asked.by or f"{metrics.service} /kill")
        return JSONResponse(
            {
                "halted": reason,
                "redis": "ok" if in_redis else "away",
                "file": "ok" if kill_switch.kept_in_file else "failed",
            }
        )

    @router.post(
        "/resume",
        response_model=ResumeAnswer,
        responses={**refusals(422), 503: {"model": ResumeRefused}},
        openapi_extra=_body_of(ResumeRequest),
    )
    async def resume(request: Request) -> JSONResponse:
        asked = _read(ResumeRequest, await request.body())
        if isinstance(asked, JSONResponse):
            return asked
        return await _resume(kill_switch, asked.by or f"{metrics.service} /resume")


def _body_of(request: type[BaseModel]) -> dict[str, Any]:
    schema = request.model_json_schema()
    return {"requestBody": {"content": {"application/json": {"schema": schema}}}}


def _read(wanted: type[RequestT], body: bytes) -> RequestT | JSONResponse:
    """The body, or the refusal: it says what is wrong, and never repeats what was sent.

    Whatever the Content-Type says, it is read as JSON: a kill by `curl -d` is a kill.
    """
    try:
        return wanted.model_validate_json(body or b"{}")
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"] if part in wanted.model_fields)
        text = first["msg"] if first["type"] != "json_invalid" else "this is not JSON"
        return JSONResponse({"detail": f"{where or 'the body'}: {text}"}, 422)


async def _resume(kill_switch: KillSwitch, by: str) -> JSONResponse:
    redis, why = "ok", ""
    try:
        await kill_switch.resume(by=by)
    except TransportError as error:
        redis, why = "away", str(error)
    except (OSError, ResumeRefusedError) as error:
        why = str(error)
    if why:
        return JSONResponse({"halted": kill_switch.reason, "redis": redis, "why": why}, 503)
    return JSONResponse({"halted": "", "redis": "ok"})
