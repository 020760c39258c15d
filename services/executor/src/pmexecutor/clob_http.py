"""Requests to the CLOB: signed, on kept-alive connections, each with a deadline, none repeated.

What failed says whether it may have reached the venue: only when no connection was made did it
certainly not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

import httpx

from pmcore.engine.execution.io import RateHeaders
from pmcore.model.errors import Cause, MalformedInputError, Sent, TransportError
from pmcore.model.units import NS_PER_S
from pmcore.shell.causes import cause_of
from pmcore.shell.machine import machine
from pmcore.shell.net import is_loopback
from pmcore.venue.fields import decode_json, natural_of
from pmcore.venue.l2_auth import ApiCredentials, l2_headers

MAX_CONNECTIONS = 64
KEEP_ALIVE_S = 30.0
HTTP_OK = 200
_REDIRECT = 300
_NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True)
class ClobAnswer:
    """A status and a body: JSON, or the text where it was none."""

    status: int
    body: object
    retry_after: str | None
    rate: RateHeaders | None
    skew_s: float | None = field(default=None, compare=False)
    """Our clock less the venue's, by its Date header: to about a second. None without one."""

    @property
    def ok(self) -> bool:
        """Whether the status is one of success. The venue documents 200 only."""
        return HTTP_OK <= self.status < _REDIRECT


class ClobHttp:
    """One pool of connections to one host. `wall_ns` is real time: the venue checks it."""

    def __init__(self, base_url: str, wall_ns: Callable[[], int]) -> None:
        self._wall_ns = wall_ns
        self._client = httpx.AsyncClient(
            base_url=base_url,
            trust_env=not is_loopback(base_url),
            transport=machine().http_transport(),
            headers={"Accept": "application/json", "Content-Type": "application/json"},
            limits=httpx.Limits(
                max_connections=MAX_CONNECTIONS,
                max_keepalive_connections=MAX_CONNECTIONS,
                keepalive_expiry=KEEP_ALIVE_S,
            ),
        )

    def now_ns(self) -> int:
        """The time that goes into orders and signed headers."""
        return self._wall_ns()

    async def signed(
        self,
        credentials: ApiCredentials,
        method: str,
        path: str,
        *,
        timeout_s: float,
        body: bytes = b"",
        params: Mapping[str, str] | None = None,
    ) -> ClobAnswer:
        """An L2 request. The query is never part of what is signed (docs/venue.md 1.2)."""
        headers = l2_headers(credentials, self.now_ns() // NS_PER_S, method, path, body)
        return await self.request(
            method, path, headers=headers, timeout_s=timeout_s, body=body, params=params
        )

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        timeout_s: float,
        body: bytes = b"",
        params: Mapping[str, str] | None = None,
    ) -> ClobAnswer:
        """Any answer at all; raise `TransportError` where there was none."""
        asked_ns = self.now_ns()
        try:
            async with asyncio.timeout(timeout_s):
                response = await self._client.request(
                    method,
                    path,
                    content=body,
                    params=params,
                    headers=dict(headers),
                    timeout=timeout_s,
                )
        except TimeoutError:
            text = f"no answer in {timeout_s:g} s"
            raise _failure(method, path, text, Sent.UNKNOWN, Cause.TIMEOUT) from None
        except _NEVER_LEFT as error:
            raise _failure(method, path, _text(error), Sent.NO, cause_of(error)) from None
        except httpx.HTTPError as error:
            raise _failure(method, path, _text(error), Sent.UNKNOWN, cause_of(error)) from None
        return ClobAnswer(
            response.status_code,
            _body(response.content),
            response.headers.get("retry-after"),
            _rate(response.headers),
            _skew_s(response.headers, asked_ns, self.now_ns()),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _failure(method: str, path: str, text: str, sent: Sent, cause: Cause) -> TransportError:
    return TransportError(f"{method} {path}: {text}", retryable=True, sent=sent, cause=cause)


def _text(error: Exception) -> str:
    return f"{type(error).__name__} {error}".rstrip()


def _body(content: bytes) -> object:
    try:
        return decode_json(content)
    except MalformedInputError:
        return content[:200].decode(errors="replace")


def _skew_s(headers: httpx.Headers, asked_ns: int, answered_ns: int) -> float | None:
    try:
        told = parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError):
        return None
    return (asked_ns + answered_ns) / 2 / NS_PER_S - (told + 0.5)  # it is whole seconds


def _rate(headers: httpx.Headers) -> RateHeaders | None:
    try:
        remaining = int(headers["poly-ratelimit-remaining"])
    except (KeyError, ValueError):
        return None
    reset_s = natural_of(headers.get("poly-ratelimit-reset", ""))
    return RateHeaders(remaining, None if reset_s is None else reset_s * NS_PER_S)
