"""Requests to the CLOB: signed, on kept-alive connections, each with a deadline, none repeated.

What failed says whether it may have reached the venue: only when no connection was made did it
certainly not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from pmcore.engine.execution.io import RateHeaders
from pmcore.model.errors import Cause, MalformedInputError, TransportError
from pmcore.model.units import NS_PER_S
from pmcore.shell.causes import cause_of
from pmcore.shell.clock import ahead_of_s
from pmcore.shell.http1 import Http1Error, Http1Pool, Http1Request
from pmcore.shell.machine import machine
from pmcore.venue.fields import decode_json, natural_of
from pmcore.venue.l2_auth import ApiCredentials, l2_headers

HTTP_OK = 200
_REDIRECT = 300
_HEADERS = {
    "User-Agent": "pm-as-ofi",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
}


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
        self._sender = machine().http1_sender() or Http1Pool(base_url, _HEADERS)
        self._closed = False

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
        target = f"{path}?{urlencode(params, quote_via=quote)}" if params else path
        request = Http1Request(method, target, headers, body)
        if self._closed:
            raise _failure(request, path, "the connections were closed", Cause.CONNECTION_LOST)
        asked_ns = self.now_ns()
        try:
            answer = await self._sender.send(request, timeout_s)
        except TimeoutError:
            text = f"no answer in {timeout_s:g} s"
            raise _failure(request, path, text, Cause.TIMEOUT) from None
        except Http1Error as error:
            raise _failure(request, path, str(error), cause_of(error)) from None
        return ClobAnswer(
            answer.status,
            _body(answer.content),
            answer.headers.get("retry-after"),
            _rate(answer.headers),
            ahead_of_s(answer.headers.get("date", ""), asked_ns, self.now_ns()),
        )

    async def close(self) -> None:
        """Close the connections."""
        self._closed = True
        await self._sender.close()


def _failure(request: Http1Request, path: str, text: str, cause: Cause) -> TransportError:
    what = f"{request.method} {path}: {text}"
    return TransportError(what, retryable=True, sent=request.sent, cause=cause)


def _body(content: bytes) -> object:
    try:
        return decode_json(content)
    except MalformedInputError:
        return content[:200].decode(errors="replace")


def _rate(headers: Mapping[str, str]) -> RateHeaders | None:
    try:
        remaining = int(headers["poly-ratelimit-remaining"])
    except (KeyError, ValueError):
        return None
    reset_s = natural_of(headers.get("poly-ratelimit-reset", ""))
    return RateHeaders(remaining, None if reset_s is None else reset_s * NS_PER_S)
