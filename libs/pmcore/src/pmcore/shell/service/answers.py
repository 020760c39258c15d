"""What the control API answers, for its OpenAPI document; the answers are not made from these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model

from pmcore.model.errors import Cause

_COMMON = ("halted", "halt", "troubles")
Responses = dict[int | str, dict[str, Any]]


class RefusalAnswer(BaseModel):
    """Every answer that says no: why."""

    detail: str


class HealthAnswer(BaseModel):
    """The process runs."""

    status: Literal["ok"]
    service: str


class ReadyAnswer(BaseModel):
    """`reasons`: what is missing. `halted`: the reason of a halt, or "" ."""

    ready: bool
    reasons: list[str]
    halted: str


class HaltAnswer(BaseModel):
    """A halt in force. `since` is in UTC."""

    reason: str
    by: str
    since: str


class TroubleAnswer(BaseModel):
    """What keeps a service from its work, and for how long."""

    what: str
    cause: Cause
    text: str
    seconds: float


class StateAnswer(BaseModel):
    """What every service says of itself."""

    model_config = ConfigDict(extra="allow")

    halted: str
    halt: HaltAnswer | None
    troubles: list[TroubleAnswer]


class KillAnswer(BaseModel):
    """Halted. `redis`: whether the others hear of it now; `file`: whether a restart knows it."""

    halted: str
    redis: Literal["ok", "away"]
    file: Literal["ok", "failed"]


class ResumeAnswer(BaseModel):
    """No longer halted."""

    halted: Literal[""]
    redis: Literal["ok"]


class ResumeRefused(BaseModel):
    """Still halted; `why` says why."""

    halted: str
    redis: Literal["ok", "away"]
    why: str


def state_answer(service: str, state: Callable[[], Mapping[str, object]]) -> type[StateAnswer]:
    """The common fields, and those of the TypedDict that `state` says to return."""
    returned = get_type_hints(state).get("return")
    required: frozenset[str] = getattr(returned, "__required_keys__", frozenset())
    hints = get_type_hints(returned) if hasattr(returned, "__required_keys__") else {}
    fields: dict[str, Any] = {
        name: (hint, ... if name in required else None)
        for name, hint in hints.items()
        if name not in _COMMON
    }
    return create_model(f"{service.capitalize()}State", __base__=StateAnswer, **fields)


def refusals(*statuses: int) -> Responses:
    """Describe these as a `RefusalAnswer`."""
    return {status: {"model": RefusalAnswer} for status in statuses}
