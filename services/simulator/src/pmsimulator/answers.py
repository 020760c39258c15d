"""Answers as the venue writes them: compact JSON, status 200, or an error text (venue.md 1.6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from pmcore.model.errors import MalformedInputError
from pmcore.venue.fields import decode_json_as

T = TypeVar("T")
JSON = "application/json"
BAD_PAYLOAD = "Invalid order payload"
NO_BOOK = "No orderbook exists for the requested token id"


class VenueError(Exception):
    """A refusal, answered as `{"error": text}` unless a whole `body` is given."""

    def __init__(
        self,
        status: int,
        text: str,
        *,
        body: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.headers = headers
        self.body: Mapping[str, object] = body if body is not None else {"error": text}


def read_body(body: bytes, wanted: type[T]) -> T:
    """The body of a request; raise `VenueError` for any other shape."""
    try:
        return decode_json_as(body, wanted)
    except MalformedInputError as error:
        raise VenueError(400, BAD_PAYLOAD) from error


def answer(
    content: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """JSON as bytes; msgspec keeps the order of the keys."""
    return Response(msgspec.json.encode(content), status, headers, media_type=JSON)


async def answer_error(_request: Request, error: Exception) -> Response:
    """The exception handler for refusals."""
    if not isinstance(error, VenueError):
        raise error
    return answer(error.body, error.status, error.headers)


async def answer_framework_error(_request: Request, error: Exception) -> Response:
    """Unknown paths and methods, in the venue's form."""
    if not isinstance(error, HTTPException):
        raise error
    return answer({"error": str(error.detail)}, error.status_code)


async def answer_validation_error(_request: Request, error: Exception) -> Response:
    """A missing or odd query parameter, by name."""
    if not isinstance(error, RequestValidationError):
        raise error
    names = ", ".join(str(item["loc"][-1]) for item in error.errors())
    return answer({"error": f"invalid parameters: {names}"}, 400)


def not_found(text: str) -> VenueError:
    """404 with a text of venue.md 1.6."""
    return VenueError(404, text)
