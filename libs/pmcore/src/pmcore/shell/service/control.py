"""The HTTP interface of every service: health, metrics, state, kill and resume.

`/healthz`, `/readyz` and `/metrics` are open; the rest needs the bearer token (`guard`).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field

from pmcore.model.errors import TransportError
from pmcore.shell.files import create_file_once
from pmcore.shell.machine import machine
from pmcore.shell.service.errors import StartupError
from pmcore.shell.service.guard import Guard
from pmcore.shell.service.kill_switch import KillSwitch, ResumeRefusedError, halt_view
from pmcore.shell.service.metrics import ServiceMetrics

INSTANCE_FILE = "instance_id"
_INSTANCE = re.compile(r"[0-9a-f]{16}")
TOKEN_FILE = "control_token"  # noqa: S105 - a file's name


class KillRequest(BaseModel):
    """Body of POST /kill. `by`: who asks; this service's name without it."""

    reason: str = Field(default="operator", min_length=1, max_length=200)
    by: str = Field(default="", max_length=100)


class ResumeRequest(BaseModel):
    """Body of POST /resume."""

    by: str = Field(default="", max_length=100)


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


async def _answer_bad_body(_request: Request, _error: Exception) -> JSONResponse:
    """Never repeats the body: it may hold bytes that no JSON can carry."""
    return JSONResponse({"error": 'the body must be {"reason": "1 to 200 characters"}'}, 422)


def create_control_app(
    *,
    token: str,
    metrics: ServiceMetrics,
    kill_switch: KillSwitch,
    readiness: Callable[[], list[str]],
    state: Callable[[], dict[str, object]],
) -> FastAPI:
    """Build the app; pages that describe it are off."""
    app = FastAPI(title=f"pm {metrics.service}", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(RequestValidationError, _answer_bad_body)

    app.add_middleware(Guard, token=token)

    @app.get("/healthz")
    async def healthz() -> JSONResponse:
        return JSONResponse({"status": "ok", "service": metrics.service})

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        reasons = readiness()
        body = {"ready": not reasons, "reasons": reasons, "halted": kill_switch.reason}
        return JSONResponse(body, 503 if reasons else 200)

    @app.get("/metrics")
    async def render_metrics() -> Response:
        return Response(metrics.render(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/state")
    async def show_state() -> JSONResponse:
        halt = kill_switch.halt_in_force
        view = halt_view(halt) if halt else None
        return JSONResponse({"halted": kill_switch.reason, "halt": view, **state()})

    @app.post("/kill")
    async def kill(body: Annotated[KillRequest | None, None] = None) -> JSONResponse:
        asked = body or KillRequest()
        reason = asked.reason
        in_redis = await kill_switch.halt(reason, by=asked.by or f"{metrics.service} /kill")
        return JSONResponse(
            {
                "halted": reason,
                "redis": "ok" if in_redis else "away",
                "file": "ok" if kill_switch.kept_in_file else "failed",
            }
        )

    @app.post("/resume")
    async def resume(body: Annotated[ResumeRequest | None, None] = None) -> JSONResponse:
        by = (body or ResumeRequest()).by or f"{metrics.service} /resume"
        return await _resume(kill_switch, by)

    return app


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
