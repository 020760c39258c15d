"""Answers as the venue writes them: compact JSON, status 200, or an error text.

See docs/venue.md 1.6.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
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
PAGE_ROWS = 100
FIRST_CURSOR = "MA=="
END_CURSOR = "LTE="
BAD_PAYLOAD = "Invalid order payload"
NO_MARKET = "market not found"
NO_ORDER = "Order not found"
NO_BOOK = "No orderbook exists for the requested token id"


class VenueError(Exception):
    """A refusal: `{"error": text}`, unless a whole `body` is given or it is `plain` text."""

    def __init__(
        self,
        status: int,
        text: str,
        *,
        body: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        plain: bool = False,
    ) -> None:
        super().__init__(text)
        self.plain = plain
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
    if error.plain:
        return Response(str(error), error.status, error.headers, media_type="text/plain")
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


def page(rows: Sequence[object], cursor: str) -> dict[str, object]:
    """One page; a cursor is the base64 of an offset, `LTE=` (-1) says that nothing follows."""
    try:
        offset = int(base64.b64decode(cursor, validate=True))
    except (binascii.Error, ValueError) as error:
        raise VenueError(400, "invalid next_cursor") from error
    data = rows[offset : offset + PAGE_ROWS] if offset >= 0 else []
    end = offset + len(data)
    more = offset >= 0 and end < len(rows)
    return {
        "limit": PAGE_ROWS,
        "count": len(data),
        "next_cursor": base64.b64encode(str(end).encode()).decode() if more else END_CURSOR,
        "data": data,
    }


def not_found(text: str) -> VenueError:
    """404 with a text of docs/venue.md 1.6."""
    return VenueError(404, text)
